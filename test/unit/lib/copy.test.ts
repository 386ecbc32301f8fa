// Copies of every alignment, short and long, touch their range and nothing else.

import test from 'ava';
import { copyOctets } from '../../../src/lib/copy.ts';
import { memoryOf } from '../../../src/lib/memory.ts';

test('every octet of the range, and no other', (t) => {
  const src = memoryOf(new ArrayBuffer(3000));
  src.u8.forEach((_, i) => {
    src.u8[i] = (i * 31) & 0xff;
  });
  for (const len of [0, 1, 2, 3, 4, 5, 7, 8, 9, 14, 15, 16, 17, 60, 511, 512, 513, 1514]) {
    for (const [dstOffset, srcOffset] of [
      [0, 0],
      [1, 2],
      [3, 0],
      [0, 5],
      [7, 6],
    ] as const) {
      const dst = memoryOf(new ArrayBuffer(dstOffset + len + 8));
      dst.u8.fill(0xa5);
      copyOctets(dst, dstOffset, src, srcOffset, len);
      const expected = new Uint8Array(dst.u8.length).fill(0xa5);
      expected.set(src.u8.subarray(srcOffset, srcOffset + len), dstOffset);
      t.deepEqual(dst.u8, expected, `${len} octets from ${srcOffset} to ${dstOffset}`);
    }
  }
});

test('within one memory', (t) => {
  const memory = memoryOf(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]).buffer);
  copyOctets(memory, 9, memory, 0, 9);
  t.deepEqual([...memory.u8.subarray(9)], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
