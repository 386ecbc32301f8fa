// Sends and receives whole frames on a descriptor for system tests: a tap's or a packet socket's.

import { Arena } from '../../src/sys/arena.ts';
import { ERRNO, isTryAgain } from '../../src/sys/errno.ts';
import { closeFd } from '../../src/sys/fd.ts';
import { read, write } from '../../src/sys/io.ts';

const FRAME_SIZE_MAX = 65_557;

/** A device with a virtio-net header of `vnetHdrSize` octets before each frame; sends with an empty one. */
export class FrameDevice {
  readonly fd: number;
  readonly #arena = new Arena(2 * 65_536);
  readonly #vnetHdrSize: number;

  constructor(device: { readonly fd: number }, vnetHdrSize: number) {
    this.fd = device.fd;
    this.#vnetHdrSize = vnetHdrSize;
  }

  /** Sends one frame; throws when the kernel does not take it. */
  send(frame: Uint8Array): void {
    const { u8, address } = this.#arena.memory;
    u8.fill(0, 0, this.#vnetHdrSize);
    u8.set(frame, this.#vnetHdrSize);
    const n = write(this.fd, address, this.#vnetHdrSize + frame.length);
    if (n !== this.#vnetHdrSize + frame.length) throw new Error(`a frame of ${frame.length} octets was not sent: ${n}`);
  }

  /** The next frame received; undefined when none is there. */
  receive(): Buffer | undefined {
    const { u8, address } = this.#arena.memory;
    const n = read(this.fd, address, this.#vnetHdrSize + FRAME_SIZE_MAX);
    // An interface that was down in between says so once.
    if ((n < 0 && isTryAgain(n)) || n === -ERRNO.ENETDOWN) return undefined;
    if (n < 0) throw new Error(`receiving failed: ${n}`);
    return Buffer.from(u8.slice(this.#vnetHdrSize, n));
  }

  /** All frames that are there. */
  receiveAll(): Buffer[] {
    const frames: Buffer[] = [];
    for (let frame = this.receive(); frame !== undefined; frame = this.receive()) frames.push(frame);
    return frames;
  }

  close(): void {
    closeFd(this.fd);
  }
}
