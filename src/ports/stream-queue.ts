// Frames of a stream port that wait for the peer to read: copies, each behind its length, in one
// run of octets, so that one send takes as many as the socket has room for. It is bounded in octets
// and frames, and what does not fit is dropped and counted.
//
//   |  free  | rest of the frame being sent | length frame | length frame |   free   |
//            ^ head                                                       ^ tail
//
// A frame of which the socket took a part must go on where it stopped, or the peer reads garbage from
// there on: its rest is always at the head. The run is moved to the front only when the free half
// in front is the larger one, so an octet is moved once on average.

import { copyOctets } from '../lib/copy.ts';
import type { Memory } from '../lib/memory.ts';
import type { Batch } from '../relay/batch.ts';
import { DROP, DROP_BASE } from '../relay/drop-reason.ts';
import type { TransmitResult } from '../relay/egress.ts';
import type { Completer } from './completer.ts';
import { copyFrame } from './copy-frame.ts';

/** Frames that wait at the most. */
export const QUEUE_FRAMES_MAX = 1024;

const FRAMES_MAX = QUEUE_FRAMES_MAX;
const LENGTH_LEN = 4;
const { TX_FULL, TX_DOWN, UNSEGMENTABLE } = DROP;
const TX_DOWN_INDEX = TX_DOWN - DROP_BASE;

/** A bounded queue of copied frames. */
export class StreamQueue {
  readonly #memory: Memory;
  readonly #start: number;
  readonly #size: number;
  readonly #completer: Completer;
  #head: number;
  #tail: number;

  // Frames that wait, as a ring: where each ends, counted in octets ever queued, and its length.
  readonly #ends = new Float64Array(FRAMES_MAX);
  readonly #lens = new Uint32Array(FRAMES_MAX);
  #first = 0;
  #count = 0;
  #queuedOctets = 0;
  #sentOctets = 0;

  /** Uses `size` octets at `start` of `memory`; one frame and all it becomes must fit. */
  constructor(memory: Memory, start: number, size: number, completer: Completer) {
    this.#memory = memory;
    this.#start = start;
    this.#size = size;
    this.#completer = completer;
    this.#head = start;
    this.#tail = start;
  }

  /** Frames that wait, the one being sent included. */
  get count(): number {
    return this.#count;
  }

  /** Native address of the octets to send next. */
  get address(): number {
    return this.#memory.address + this.#head;
  }

  /** Octets that wait. */
  get octets(): number {
    return this.#tail - this.#head;
  }

  /** Copies frame `i` behind the others; 0, or the reason why it is dropped. */
  push(batch: Batch, i: number): number {
    const len = batch.len[i] as number;
    if (!this.#makeRoom(LENGTH_LEN + len)) return TX_FULL;
    copyFrame(batch, i, this.#memory, this.#tail + LENGTH_LEN);
    this.#memory.view.setUint32(this.#tail, len);
    this.#append(LENGTH_LEN + len, len);
    return 0;
  }

  /** The same for a frame that is to be finished first. */
  pushCompleted(batch: Batch, i: number): number {
    const pieces = this.#completer.begin(batch, i);
    if (pieces === 0) return UNSEGMENTABLE;
    if (!this.#makeRoom(pieces * (LENGTH_LEN + this.#completer.lenMax))) return TX_FULL;
    let at = this.#tail;
    for (let k = 0; k < pieces; k++) {
      const len = this.#completer.emit(k, this.#memory, at + LENGTH_LEN);
      this.#memory.view.setUint32(at, len);
      at += LENGTH_LEN + len;
    }
    this.#append(at - this.#tail, batch.len[i] as number);
    return 0;
  }

  /** The same for a frame of `len` octets that stands at `at` of `memory` as it leaves, in `octets` with every length. */
  pushOctets(memory: Memory, at: number, octets: number, len: number): number {
    if (!this.#makeRoom(octets)) return TX_FULL;
    copyOctets(this.#memory, this.#tail, memory, at, octets);
    this.#append(octets, len);
    return 0;
  }

  /** The first `octets` have left; frames that are out with them are added to `result`. */
  advance(octets: number, result: TransmitResult): void {
    this.#head += octets;
    this.#sentOctets += octets;
    while (this.#count > 0 && (this.#ends[this.#first] as number) <= this.#sentOctets) {
      result.sent++;
      result.sentBytes += this.#lens[this.#first] as number;
      result.queued--;
      this.#first = (this.#first + 1) % FRAMES_MAX;
      this.#count--;
    }
    if (this.#count === 0) this.#empty();
  }

  /** Gives up every frame that waits, the one being sent included. */
  drop(result: TransmitResult): void {
    result.drops[TX_DOWN_INDEX] = (result.drops[TX_DOWN_INDEX] as number) + this.#count;
    result.queued -= this.#count;
    this.#count = 0;
    this.#empty();
  }

  #empty(): void {
    this.#head = this.#start;
    this.#tail = this.#start;
    this.#queuedOctets = 0;
    this.#sentOctets = 0;
  }

  /** Counts `octets` written behind the tail as a frame of `len`. */
  #append(octets: number, len: number): void {
    const slot = (this.#first + this.#count) % FRAMES_MAX;
    this.#tail += octets;
    this.#queuedOctets += octets;
    this.#ends[slot] = this.#queuedOctets;
    this.#lens[slot] = len;
    this.#count++;
  }

  /** Whether one more frame of `octets` fits behind the tail, moving the run to the front when that pays. */
  #makeRoom(octets: number): boolean {
    if (this.#count === FRAMES_MAX) return false;
    const end = this.#start + this.#size;
    if (this.#tail + octets <= end) return true;
    const used = this.#tail - this.#head;
    if (this.#head - this.#start < this.#size / 2 || used + octets > this.#size) return false;
    this.#memory.u8.copyWithin(this.#start, this.#head, this.#tail);
    this.#head = this.#start;
    this.#tail = this.#start + used;
    return true;
  }
}
