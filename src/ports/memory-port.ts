// A port without a device, for tests: frames are pushed in on one side and taken out on the other.
// It keeps every rule of Port, so whatever runs over memory ports runs over real ones.

import { type Memory, memoryOf } from '../lib/memory.ts';
import { type Batch, FRAME_LEN_MAX } from '../relay/batch.ts';
import { DROP } from '../relay/drop-reason.ts';
import type { TransmitResult } from '../relay/egress.ts';
import { Completer } from './completer.ts';
import { copyFrame } from './copy-frame.ts';
import { type Port, type PortFault, RECEIVE_FRAMES_MAX } from './port.ts';
import { settle } from './settle.ts';

/** What a virtio-net header would say of a pushed frame. */
export interface PushedOffload {
  readonly flags: number;
  readonly gsoType?: number;
  readonly gsoSize?: number;
  /** From the first octet pushed. */
  readonly csumStart: number;
  readonly csumOffset: number;
  /** A tag that travels beside the frame. */
  readonly strippedTag?: { readonly tpid: number; readonly tci: number };
}

/** How a memory port is made. */
export interface MemoryPortOptions {
  /** Offload work it takes over on egress; by default none. */
  readonly caps?: number;
  /** Frames that wait on either side at the most. */
  readonly framesMax?: number;
  /** Memory to lend frames from, MEMORY_PORT_SIZE octets from 0; native if system calls are to reach it. */
  readonly memory?: Memory;
}

const HEADROOM = 18;
const SLOT_SIZE = HEADROOM + FRAME_LEN_MAX + 64;
/** Octets a memory port lends from. */
export const MEMORY_PORT_SIZE = RECEIVE_FRAMES_MAX * SLOT_SIZE;
const { TX_FULL, TX_DOWN, UNSEGMENTABLE } = DROP;

/** A port of two bounded queues. */
export class MemoryPort implements Port {
  readonly portNo: number;
  readonly fd = -1;
  readonly caps: number;
  readonly wantsWrite = false;
  /** May be set, to be a device that failed. */
  fault: PortFault | undefined;
  readonly #framesMax: number;
  readonly #memory: Memory;
  readonly #completer = new Completer();
  readonly #received: { octets: Uint8Array; offload: PushedOffload | undefined }[] = [];
  #sent: Uint8Array[] = [];

  constructor(portNo: number, options: MemoryPortOptions = {}) {
    this.portNo = portNo;
    this.caps = options.caps ?? 0;
    this.#framesMax = options.framesMax ?? 1024;
    this.#memory = options.memory ?? memoryOf(new ArrayBuffer(MEMORY_PORT_SIZE));
  }

  get hasBacklog(): boolean {
    return this.#received.length > 0;
  }

  /** Makes `octets` a frame that the port receives; false when too many wait already. */
  push(octets: Uint8Array, offload?: PushedOffload): boolean {
    if (this.#received.length >= this.#framesMax || octets.length > SLOT_SIZE - HEADROOM) return false;
    this.#received.push({ octets: octets.slice(), offload });
    return true;
  }

  /** The frames sent since the last call. */
  take(): Uint8Array[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  receive(batch: Batch): void {
    batch.headroom = HEADROOM;
    const index = batch.useMemory(this.#memory);
    for (const { octets, offload } of this.#received.splice(0, RECEIVE_FRAMES_MAX)) {
      const at = batch.count * SLOT_SIZE + HEADROOM;
      this.#memory.u8.set(octets, at);
      const i = batch.add(index, at, octets.length);
      if (offload === undefined) continue;
      const { flags, gsoType = 0, gsoSize = 0, csumStart, csumOffset, strippedTag } = offload;
      batch.setOffload(i, flags, gsoType, gsoSize, csumStart, csumOffset);
      if (strippedTag !== undefined) batch.setStrippedTag(i, strippedTag.tpid, strippedTag.tci);
    }
  }

  release(_batch: Batch): void {}

  transmit(batch: Batch, frames: Uint16Array, start: number, count: number, result: TransmitResult): void {
    for (const i of frames.subarray(start, start + count)) settle(result, batch, i, this.#send(batch, i));
  }

  drain(_result: TransmitResult): void {}

  close(_result: TransmitResult): void {
    this.#received.length = 0;
  }

  #send(batch: Batch, i: number): number {
    if (this.fault !== undefined) return TX_DOWN;
    const isFinished = ((batch.need[i] as number) & ~this.caps) === 0;
    const pieces = isFinished ? 1 : this.#completer.begin(batch, i);
    if (pieces === 0) return UNSEGMENTABLE;
    if (this.#sent.length + pieces > this.#framesMax) return TX_FULL;
    for (let k = 0; k < pieces; k++) {
      const frame = memoryOf(new ArrayBuffer(isFinished ? (batch.len[i] as number) : this.#completer.lenMax));
      let len = frame.u8.length;
      if (isFinished) copyFrame(batch, i, frame, 0);
      else len = this.#completer.emit(k, frame, 0);
      this.#sent.push(frame.u8.subarray(0, len));
    }
    return 0;
  }
}
