// A frame as it leaves, octet behind octet: the header from the snapshot, then the payload from
// wherever the lender keeps it.

import { copyOctets } from '../lib/copy.ts';
import type { Memory } from '../lib/memory.ts';
import type { Batch } from '../relay/batch.ts';
import { writeHeader } from '../relay/snapshot.ts';

/** Writes frame `i` of `batch`, all `batch.len[i]` octets, at `at` of `dst`; returns the length of its Ethernet header. */
export function copyFrame(batch: Batch, i: number, dst: Memory, at: number): number {
  const headerLen = writeHeader(batch, i, dst.view, at);
  let to = at + headerLen;
  let skip = batch.headerLen[i] as number;
  const first = batch.firstSegment[i] as number;
  const end = first + (batch.segmentCount[i] as number);
  for (let s = first; s < end; s++) {
    const len = (batch.segLen[s] as number) - skip;
    copyOctets(dst, to, batch.memories[batch.segMemory[s] as number] as Memory, (batch.segOffset[s] as number) + skip, len);
    to += len;
    skip = 0;
  }
  return headerLen;
}
