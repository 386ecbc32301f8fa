// A memory port whose frames lie as a guest's do: in several segments, in memory that is not private,
// with nothing in front that anyone may write. What is written there all the same is found out.

import { MEMORY_PORT_SIZE, MemoryPort } from '../../src/ports/memory-port.ts';
import { type Batch, HEAD_LEN_MIN } from '../../src/relay/batch.ts';
import { Arena } from '../../src/sys/arena.ts';

/** A memory port that receives scattered frames. */
export class ScatterPort extends MemoryPort {
  readonly #octets: Uint8Array;
  #lent: Uint8Array | undefined;

  constructor(portNo: number) {
    const { memory } = new Arena(MEMORY_PORT_SIZE);
    super(portNo, { memory });
    this.#octets = memory.u8;
  }

  /** Receives, and cuts each frame behind its head into segments of growing length. */
  override receive(batch: Batch): void {
    super.receive(batch);
    batch.headroom = 0;
    const offsets = Array.from(batch.segOffset.subarray(0, batch.segmentTotal));
    const lens = Array.from(batch.segLen.subarray(0, batch.segmentTotal));
    let s = 0;
    for (let i = 0; i < batch.count; i++) {
      const end = (offsets[i] as number) + (lens[i] as number);
      batch.firstSegment[i] = s;
      for (
        let at = offsets[i] as number, size = HEAD_LEN_MIN + 1;
        at < end;
        at += size, size = size === HEAD_LEN_MIN + 1 ? 333 : size * 2
      ) {
        batch.segMemory[s] = 0;
        batch.segOffset[s] = at;
        batch.segLen[s] = Math.min(size, end - at);
        s++;
      }
      batch.segmentCount[i] = s - (batch.firstSegment[i] as number);
    }
    batch.segmentTotal = s;
    this.#lent = this.#octets.slice();
  }

  /** Takes the batch back; throws when anyone has written to its memory. */
  override release(batch: Batch): void {
    super.release(batch);
    if (this.#lent !== undefined && Buffer.compare(this.#lent, this.#octets) !== 0)
      throw new Error("a lender's memory was written to");
    this.#lent = undefined;
  }
}
