// A connected pair of unix stream sockets, non-blocking: a stream port's descriptor and its peer's.

import { Arena } from '../../src/sys/arena.ts';
import { closeFd, setNonBlocking } from '../../src/sys/fd.ts';
import { declare } from '../../src/sys/ffi.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, read, recv } from '../../src/sys/io.ts';
import { AF_UNIX, SO_SNDBUF, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET, setSocketOption } from '../../src/sys/socket.ts';
import { check } from '../../src/sys/sys-error.ts';

const socketpair = declare('int socketpair(int family, int type, int protocol, void* fds)');
const send = declare('long send(int fd, void* octets, size_t len, int flags)');

const READ_SIZE = 1 << 20;

/** A pair; whoever made it closes both. */
export class SocketPair {
  /** The port's end. */
  readonly fd: number;
  /** The peer's end. */
  readonly peer: number;
  readonly #arena = new Arena(READ_SIZE);
  #isPeerOpen = true;

  /** `sendBufferSize` limits what the port may send without the peer reading. */
  constructor(sendBufferSize?: number) {
    const fds = Buffer.alloc(8);
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 'make a socket pair');
    this.fd = fds.readInt32LE(0);
    this.peer = fds.readInt32LE(4);
    setNonBlocking(this.fd);
    setNonBlocking(this.peer);
    if (sendBufferSize !== undefined) setSocketOption(this.fd, SOL_SOCKET, SO_SNDBUF, sendBufferSize);
  }

  /** Sends octets from the peer as they are; returns how many were taken. */
  send(octets: Uint8Array): number {
    return Math.max(0, send(this.peer, octets, octets.length, MSG_DONTWAIT | MSG_NOSIGNAL));
  }

  /** What the port has sent, up to `size` octets; empty when there is nothing. */
  read(size = READ_SIZE): Buffer {
    const n = recv(this.peer, this.#arena.address, Math.min(size, READ_SIZE), MSG_DONTWAIT);
    return Buffer.from(this.#arena.memory.u8.slice(0, Math.max(0, n)));
  }

  /** Whether the port's end was closed, all of it having been read. */
  isAtEnd(): boolean {
    return read(this.peer, this.#arena.address, 1) === 0;
  }

  closePeer(): void {
    if (this.#isPeerOpen) closeFd(this.peer);
    this.#isPeerOpen = false;
  }

  close(): void {
    this.closePeer();
    closeFd(this.fd);
  }
}

/** Frames behind their lengths, as they go over a stream. */
export function framed(...frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    frames.flatMap((frame) => {
      const len = Buffer.alloc(4);
      len.writeUInt32BE(frame.length);
      return [len, frame];
    }),
  );
}

/** The frames in a stream that must end behind a frame. */
export function unframed(octets: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < octets.length; ) {
    const len = octets.readUInt32BE(at);
    if (at + 4 + len > octets.length) throw new Error(`the stream ends inside a frame of ${len} octets`);
    frames.push(octets.subarray(at + 4, at + 4 + len));
    at += 4 + len;
  }
  return frames;
}
