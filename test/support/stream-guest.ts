// A guest on a stream port without QEMU: connects to the switch's socket, sends frames behind their
// lengths and takes apart what it receives. It can stop reading, as a guest that hangs does.

import { once } from 'node:events';
import net from 'node:net';

/** One connected guest. */
export class StreamGuest {
  /** Frames received so far, oldest first. A test may empty it. */
  readonly frames: Buffer[] = [];
  readonly #socket: net.Socket;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (octets) => this.#receive(octets));
    socket.on('error', () => {});
  }

  /** Connects to the unix socket `path`. */
  static async connect(path: string): Promise<StreamGuest> {
    const socket = net.connect(path);
    await once(socket, 'connect');
    return new StreamGuest(socket);
  }

  /** Sends one frame. */
  send(frame: Uint8Array): void {
    const len = Buffer.alloc(4);
    len.writeUInt32BE(frame.length);
    this.#socket.write(Buffer.concat([len, frame]));
  }

  /** Reads nothing until `resume`. */
  pause(): void {
    this.#socket.pause();
  }

  /** Reads again. */
  resume(): void {
    this.#socket.resume();
  }

  /** Hangs up. */
  close(): void {
    this.#socket.destroy();
  }

  #receive(octets: Buffer): void {
    let rest = Buffer.concat([this.#rest, octets]);
    while (rest.length >= 4) {
      const end = 4 + rest.readUInt32BE(0);
      if (rest.length < end) break;
      this.frames.push(rest.subarray(4, end));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
  }
}
