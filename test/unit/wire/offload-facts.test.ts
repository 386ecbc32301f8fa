// What is believed of a virtio-net header, rule by rule.

import test from 'ava';
import { BAD_OFFLOAD, judgeOffload, NEED, writeOffload } from '../../../src/wire/offload-facts.ts';
import { type BuiltFrame, buildFrame, type FrameShape, hex } from '../../support/ip-frame.ts';

interface Facts {
  flags?: number;
  gsoType?: number;
  gsoSize?: number;
  csumStart?: number;
  csumOffset?: number;
  headLen?: number;
  etherType?: number;
}

const TCPV4 = 1;
const UFO = 3;
const TCPV6 = 4;
const UDP_L4 = 5;
const ECN = 0x80;
const NEEDS_CSUM = 1;
const DATA_VALID = 2;

const TCP4: FrameShape = { version: 4, protocol: 'tcp', payload: new Uint8Array(3000) };
const TCP6: FrameShape = { version: 6, protocol: 'tcp', payload: new Uint8Array(3000) };
const UDP4: FrameShape = { version: 4, protocol: 'udp', payload: new Uint8Array(3000) };
const UDP6: FrameShape = { version: 6, protocol: 'udp', payload: new Uint8Array(3000) };

/** Judges the frame, which lies behind octets that are not its own; facts not named are right for it, without gso. */
function judge(frame: BuiltFrame, facts: Facts = {}): number {
  const before = 3;
  const octets = new Uint8Array(before + frame.octets.length).fill(0xa5);
  octets.set(frame.octets, before);
  return judgeOffload(
    new DataView(octets.buffer),
    before,
    facts.headLen ?? frame.octets.length,
    frame.octets.length,
    frame.l3,
    facts.etherType ?? frame.etherType,
    facts.flags ?? NEEDS_CSUM,
    facts.gsoType ?? 0,
    facts.gsoSize ?? (facts.gsoType === undefined ? 0 : 1000),
    facts.csumStart ?? frame.l4,
    facts.csumOffset ?? frame.csumOffset,
  );
}

function superSegment(need: number, frame: BuiltFrame): number {
  return need | ((frame.payload - frame.l3) << 8);
}

test('nothing said, nothing needed', (t) => {
  t.is(judge(buildFrame(TCP4), { flags: 0 }), 0);
  t.is(
    judge(buildFrame(TCP4), { flags: DATA_VALID, csumStart: 60_000, csumOffset: 60_000 }),
    0,
    'fields without their flag do not count',
  );
});

test('an unfinished checksum of any protocol', (t) => {
  for (const shape of [TCP4, TCP6, UDP4, UDP6]) t.is(judge(buildFrame(shape)), NEED.CSUM);
  t.is(judge(buildFrame(UDP4), { csumStart: 2000, headLen: 256 }), NEED.CSUM, 'deep in a tunnel, behind the first segment');
  t.is(judge(buildFrame(UDP4), { etherType: 0x88cc }), NEED.CSUM);
});

test('an unfinished checksum outside the frame or in its Ethernet header', (t) => {
  const frame = buildFrame(TCP4);
  const len = frame.octets.length;
  t.is(judge(frame, { csumStart: frame.l3 - 1 }), BAD_OFFLOAD);
  t.is(judge(frame, { csumStart: 0, csumOffset: 50 }), BAD_OFFLOAD);
  const tagged = buildFrame({ ...TCP4, tags: [[0x8100, 5]] });
  t.is(judge(tagged, { csumStart: tagged.l3 }), NEED.CSUM);
  t.is(judge(tagged, { csumStart: tagged.l3 - 1 }), BAD_OFFLOAD, 'in the tag');
  t.is(judge(frame, { csumStart: len - 18 }), NEED.CSUM, 'the last two octets');
  t.is(judge(frame, { csumStart: len - 17 }), BAD_OFFLOAD);
  t.is(judge(frame, { csumStart: 65_535, csumOffset: 65_535 }), BAD_OFFLOAD);
  t.is(judge(frame, { csumOffset: len - frame.l4 - 1 }), BAD_OFFLOAD);
});

