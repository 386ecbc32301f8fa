// Addresses as two numbers: text, octets, predicates.

import test from 'ava';
import {
  formatMac,
  isBroadcast,
  isGroup,
  isReservedGroup,
  isTpid,
  isZero,
  macHi,
  macLo,
  parseMac,
  writeMac,
} from '../../../src/wire/ethernet.ts';
import { hex } from '../../support/ip-frame.ts';

const FROZEN = hex('fe 54 00 80 c2 01');

test('an address is read from and written to its octets', (t) => {
  const view = new DataView(FROZEN.buffer);
  t.is(macHi(view, 0), 0xfe54);
  t.is(macLo(view, 0), 0x0080c201);
  const out = new Uint8Array(8).fill(0xa5);
  writeMac(new DataView(out.buffer), 1, 0xfe54, 0x0080c201);
  t.deepEqual(out, hex('a5 fe 54 00 80 c2 01 a5'));
});

test('text is read with either separator in either case', (t) => {
  const expected = { hi: 0xfe54, lo: 0xff80c201 };
  for (const text of ['fe:54:ff:80:c2:01', 'FE:54:FF:80:C2:01', 'fe-54-ff-80-c2-01', 'Fe-54-fF-80-c2-01'])
    t.deepEqual(parseMac(text), expected);
  t.is(formatMac(expected.hi, expected.lo), 'fe:54:ff:80:c2:01');
  t.is(formatMac(0, 0), '00:00:00:00:00:00');
  t.is(formatMac(0xffff, 0xffffffff), 'ff:ff:ff:ff:ff:ff');
});

test('malformed text is undefined', (t) => {
  const malformed = [
    '',
    'fe:54:00:80:c2',
    'fe:54:00:80:c2:01:02',
    'fe:54:00:80:c2:1',
    'fe:54-00:80:c2:01',
    'fe:54:00:80:c2:0g',
    ' fe:54:00:80:c2:01',
    'fe:54:00:80:c2:01\n',
    'fe540080c201',
    'fe.54.00.80.c2.01',
    'fe::54:00:80:c2:01',
  ];
  for (const text of malformed) t.is(parseMac(text), undefined, JSON.stringify(text));
});

test('the I/G bit is the lowest of the first octet', (t) => {
  t.true(isGroup(0x0180));
  t.true(isGroup(0x3333));
  t.true(isGroup(0xffff));
  t.false(isGroup(0xfe54));
  t.false(isGroup(0x0001));
});

test('reserved groups are 01-80-C2-00-00-00 to 0F', (t) => {
  for (let last = 0; last < 16; last++) t.true(isReservedGroup(0x0180, 0xc2000000 + last));
  t.false(isReservedGroup(0x0180, 0xc2000010));
  t.false(isReservedGroup(0x0180, 0xc1ffffff));
  t.false(isReservedGroup(0x0180, 0xc2000100));
  t.false(isReservedGroup(0x0080, 0xc2000000));
});

test('broadcast and zero are one address each', (t) => {
  t.true(isBroadcast(0xffff, 0xffffffff));
  t.false(isBroadcast(0xffff, 0xfffffffe));
  t.false(isBroadcast(0xfffe, 0xffffffff));
  t.true(isZero(0, 0));
  t.false(isZero(0, 1));
  t.false(isZero(1, 0));
});

test('tags are announced by the two TPIDs of 802.1Q', (t) => {
  t.true(isTpid(0x8100));
  t.true(isTpid(0x88a8));
  t.false(isTpid(0x9100));
  t.false(isTpid(0x0800));
});
