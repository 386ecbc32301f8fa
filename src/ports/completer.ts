// Brings a frame that asks more of an egress than it can do into frames that ask for nothing: cut
// into segments, checksums finished (wire/segment.ts). Only for that egress; the frame itself is
// untouched, so another port in the same flood still sends it whole.
//
//   begin(batch, i) = n ──> emit(0) … emit(n - 1), one finished frame each, into the port's memory
//
// A frame in private memory that leaves as it lies there is cut where it lies. Any other (in several
// segments, with a stripped tag, in a guest's memory) is made linear in the scratch first.
//
// Bounded: what one frame becomes is COMPLETED_OCTETS_MAX octets at the most, or a frame of 64 KiB
// whose headers are 16 KiB of IPv6 options would leave as 16 MiB. 64 KiB of TCP in segments of 64
// octets is within it.

import { type Memory, memoryOf } from '../lib/memory.ts';
import { type Batch, FRAME_LEN_MAX } from '../relay/batch.ts';
import { Segmenter } from '../wire/segment.ts';
import { copyFrame } from './copy-frame.ts';

/** Octets that the frames made from one frame take at the most, COMPLETED_PREFIX_LEN for each included. */
export const COMPLETED_OCTETS_MAX = 192 * 1024;
/** Octets that a port may put in front of each finished frame within that bound. */
export const COMPLETED_PREFIX_LEN = 4;

/** Finishes one frame at a time; one per worker, used by every port. */
export class Completer {
  readonly #segmenter = new Segmenter();
  readonly #scratch: Memory = memoryOf(new ArrayBuffer(FRAME_LEN_MAX));

  /** Octets of the longest frame that `emit` will write. */
  get lenMax(): number {
    return this.#segmenter.emittedLenMax;
  }

  /** Takes frame `i` of `batch`; returns how many finished frames it becomes, 0 when that cannot be done. */
  begin(batch: Batch, i: number): number {
    let memory = this.#scratch;
    let at = 0;
    let headerLen = batch.headerLen[i] as number;
    if (batch.headroom > 0 && batch.segmentCount[i] === 1 && batch.strippedTag[i] === 0) {
      const s = batch.firstSegment[i] as number;
      memory = batch.memories[batch.segMemory[s] as number] as Memory;
      at = batch.segOffset[s] as number;
    } else {
      headerLen = copyFrame(batch, i, memory, at);
    }
    const count = this.#segmenter.begin(
      memory,
      at,
      batch.len[i] as number,
      headerLen,
      batch.etherType[i] as number,
      batch.need[i] as number,
      batch.gsoSize[i] as number,
      batch.csumStart[i] as number,
      batch.csumOffset[i] as number,
    );
    return count * (this.lenMax + COMPLETED_PREFIX_LEN) > COMPLETED_OCTETS_MAX ? 0 : count;
  }

  /** Writes finished frame `k` of the frame begun last at `at` of `dst`, where `lenMax` octets have room; returns its length. */
  emit(k: number, dst: Memory, at: number): number {
    return this.#segmenter.emit(k, dst, at);
  }
}
