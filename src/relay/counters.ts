// What was counted per port, and the two sums that must always hold (in frames before
// segmentation):
//
//   ingress:  rx = relayed + consumed + sum of ingress drops
//   egress:   chosen + originated = sent + sum of egress drops + queued
//
// Doubles hold counts exactly to 2^53; a frame every nanosecond would need 104 days to get there.

import { DROP_BASE, DROP_COUNT, DROP_REASONS } from './drop-reason.ts';
import { PORT_NO_MAX } from './limits.ts';

const SIZE = PORT_NO_MAX + 1;

/** Octets of the frame noted last for each port and reason. */
const LAST_WORDS = 6;

/** The frame a drop was counted for last. */
export interface LastDrop {
  dstHi: number;
  dstLo: number;
  srcHi: number;
  srcLo: number;
  etherType: number;
  len: number;
  /** Time of the drop, in ms of the bridge's clock. */
  atMs: number;
}

/** Counters of every port of a switch. */
export class Counters {
  readonly rxFrames = new Float64Array(SIZE);
  readonly rxBytes = new Float64Array(SIZE);
  readonly relayed = new Float64Array(SIZE);
  readonly consumed = new Float64Array(SIZE);
  /** Copies the relay chose this port for. */
  readonly chosen = new Float64Array(SIZE);
  /** Frames the switch itself made for this port. */
  readonly originated = new Float64Array(SIZE);
  readonly txFrames = new Float64Array(SIZE);
  readonly txBytes = new Float64Array(SIZE);
  readonly queued = new Float64Array(SIZE);
  /** Drops; reason r of port p at `p * DROP_COUNT + r - DROP_BASE`. */
  readonly drops = new Float64Array(SIZE * DROP_COUNT);

  // The frame dropped last, by port and reason: six words and a time each.
  readonly #lastWords = new Uint32Array(SIZE * DROP_COUNT * LAST_WORDS);
  readonly #lastMs = new Float64Array(SIZE * DROP_COUNT);

  /** Counts a drop of `reason` on `port` and keeps the frame's header. */
  drop(
    port: number,
    reason: number,
    dstHi: number,
    dstLo: number,
    srcHi: number,
    srcLo: number,
    etherType: number,
    len: number,
    ms: number,
  ): void {
    const at = port * DROP_COUNT + reason - DROP_BASE;
    this.drops[at] = (this.drops[at] as number) + 1;
    const word = at * LAST_WORDS;
    this.#lastWords[word] = dstHi;
    this.#lastWords[word + 1] = dstLo;
    this.#lastWords[word + 2] = srcHi;
    this.#lastWords[word + 3] = srcLo;
    this.#lastWords[word + 4] = etherType;
    this.#lastWords[word + 5] = len;
    this.#lastMs[at] = ms;
  }

  /** The frame dropped last on `port` for `reason`; undefined when none was, or the device did not say which. */
  lastDrop(port: number, reason: number): LastDrop | undefined {
    const at = port * DROP_COUNT + reason - DROP_BASE;
    const word = at * LAST_WORDS;
    const w = (n: number) => this.#lastWords[word + n] as number;
    if (w(5) === 0) return undefined;
    return { dstHi: w(0), dstLo: w(1), srcHi: w(2), srcLo: w(3), etherType: w(4), len: w(5), atMs: this.#lastMs[at] as number };
  }

  /** Drops of `port` on one side, summed. */
  dropsOf(port: number, side: 'ingress' | 'egress'): number {
    let sum = 0;
    for (let r = 0; r < DROP_COUNT; r++) {
      if (DROP_REASONS[r]?.side === side) sum += this.drops[port * DROP_COUNT + r] as number;
    }
    return sum;
  }

  /** What is wrong with the sums of `port`, as a sentence; undefined when they hold. */
  imbalance(port: number): string | undefined {
    const rx = this.rxFrames[port] as number;
    const ingress = (this.relayed[port] as number) + (this.consumed[port] as number) + this.dropsOf(port, 'ingress');
    if (rx !== ingress) return `port ${port} received ${rx} frames and accounts for ${ingress}`;
    const given = (this.chosen[port] as number) + (this.originated[port] as number);
    const egress = (this.txFrames[port] as number) + this.dropsOf(port, 'egress') + (this.queued[port] as number);
    if (given !== egress) return `port ${port} was given ${given} frames and accounts for ${egress}`;
    return undefined;
  }

  /** Back to zero for a port number that is used again. */
  clear(port: number): void {
    for (const array of this.#columns()) array[port] = 0;
    const from = port * DROP_COUNT;
    this.drops.fill(0, from, from + DROP_COUNT);
    this.#lastMs.fill(0, from, from + DROP_COUNT);
    this.#lastWords.fill(0, from * LAST_WORDS, (from + DROP_COUNT) * LAST_WORDS);
  }

  /** A copy of everything counted. */
  save(): Float64Array[] {
    return [...this.#columns(), this.drops, this.#lastMs, Float64Array.from(this.#lastWords)].map((array) => array.slice());
  }

  /** Back to what `save` returned. */
  restore(saved: readonly Float64Array[]): void {
    const arrays = [...this.#columns(), this.drops, this.#lastMs, this.#lastWords];
    for (const [i, array] of arrays.entries()) array.set(saved[i] as Float64Array);
  }

  #columns(): Float64Array[] {
    return [
      this.rxFrames,
      this.rxBytes,
      this.relayed,
      this.consumed,
      this.chosen,
      this.originated,
      this.txFrames,
      this.txBytes,
      this.queued,
    ];
  }
}
