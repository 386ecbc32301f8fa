// Segmentation on frozen frames, and what it refuses.

import test from 'ava';
import { type Memory, memoryOf } from '../../../src/lib/memory.ts';
import { NEED } from '../../../src/wire/offload-facts.ts';
import { SEGMENTS_MAX, Segmenter } from '../../../src/wire/segment.ts';
import { type BuiltFrame, buildFrame, type FrameShape, hex, inspectFrame } from '../../support/ip-frame.ts';

function memoryWith(octets: Uint8Array, offset: number): Memory {
  const memory = memoryOf(new ArrayBuffer(offset + octets.length + 5));
  memory.u8.fill(0x5a);
  memory.u8.set(octets, offset);
  return memory;
}

function begin(
  segmenter: Segmenter,
  frame: BuiltFrame,
  need: number,
  gsoSize: number,
  octets: Uint8Array = frame.octets,
): number {
  return segmenter.begin(
    memoryWith(octets, 7),
    7,
    octets.length,
    frame.l3,
    frame.etherType,
    need,
    gsoSize,
    frame.l4 - frame.l3,
    frame.csumOffset,
  );
}

/** Frame k, made in the middle of 0xa5; checks that nothing around it was touched. */
function emit(segmenter: Segmenter, k: number): Uint8Array {
  const room = segmenter.emittedLenMax;
  const dst = memoryOf(new ArrayBuffer(3 + room + 9));
  dst.u8.fill(0xa5);
  const len = segmenter.emit(k, dst, 3);
  if (len > room || dst.u8.some((octet, i) => (i < 3 || i >= 3 + len) && octet !== 0xa5))
    throw new Error('wrote outside the frame');
  return dst.u8.slice(3, 3 + len);
}

const PAYLOAD = Uint8Array.from({ length: 25 }, (_, i) => i + 1);
const TCP4: FrameShape = { version: 4, protocol: 'tcp', payload: PAYLOAD };

test('TCP over IPv4, octet for octet', (t) => {
  const segmenter = new Segmenter();
  const frame = buildFrame({ ...TCP4, tcpFlags: 0x99, seq: 0xfffffff8, id: 0xffff });
  t.is(begin(segmenter, frame, NEED.CSUM | NEED.TSO4 | NEED.ECN, 10), 3);
  t.is(segmenter.emittedLenMax, 64);
  const ethernet = '52 54 00 00 00 02 52 54 00 00 00 01 08 00';
  const addresses = 'c0 00 02 01 c6 33 64 4d';
  // The checksums come from a separate computation (Python's struct and integers), not from weft.
  t.deepEqual(
    emit(segmenter, 0),
    hex(`${ethernet} 45 00 00 32 ff ff 40 00 40 06 4e 44 ${addresses}
         c3 50 14 51 ff ff ff f8 00 01 2f d1 50 90 01 f6 a0 47 00 00 01 02 03 04 05 06 07 08 09 0a`),
  );
  t.deepEqual(
    emit(segmenter, 1).subarray(14),
    hex(`45 00 00 32 00 00 40 00 40 06 4e 44 ${addresses}
         c3 50 14 51 00 00 00 02 00 01 2f d1 50 10 01 f6 6e 8c 00 00 0b 0c 0d 0e 0f 10 11 12 13 14`),
  );
  t.deepEqual(
    emit(segmenter, 2).subarray(14),
    hex(`45 00 00 2d 00 01 40 00 40 06 4e 48 ${addresses}
         c3 50 14 51 00 00 00 0c 00 01 2f d1 50 19 01 f6 74 a0 00 00 15 16 17 18 19`),
  );
});

test('flags: FIN and PSH in the last, CWR in the first, the others in all', (t) => {
  const segmenter = new Segmenter();
  const frame = buildFrame({ ...TCP4, tcpFlags: 0xff });
  for (const need of [NEED.CSUM | NEED.TSO4 | NEED.ECN, NEED.CSUM | NEED.TSO4]) {
    t.is(begin(segmenter, frame, need, 10), 3);
    t.deepEqual(
      [0, 1, 2].map((k) => inspectFrame(emit(segmenter, k)).flags),
      [0xf6, 0x76, 0x7f],
    );
  }
});

test('frames can be made in any order, and again', (t) => {
  const segmenter = new Segmenter();
  begin(segmenter, buildFrame(TCP4), NEED.CSUM | NEED.TSO4, 10);
  const inOrder = [0, 1, 2].map((k) => emit(segmenter, k));
  t.deepEqual(
    [2, 0, 1].map((k) => emit(segmenter, k)),
    [inOrder[2], inOrder[0], inOrder[1]],
  );
});

test('a frame that needs nothing is copied', (t) => {
  const segmenter = new Segmenter();
  for (const len of [14, 60, 61, 1514, 65_557]) {
    const octets = Uint8Array.from({ length: len }, (_, i) => i * 7);
    t.is(segmenter.begin(memoryWith(octets, 7), 7, len, 14, 0x88cc, 0, 0, 0, 0), 1);
    t.deepEqual(emit(segmenter, 0), octets);
  }
});