test('TCP super-segments', (t) => {
  for (const [shape, gsoType, need] of [
    [TCP4, TCPV4, NEED.TSO4],
    [TCP6, TCPV6, NEED.TSO6],
  ] as const) {
    const shapes = [
      shape,
      { ...shape, tcpOptionWords: 3 },
      {
        ...shape,
        optionWords: 10,
        tcpOptionWords: 10,
        extensions: [
          [0, 0],
          [60, 2],
        ] as const,
      },
      { ...shape, tags: [[0x8100, 5]] as const },
      {
        ...shape,
        tags: [
          [0x88a8, 7],
          [0x8100, 5],
        ] as const,
      },
    ];
    for (const each of shapes) {
      const frame = buildFrame(each);
      t.is(judge(frame, { gsoType }), superSegment(NEED.CSUM | need, frame));
      t.is(judge(frame, { gsoType, headLen: 256 }), superSegment(NEED.CSUM | need, frame));
      t.is(judge(frame, { gsoType: gsoType | ECN }), superSegment(NEED.CSUM | need | NEED.ECN, frame));
    }
  }
});

test('UDP super-datagrams', (t) => {
  for (const shape of [UDP4, UDP6]) {
    const frame = buildFrame(shape);
    t.is(judge(frame, { gsoType: UDP_L4 }), superSegment(NEED.CSUM | NEED.USO, frame));
    t.is(judge(frame, { gsoType: UDP_L4 | ECN }), BAD_OFFLOAD);
    t.is(judge(frame, { gsoType: UDP_L4, flags: 0 }), BAD_OFFLOAD);
    t.is(judge(frame, { gsoType: UDP_L4, flags: DATA_VALID }), BAD_OFFLOAD);
  }
});

test('a super-segment must be of the family and protocol it says', (t) => {
  for (const [shape, right] of [
    [TCP4, TCPV4],
    [TCP6, TCPV6],
    [UDP4, UDP_L4],
    [UDP6, UDP_L4],
  ] as const) {
    const frame = buildFrame(shape);
    for (const gsoType of [TCPV4, UFO, TCPV6, UDP_L4, ECN, 2, 6, 0x20, 0x41, 0xff]) {
      if (gsoType === right) t.true(judge(frame, { gsoType }) > 0);
      else t.is(judge(frame, { gsoType }), BAD_OFFLOAD, `${shape.protocol} over IPv${shape.version} as gso type ${gsoType}`);
    }
    t.is(judge(frame, { gsoType: right, etherType: frame.etherType === 0x0800 ? 0x86dd : 0x0800 }), BAD_OFFLOAD);
    t.is(judge(frame, { gsoType: right, etherType: 0x8100 }), BAD_OFFLOAD);
    t.is(judge(frame, { gsoType: right, gsoSize: 0 }), BAD_OFFLOAD);
    t.is(judge(frame, { gsoType: right, csumStart: frame.l4 + 2 }), BAD_OFFLOAD);
    t.is(judge(frame, { gsoType: right, csumOffset: frame.csumOffset + 2 }), BAD_OFFLOAD);
    t.is(judge(frame, { gsoType: right, flags: 0 }), BAD_OFFLOAD);
    t.is(judge(frame, { gsoType: right, headLen: frame.payload - 1 }), BAD_OFFLOAD, 'headers not complete in the first segment');
    t.is(judge(frame, { gsoType: right, headLen: frame.payload }), judge(frame, { gsoType: right }));
  }
});

test('fragments and TCP header lengths that lie', (t) => {
  const fragment = buildFrame(TCP4);
  fragment.octets[fragment.l3 + 6] = 0x20;
  t.is(judge(fragment, { gsoType: TCPV4 }), BAD_OFFLOAD);
  t.is(judge(buildFrame({ ...TCP6, extensions: [[44, 0]] }), { gsoType: TCPV6 }), BAD_OFFLOAD);
  for (const dataOffset of [0x00, 0x40]) {
    const frame = buildFrame(TCP4);
    frame.octets[frame.l4 + 12] = dataOffset;
    t.is(judge(frame, { gsoType: TCPV4 }), BAD_OFFLOAD);
  }
  const short = buildFrame({ ...TCP4, payload: new Uint8Array(3) });
  short.octets[short.l4 + 12] = 0xf0;
  t.is(judge(short, { gsoType: TCPV4, gsoSize: 1 }), BAD_OFFLOAD);
});

