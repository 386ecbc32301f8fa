// The other end of QEMU's `-netdev dgram` without a switch: a datagram socket at a path, which sends to
// another one and is connected to nobody, or to that one as a second switch would be.

import { Arena } from '../../src/sys/arena.ts';
import { closeFd } from '../../src/sys/fd.ts';
import { declare, errno } from '../../src/sys/ffi.ts';
import { MSG_DONTWAIT, recv, sendmsg } from '../../src/sys/io.ts';
import { AF_UNIX, bindSocket, openSocket, SOCK_DGRAM, SOCK_NONBLOCK } from '../../src/sys/socket.ts';
import { connectUnixDatagram } from '../../src/sys/unix-datagram.ts';
import { unixAddress } from '../../src/sys/unix-path.ts';

const sendto = declare('long sendto(int fd, void* octets, size_t len, int flags, void* address, uint addressLen)');

const RECEIVE_SIZE = 1 << 17;

/** One guest's link. */
export class DatagramPeer {
  readonly fd: number;
  readonly #to: string;
  readonly #arena = new Arena(RECEIVE_SIZE);
  #isOpen = true;

  /** Binds `path`; sends to `to`. */
  constructor(path: string, to: string) {
    this.#to = to;
    this.fd = openSocket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, 'a peer');
    const bound = bindSocket(this.fd, unixAddress(path));
    if (bound < 0) throw new Error(`cannot bind ${path}: ${bound}`);
  }

  /** Makes it a peer of one alone; 0 or minus errno. */
  connect(): number {
    return connectUnixDatagram(this.fd, this.#to);
  }

  /** Sends one frame, to the path it has been given; the octets taken, or minus errno. */
  send(frame: Uint8Array): number {
    const address = unixAddress(this.#to);
    const n = sendto(this.fd, frame, frame.length, MSG_DONTWAIT, address, address.length);
    return n < 0 ? -errno() : n;
  }

  /** Sends one frame and passes a duplicate of descriptor `passed` along; the octets taken, or minus errno. */
  sendDescriptor(frame: Uint8Array, passed: number): number {
    const { memory, address } = this.#arena;
    const { u8, view } = memory;
    const [name, iovec, control, octets] = [64, 256, 512, 1024];
    const to = unixAddress(this.#to);
    u8.fill(0, 0, octets);
    u8.set(to, name);
    u8.set(frame, octets);
    const word = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
    // struct msghdr, and one struct cmsghdr { len, level SOL_SOCKET, type SCM_RIGHTS } with the descriptor.
    for (const [at, value] of [address + name, to.length, address + iovec, 1, address + control, 24].entries())
      word(at * 8, value);
    word(iovec, address + octets);
    word(iovec + 8, frame.length);
    word(control, 20);
    view.setUint32(control + 8, 1, true);
    view.setUint32(control + 12, 1, true);
    view.setInt32(control + 16, passed, true);
    return sendmsg(this.fd, address, MSG_DONTWAIT);
  }

  /** All frames that are there, up to `max`. */
  receive(max = Number.POSITIVE_INFINITY): Buffer[] {
    const frames: Buffer[] = [];
    while (frames.length < max) {
      const n = recv(this.fd, this.#arena.address, RECEIVE_SIZE, MSG_DONTWAIT);
      if (n < 0) break;
      frames.push(Buffer.from(this.#arena.memory.u8.slice(0, n)));
    }
    return frames;
  }

  /** Ends it, leaving its path as a killed program does; the second time does nothing. */
  close(): void {
    if (this.#isOpen) closeFd(this.fd);
    this.#isOpen = false;
  }
}
