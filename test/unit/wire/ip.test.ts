// From the Ethernet payload to the layer 4 header.

import test from 'ava';
import { IP_PROTOCOL, L4_FRAGMENT, L4_ROUTED, l4Offset, l4Protocol, NO_L4, walkToL4 } from '../../../src/wire/ip.ts';
import { hex } from '../../support/ip-frame.ts';

const IPV4_TYPE = 0x0800;
const IPV6_TYPE = 0x86dd;
const V4 = '45 00 00 28 12 34 40 00 40 06 00 00 c0 00 02 01 c6 33 64 4d';
const V6_ADDRESSES = `20 01 0d b8 ${'00 '.repeat(11)} 01 20 01 0d b8 ${'00 '.repeat(11)} 02`;

function v6(nextHeader: string, rest: string): Uint8Array<ArrayBuffer> {
  return hex(`60 00 00 00 00 40 ${nextHeader} 40 ${V6_ADDRESSES} ${rest}`);
}

function walk(octets: Uint8Array<ArrayBuffer>, etherType: number, limit = octets.length): number {
  return walkToL4(new DataView(octets.buffer), 0, limit, etherType);
}

test('IPv4 without and with options', (t) => {
  const plain = walk(hex(V4), IPV4_TYPE);
  t.is(l4Offset(plain), 20);
  t.is(l4Protocol(plain), IP_PROTOCOL.TCP);
  t.is(plain & L4_FRAGMENT, 0, 'DF is no fragment');
  const options = hex(`46${V4.slice(2)} 01 01 01 01`);
  t.is(l4Offset(walk(options, IPV4_TYPE)), 24);
  t.is(walk(options, IPV4_TYPE, 23), NO_L4);
});

test('IPv4 fragments are marked, first, middle and last', (t) => {
  for (const field of ['20 00', '20 08', '00 08']) {
    const walked = walk(hex(V4.replace('40 00', field)), IPV4_TYPE);
    t.is(l4Offset(walked), 20);
    t.not(walked & L4_FRAGMENT, 0, field);
  }
});

test('IPv4 that is none', (t) => {
  t.is(walk(hex(V4), IPV4_TYPE, 19), NO_L4, 'cut off');
  t.is(walk(hex(`44${V4.slice(2)}`), IPV4_TYPE), NO_L4, 'header length 16');
  t.is(walk(hex(`65${V4.slice(2)}`), IPV4_TYPE), NO_L4, 'version 6');
  t.is(walk(hex(V4), 0x0806), NO_L4, 'ARP');
});

test('IPv6 without extension headers', (t) => {
  const walked = walk(v6('11', ''), IPV6_TYPE);
  t.is(l4Offset(walked), 40);
  t.is(l4Protocol(walked), IP_PROTOCOL.UDP);
  t.is(walk(v6('11', ''), IPV6_TYPE, 39), NO_L4);
  t.is(walk(hex(`45${'00 '.repeat(40).slice(2)}`), IPV6_TYPE), NO_L4);
});

test('IPv6 through hop-by-hop, destination options and a finished routing header', (t) => {
  const octets = v6('00', `3c 00 ${'00 '.repeat(6)} 2b 01 ${'00 '.repeat(14)} 06 00 04 00 ${'00 '.repeat(4)}`);
  const walked = walk(octets, IPV6_TYPE);
  t.is(l4Offset(walked), 40 + 8 + 16 + 8);
  t.is(l4Protocol(walked), IP_PROTOCOL.TCP);
  t.is(walked & (L4_FRAGMENT | L4_ROUTED), 0);
  t.is(walk(octets, IPV6_TYPE, octets.length - 1), NO_L4, 'the last extension header is cut off');
});

test('a routing header with segments left is marked', (t) => {
  const walked = walk(v6('2b', `11 00 04 01 ${'00 '.repeat(4)}`), IPV6_TYPE);
  t.is(l4Protocol(walked), IP_PROTOCOL.UDP);
  t.not(walked & L4_ROUTED, 0);
});

test('an IPv6 fragment is marked, and nothing is read behind a later one', (t) => {
  const first = walk(v6('2c', `11 ff 00 01 ${'00 '.repeat(4)}`), IPV6_TYPE);
  t.is(l4Offset(first), 48, 'the octet that is a length in other extension headers is reserved here');
  t.not(first & L4_FRAGMENT, 0);
  const later = walk(v6('2c', `3c 00 00 09 ${'00 '.repeat(4)} 06 ff ${'00 '.repeat(6)}`), IPV6_TYPE);
  t.is(l4Offset(later), 48);
  t.is(l4Protocol(later), IP_PROTOCOL.DESTINATION_OPTIONS);
  t.not(later & L4_FRAGMENT, 0);
});

test('the walk is bounded', (t) => {
  const eight = v6('3c', `${`3c 00 ${'00 '.repeat(6)}`.repeat(7)} 06 00 ${'00 '.repeat(6)}`);
  t.is(l4Offset(walk(eight, IPV6_TYPE)), 40 + 64);
  const nine = v6('3c', `${`3c 00 ${'00 '.repeat(6)}`.repeat(8)} 06 00 ${'00 '.repeat(6)}`);
  t.is(walk(nine, IPV6_TYPE), NO_L4);
});

test('an extension header that is cut off is not read past its end', (t) => {
  for (const type of ['00', '2b', '2c', '3c']) {
    for (let len = 0; len < 8; len++) {
      const octets = v6(type, `11 00 00 00 ${'00 '.repeat(4)}`).slice(0, 40 + len);
      t.is(walk(octets, IPV6_TYPE), NO_L4, `type ${type}, ${len} octets`);
    }
  }
});

test('AH and ESP end the walk', (t) => {
  for (const [text, protocol] of [
    ['33', IP_PROTOCOL.AH],
    ['32', IP_PROTOCOL.ESP],
  ] as const) {
    const walked = walk(v6(text, '06 04 00 00 00 00 00 00'), IPV6_TYPE);
    t.is(l4Protocol(walked), protocol);
    t.is(l4Offset(walked), 40);
  }
});
