// Copying octets between memories: the one place where a view may be made for a frame.
//
// Short copies go word by word through the DataViews, which need no alignment (guests' frames start
// at 2 mod 4). Long ones go through `set` and `subarray`: the view costs as much as some 300 octets
// of word copies, and the native copy then runs several times faster.

import type { Memory } from './memory.ts';

/** Copies longer than this, in octets, go through a view. */
const WORDS_LEN_MAX = 512;

/**
 * Copies `len` octets at `srcOffset` in `src` to `dstOffset` in `dst`. Both ranges lie inside their memory, and do not
 * overlap: the caller has checked the lengths.
 */
export function copyOctets(dst: Memory, dstOffset: number, src: Memory, srcOffset: number, len: number): void {
  if (len > WORDS_LEN_MAX) {
    dst.u8.set(src.u8.subarray(srcOffset, srcOffset + len), dstOffset);
    return;
  }
  const to = dst.view;
  const from = src.view;
  const move = dstOffset - srcOffset;
  let at = srcOffset;
  for (const end = srcOffset + (len & ~7); at < end; at += 8) {
    to.setInt32(at + move, from.getInt32(at, true), true);
    to.setInt32(at + move + 4, from.getInt32(at + 4, true), true);
  }
  for (const end = srcOffset + len; at < end; at++) to.setUint8(at + move, from.getUint8(at));
}
