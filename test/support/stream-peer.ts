// The other end of QEMU's `-netdev stream` without a switch: a server that takes one guest's frames
// apart by their 4-byte big-endian lengths and can send some.

import { once } from 'node:events';
import net from 'node:net';

/** One guest's link. */
export class StreamPeer {
  /** Frames received so far, each from its destination address on. */
  readonly frames: Buffer[] = [];
  /** Lengths that no Ethernet frame has. */
  readonly badLengths: number[] = [];
  readonly #server: net.Server;
  #socket: net.Socket | undefined;
  #received: Buffer = Buffer.alloc(0);

  constructor() {
    this.#server = net.createServer((socket) => {
      this.#socket = socket;
      socket.on('data', (octets) => this.#receive(octets));
      socket.on('error', () => {});
    });
  }

  /** Listens on the unix socket `path`. */
  async listen(path: string): Promise<void> {
    this.#server.listen(path);
    await once(this.#server, 'listening');
  }

  /** Sends one frame to the guest. */
  send(frame: Uint8Array): void {
    const len = Buffer.alloc(4);
    len.writeUInt32BE(frame.length);
    this.#socket?.write(Buffer.concat([len, frame]));
  }

  /** Stops listening and hangs up. */
  close(): void {
    this.#socket?.destroy();
    this.#server.close();
  }

  #receive(octets: Buffer): void {
    let rest = Buffer.concat([this.#received, octets]);
    while (rest.length >= 4) {
      const len = rest.readUInt32BE(0);
      if (len < 14 || len > 65_557) this.badLengths.push(len);
      if (rest.length < 4 + len) break;
      this.frames.push(rest.subarray(4, 4 + len));
      rest = rest.subarray(4 + len);
    }
    this.#received = rest;
  }
}
