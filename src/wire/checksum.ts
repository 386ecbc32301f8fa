// The Internet checksum (RFC 1071): the ones' complement sum of 16-bit words.
//
// `sum` returns a partial sum of any size below 2^53; partial sums of parts that start at even
// positions are added with `+` or handed on as `initial`, and `fold` or `finish` brings them to 16
// bits at the end. 32-bit words are added as doubles: 2^32 ≡ 1 (mod 2^16 - 1), so folding the
// carries later gives the same as adding 16-bit words, and a double is exact up to 2^53, which is
// 8 MiB of octets. In V8 that is half the time of 16-bit halves in int32. Words are read little
// endian, as the machine has them, and the folded result is swapped once (RFC 1071 section 2 B).
//
// A part of odd length counts as if a zero octet followed it, so only the last part may be odd.

import { IPV4, IPV6 } from './ip.ts';

const TWO_32 = 0x1_0000_0000;

/** Adds the `len` octets at `offset` to the partial sum `initial`. Offset and length may be odd. */
export function sum(view: DataView, offset: number, len: number, initial = 0): number {
  let words = 0;
  let at = offset;
  for (const end = offset + (len & ~15); at < end; at += 16) {
    words +=
      view.getUint32(at, true) + view.getUint32(at + 4, true) + view.getUint32(at + 8, true) + view.getUint32(at + 12, true);
  }
  for (const end = offset + (len & ~1); at < end; at += 2) words += view.getUint16(at, true);
  if ((len & 1) !== 0) words += view.getUint8(at);
  const folded = fold(words);
  return initial + (((folded & 0xff) << 8) | (folded >>> 8));
}

/** Brings a partial sum to 16 bits. Over octets that contain their own finished checksum it is 0xffff. */
export function fold(partial: number): number {
  const low = partial >>> 0;
  let folded = Math.floor(partial / TWO_32) + (low >>> 16) + (low & 0xffff);
  while (folded > 0xffff) folded = (folded >>> 16) + (folded & 0xffff);
  return folded;
}

/** The checksum for a partial sum: its complement. UDP writes 0xffff where this gives 0 (RFC 768). */
export function finish(partial: number): number {
  return ~fold(partial) & 0xffff;
}

/**
 * The sum of the IPv4 pseudo header: the addresses of the header at `l3`, `protocol`, and `l4Len`, the octets of
 * layer 4 header and payload (RFC 9293 3.1).
 */
export function pseudoSum4(view: DataView, l3: number, protocol: number, l4Len: number): number {
  return view.getUint32(l3 + IPV4.SRC) + view.getUint32(l3 + IPV4.DST) + protocol + l4Len;
}

/** The sum of the IPv6 pseudo header (RFC 8200 8.1), with the destination that the IPv6 header at `l3` names. */
export function pseudoSum6(view: DataView, l3: number, protocol: number, l4Len: number): number {
  return sum(view, l3 + IPV6.SRC, 32) + protocol + l4Len;
}