test('a payload that fits one segment needs its checksum only', (t) => {
  for (const [shape, gsoType] of [
    [TCP4, TCPV4],
    [TCP6, TCPV6 | ECN],
    [UDP4, UDP_L4],
  ] as const) {
    t.is(judge(buildFrame(shape), { gsoType, gsoSize: 3000 }), NEED.CSUM);
    t.is(judge(buildFrame(shape), { gsoType, gsoSize: 65_535 }), NEED.CSUM);
    t.true(judge(buildFrame(shape), { gsoType, gsoSize: 2999 }) > 256);
    t.is(judge(buildFrame({ ...shape, payload: new Uint8Array(0) }), { gsoType, gsoSize: 1 }), NEED.CSUM);
  }
});

test('a TCP super-segment the device coalesced and vouches for is ours to segment', (t) => {
  const frame = buildFrame(TCP4);
  t.is(
    judge(frame, { gsoType: TCPV4, flags: DATA_VALID, csumStart: 0, csumOffset: 0 }),
    superSegment(NEED.FINISH | NEED.TSO4, frame),
  );
  t.is(
    judge(frame, { gsoType: TCPV4, gsoSize: 3000, flags: DATA_VALID, csumStart: 0, csumOffset: 0 }),
    0,
    'one segment has its own checksum',
  );
});

test('DHCP leaves with a finished checksum', (t) => {
  for (const [shape, ports] of [
    [UDP4, [67, 68]],
    [UDP6, [546, 547]],
  ] as const) {
    for (const port of ports) {
      for (const pair of [
        [port, 9999],
        [9999, port],
      ] as const) {
        const frame = buildFrame({ ...shape, ports: pair, tags: [[0x8100, 1]] });
        t.is(judge(frame), NEED.CSUM | NEED.FINISH, `port ${port}`);
        t.is(judge(frame, { flags: 0 }), 0, 'a finished one needs nothing');
        t.is(judge(frame, { gsoType: UDP_L4, gsoSize: 3000 }), NEED.CSUM | NEED.FINISH);
        t.is(judge(frame, { gsoType: UDP_L4 }), superSegment(NEED.CSUM | NEED.USO | NEED.FINISH, frame));
      }
    }
  }
  t.is(judge(buildFrame({ ...UDP4, ports: [546, 547] })), NEED.CSUM);
  t.is(judge(buildFrame({ ...UDP6, ports: [67, 68] })), NEED.CSUM);
  t.is(judge(buildFrame({ ...TCP4, ports: [67, 68] })), NEED.CSUM);
  t.is(judge(buildFrame({ ...TCP4, ports: [67, 68] }), { csumOffset: 6 }), NEED.CSUM, 'TCP that says it is UDP');
});

test('the header written for an egress', (t) => {
  const written = (need: number): Uint8Array => {
    const out = new Uint8Array(12).fill(0xa5);
    writeOffload(new DataView(out.buffer), 1, need, 18, 52, 1448, 20, 16);
    return out;
  };
  t.deepEqual(written(0), hex('a5 00 00 00 00 00 00 00 00 00 00 a5'));
  t.deepEqual(written(NEED.CSUM), hex('a5 01 00 00 00 00 00 26 00 10 00 a5'));
  t.deepEqual(written(NEED.CSUM | NEED.TSO4), hex('a5 01 01 46 00 a8 05 26 00 10 00 a5'));
  t.deepEqual(written(NEED.CSUM | NEED.TSO6 | NEED.ECN), hex('a5 01 84 46 00 a8 05 26 00 10 00 a5'));
  t.deepEqual(written(NEED.CSUM | NEED.USO), hex('a5 01 05 46 00 a8 05 26 00 10 00 a5'));
});
