// The independent witness: captures and injects frames with libpcap through the package cap, which
// shares no code with weft. Its faults are kept away from tests here:
//
// - `send` before `open` or after `close` is a SIGSEGV: this class refuses with a sentence instead.
// - Its receive buffer must stay referenced, and is overwritten by the next frame: frames are copied.
// - An interface that goes down or away while it is open aborts the process (134): close the
//   witness before the interface is touched, or run it in a child process.
// - A witness does not see the frames it sends itself; every other witness on the interface does.
// - It has no virtio-net header: it sees GSO frames of up to 64 KiB, and unfinished checksums.
// - It warns on stderr about interfaces without an IPv4 address; that is harmless.

import type { EventEmitter } from 'node:events';
import { assert } from '../../src/lib/assert.ts';
import { loadOptional, type Optional } from './optional.ts';

/** What we use of a `Cap` object. */
interface CapHandle extends EventEmitter {
  open(device: string, filter: string, bufferSize: number, buffer: Buffer): string;
  send(frame: Buffer, len?: number): void;
  close(): void;
}

/** What we use of the package. */
export interface CapPackage {
  readonly Cap: new () => CapHandle;
}

/** The package, or why it is missing. */
export function loadCap(): Optional<CapPackage> {
  return loadOptional<CapPackage>('cap');
}

/** Octets of kernel buffer; at 1,514 octets a frame some 5,000 frames. */
const KERNEL_BUFFER_SIZE = 8 << 20;
/** Longest frame captured: a GSO frame of 64 KiB and its headers. */
const FRAME_SIZE_MAX = 65_616;
/** Frames kept at the most; later ones are only counted. */
const FRAMES_MAX = 65_536;

/** A live capture on one interface of the network namespace the process is in. */
export class Witness {
  /** Copies of the frames seen, oldest first, without FCS. A test may empty it. */
  readonly frames: Uint8Array[] = [];
  /** Frames seen, kept or not. */
  count = 0;
  /** Frames longer than the buffer, kept cut off. */
  truncated = 0;
  readonly #cap: CapHandle;
  readonly #buffer = Buffer.alloc(FRAME_SIZE_MAX);
  #isOpen = false;

  /** Opens `device` with libpcap's text `filter` ('' for everything). Throws libpcap's sentence when it cannot. */
  constructor(capPackage: CapPackage, device: string, filter = '') {
    this.#cap = new capPackage.Cap();
    this.#cap.on('packet', (size: number, truncated: boolean) => {
      this.count++;
      if (truncated) this.truncated++;
      if (this.frames.length < FRAMES_MAX) this.frames.push(Uint8Array.from(this.#buffer.subarray(0, size)));
    });
    const linkType = this.#cap.open(device, filter, KERNEL_BUFFER_SIZE, this.#buffer);
    this.#isOpen = true;
    if (linkType !== 'ETHERNET') {
      this.close();
      throw new Error(`${device} is no Ethernet interface (libpcap calls it ${linkType}): capture on another one`);
    }
  }

  /** Injects one frame as it stands. Throws for a frame over the MTU or under 14 octets. */
  send(frame: Uint8Array): void {
    assert(this.#isOpen, 'a witness sends only between open and close');
    this.#cap.send(Buffer.from(frame), frame.length);
  }

  /** Ends the capture; further calls do nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#cap.close();
  }
}