test('a checksum alone is finished, and the rest of the frame untouched', (t) => {
  const segmenter = new Segmenter();
  for (const shape of [
    TCP4,
    { ...TCP4, version: 6 },
    { ...TCP4, protocol: 'udp' },
    { ...TCP4, version: 6, protocol: 'udp' },
  ] as const) {
    for (const need of [NEED.CSUM, NEED.CSUM | NEED.FINISH]) {
      const frame = buildFrame(shape);
      t.is(begin(segmenter, frame, need, 0), 1);
      const out = emit(segmenter, 0);
      inspectFrame(out);
      const at = frame.l4 + frame.csumOffset;
      out.set(frame.octets.subarray(at, at + 2), at);
      t.deepEqual(out, frame.octets);
    }
  }
});

test('a UDP checksum that comes to 0 is written as 0xffff, alone and in a datagram of many', (t) => {
  const segmenter = new Segmenter();
  const shape: FrameShape = { version: 4, protocol: 'udp', payload: new Uint8Array(4) };
  const probe = buildFrame(shape);
  begin(segmenter, probe, NEED.CSUM, 0);
  // The checksum of the frame with a payload of zeroes is what, put into the payload, makes the sum 0xffff.
  const filler = inspectFrame(emit(segmenter, 0)).l4Checksum;
  const payload = Uint8Array.from([filler >>> 8, filler & 0xff, 0, 0]);
  const frame = buildFrame({ ...shape, payload });
  begin(segmenter, frame, NEED.CSUM, 0);
  t.is(inspectFrame(emit(segmenter, 0)).l4Checksum, 0xffff);

  const twice = buildFrame({ ...shape, payload: Uint8Array.from([...payload, ...payload]) });
  t.is(begin(segmenter, twice, NEED.CSUM | NEED.USO, 4), 2);
  for (const k of [0, 1]) t.is(inspectFrame(emit(segmenter, k)).l4Checksum, 0xffff);
});

test('a coalesced super-segment is finished without the help of its checksum field', (t) => {
  const segmenter = new Segmenter();
  const frame = buildFrame(TCP4);
  frame.octets.set([0x12, 0x34], frame.l4 + frame.csumOffset);
  t.is(begin(segmenter, frame, NEED.FINISH | NEED.TSO4, 10), 3);
  for (const k of [0, 1, 2]) t.notThrows(() => inspectFrame(emit(segmenter, k)));
});

test('behind a routing header the checksum covers the final destination, which only the seed knows', (t) => {
  const segmenter = new Segmenter();
  const frame = buildFrame({ version: 6, protocol: 'tcp', extensions: [[43, 2]], payload: PAYLOAD });
  // The sender seeds with the final destination: one that differs from the header's by 0x0100 in one word.
  frame.octets[frame.l3 + 40 + 3] = 1;
  const view = new DataView(frame.octets.buffer);
  view.setUint16(frame.l4 + 16, view.getUint16(frame.l4 + 16) + 0x0100);
  t.is(begin(segmenter, frame, NEED.CSUM | NEED.TSO6, 10), 3);
  for (const k of [0, 1, 2]) {
    const out = emit(segmenter, k);
    t.throws(() => inspectFrame(out), { message: 'bad frame: TCP checksum' });
    const destination = new DataView(out.buffer, frame.l3 + 24, 2);
    destination.setUint16(0, destination.getUint16(0) + 0x0100);
    t.notThrows(() => inspectFrame(out));
  }
  t.is(begin(segmenter, frame, NEED.FINISH | NEED.TSO6, 10), 0);
});

test('what cannot be segmented', (t) => {
  const segmenter = new Segmenter();
  const frame = buildFrame(TCP4);
  const need = NEED.CSUM | NEED.TSO4;
  t.is(begin(segmenter, frame, need, 0), 0, 'no size');
  t.is(begin(segmenter, frame, NEED.CSUM | NEED.USO, 10), 0, 'TCP as UDP');
  for (let len = frame.l3; len < frame.payload; len++)
    t.is(begin(segmenter, frame, need, 10, frame.octets.subarray(0, len)), 0, `cut off at ${len}`);
  t.is(begin(segmenter, frame, need, 10, frame.octets.subarray(0, frame.payload)), 1, 'no payload is one segment');
  const fragment = buildFrame(TCP4);
  fragment.octets[fragment.l3 + 7] = 1;
  t.is(begin(segmenter, fragment, need, 10), 0, 'a fragment');
  const many = buildFrame({ ...TCP4, payload: new Uint8Array(SEGMENTS_MAX * 2) });
  t.is(begin(segmenter, many, need, 2), SEGMENTS_MAX);
  t.is(begin(segmenter, many, need, 1), 0, 'too many');
  const long = buildFrame({ ...TCP4, payload: new Uint8Array(65_535 - 40) });
  t.is(begin(segmenter, long, need, 65_535), 1);
  const tooLong = buildFrame({ ...TCP4, payload: new Uint8Array(65_535 - 39) });
  t.is(begin(segmenter, tooLong, need, 65_535), 0, 'longer than IP can say');
});

test('a checksum field outside the frame is refused', (t) => {
  const segmenter = new Segmenter();
  const memory = memoryOf(new ArrayBuffer(100));
  t.is(segmenter.begin(memory, 0, 60, 14, 0x0800, NEED.CSUM, 0, 40, 4), 1);
  t.is(segmenter.begin(memory, 0, 60, 14, 0x0800, NEED.CSUM, 0, 40, 5), 0);
  t.is(segmenter.begin(memory, 0, 60, 14, 0x0800, NEED.CSUM, 0, -1, 5), 0);
});
