// The Internet checksum on known values.

import test from 'ava';
import { finish, fold, pseudoSum4, pseudoSum6, sum } from '../../../src/wire/checksum.ts';
import { hex } from '../../support/ip-frame.ts';

test('the example of RFC 1071 section 3', (t) => {
  const view = new DataView(hex('00 01 f2 03 f4 f5 f6 f7').buffer);
  t.is(fold(sum(view, 0, 8)), 0xddf2);
  t.is(finish(sum(view, 0, 8)), 0x220d);
});

test('an IPv4 header with its checksum sums up to 0xffff', (t) => {
  const header = hex('45 00 00 73 00 00 40 00 40 11 b8 61 c0 a8 00 01 c0 a8 00 c7');
  const view = new DataView(header.buffer);
  t.is(fold(sum(view, 0, 20)), 0xffff);
  view.setUint16(10, 0);
  t.is(finish(sum(view, 0, 20)), 0xb861);
});

test('parts add up, and nothing adds nothing', (t) => {
  const view = new DataView(hex('00 01 f2 03 f4 f5 f6 f7 99').buffer);
  const whole = sum(view, 0, 9);
  t.is(fold(sum(view, 6, 3, sum(view, 0, 6))), fold(whole));
  t.is(sum(view, 3, 0), 0);
  t.is(fold(0), 0);
  t.is(finish(0), 0xffff);
});

test('a frame of the greatest length, all ones, does not lose carries', (t) => {
  const view = new DataView(new Uint8Array(65_557).fill(0xff).buffer);
  t.is(fold(sum(view, 0, 65_556)), 0xffff);
  t.is(fold(sum(view, 0, 65_557)), 0xff00);
  t.is(fold(2 ** 53 - 1), Number((2n ** 53n - 1n) % 65_535n));
});

test('pseudo headers', (t) => {
  const v4 = new DataView(hex('45 00 00 1d 00 00 40 00 40 11 00 00 0a 00 00 01 0a 00 00 02').buffer);
  t.is(fold(pseudoSum4(v4, 0, 17, 9)), 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 17 + 9);
  const octets = new Uint8Array(40);
  octets.set(hex('20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01'), 8);
  octets.set(hex('fe 80 00 00 00 00 00 00 00 00 00 00 00 00 00 02'), 24);
  const expected = 0x2001 + 0x0db8 + 1 + 0xfe80 + 2 + 6 + 1000;
  t.is(fold(pseudoSum6(new DataView(octets.buffer), 0, 6, 1000)), (expected & 0xffff) + (expected >>> 16));
});
