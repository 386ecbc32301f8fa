// The guard around pcap-parser, against every input the package alone gets wrong.

import test from 'ava';
import { loadPcapParser, parsePcap } from '../../support/pcap-file.ts';

const loaded = loadPcapParser();
const pcapParser = loaded.module ?? {
  parse: (): never => {
    throw new Error(loaded.reason);
  },
};

interface Shape {
  readonly magic?: number;
  readonly major?: number;
  readonly minor?: number;
  readonly snapLen?: number;
  readonly isLittleEndian?: boolean;
}

/** A capture with one packet per entry of `lens`, each octet of packet k being k. */
function capture(lens: readonly number[], shape: Shape = {}): Uint8Array {
  const { magic = 0xa1b2c3d4, major = 2, minor = 4, snapLen = 65_535, isLittleEndian = true } = shape;
  const octets = new Uint8Array(24 + lens.reduce((sum, len) => sum + 16 + len, 0));
  const view = new DataView(octets.buffer);
  view.setUint32(0, magic, isLittleEndian);
  view.setUint16(4, major, isLittleEndian);
  view.setUint16(6, minor, isLittleEndian);
  view.setUint32(16, snapLen, isLittleEndian);
  view.setUint32(20, 1, isLittleEndian);
  let at = 24;
  for (const [k, len] of lens.entries()) {
    view.setUint32(at, 1000 + k, isLittleEndian);
    view.setUint32(at + 4, k, isLittleEndian);
    view.setUint32(at + 8, len, isLittleEndian);
    view.setUint32(at + 12, len + 4, isLittleEndian);
    octets.fill(k, at + 16, at + 16 + len);
    at += 16 + len;
  }
  return octets;
}

test('the package loads', (t) => {
  t.is(loaded.reason, undefined);
});

for (const isLittleEndian of [true, false]) {
  test(`reads packets of every length, ${isLittleEndian ? 'little' : 'big'} endian, across chunks`, async (t) => {
    const lens = [60, 0, 1514, 65_535, 64, 65_535, 1];
    const file = await parsePcap(pcapParser, capture(lens, { isLittleEndian }));
    t.is(file.linkType, 1);
    t.is(file.snapLen, 65_535);
    t.deepEqual(
      file.packets.map((p) => p.frame.length),
      lens,
    );
    for (const [k, packet] of file.packets.entries()) {
      t.is(packet.timeSec, 1000 + k);
      t.is(packet.timeUsec, k);
      t.is(packet.originalLen, (lens[k] as number) + 4);
      t.true(packet.frame.every((octet) => octet === k));
    }
  });
}

test('reads a capture without packets', async (t) => {
  t.is((await parsePcap(pcapParser, capture([]))).packets.length, 0);
});

const refused: readonly [string, () => Uint8Array, RegExp][] = [
  ['an empty file', () => new Uint8Array(0), /too few/],
  ['a cut global header', () => capture([]).subarray(0, 23), /too few/],
  ['a cut packet header', () => capture([60, 60]).subarray(0, 24 + 76 + 15), /cut off behind packet 1/],
  ['a cut packet', () => capture([60, 60]).subarray(0, 24 + 76 + 16 + 59), /cut off behind packet 1/],
  ['a nanosecond capture', () => capture([60], { magic: 0xa1b23c4d }), /magic/],
  ['a modified capture', () => capture([60], { magic: 0xa1b2cd34 }), /magic/],
  ['a pcapng file', () => capture([60], { magic: 0x0a0d0d0a }), /magic/],
  ['version 2.3', () => capture([60], { minor: 3 }), /version 2\.3/],
  ['version 1.4', () => capture([60], { major: 1 }), /version 1\.4/],
  ['a packet over the snapshot length', () => capture([60, 1515, 60], { snapLen: 1514 }), /packet 2 claims 1515/],
  ["a packet over libpcap's maximum", () => capture([262_145], { snapLen: 0 }), /claims 262145/],
];

for (const [what, make, sentence] of refused) {
  test(`refuses ${what}`, async (t) => {
    await t.throwsAsync(parsePcap(pcapParser, make()), { message: sentence });
  });
}

test('gives up at a bogus length without reading what follows', async (t) => {
  const octets = capture([60, 60, 0xc0_0000]);
  new DataView(octets.buffer).setUint32(24 + 76 + 8, 0xffff_ffff, true);
  await t.throwsAsync(parsePcap(pcapParser, octets), { message: /packet 2 claims 4294967295/ });
});
