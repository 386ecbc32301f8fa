// Segmentation of arbitrary good frames: the payloads put together are the original's, every length
// and checksum is right (as a reader that shares no code with src/wire sees it), and every header
// field is what it should be.

import test from 'ava';
import fc from 'fast-check';
import { memoryOf } from '../../../src/lib/memory.ts';
import { judgeOffload, NEED, NEED_SEGMENTATION } from '../../../src/wire/offload-facts.ts';
import { Segmenter } from '../../../src/wire/segment.ts';
import { buildFrame, type FrameShape, inspectFrame } from '../../support/ip-frame.ts';

const tag = fc.tuple(fc.constantFrom(0x8100, 0x88a8), fc.nat(0xffff));
const shape: fc.Arbitrary<FrameShape> = fc.record({
  version: fc.constantFrom(4 as const, 6 as const),
  protocol: fc.constantFrom('tcp' as const, 'udp' as const),
  tags: fc.array(tag, { maxLength: 2 }),
  optionWords: fc.nat(10),
  extensions: fc.array(fc.tuple(fc.constantFrom(0, 43, 60), fc.nat(3)), { maxLength: 3 }),
  tcpOptionWords: fc.nat(10),
  tcpFlags: fc.nat(255),
  seq: fc.oneof(fc.nat(0xffffffff), fc.constant(0xffffff00)),
  id: fc.oneof(fc.nat(0xffff), fc.constant(0xfffe)),
  ports: fc.tuple(fc.integer({ min: 1024, max: 65_535 }), fc.integer({ min: 1024, max: 65_535 })),
  payload: fc.uint8Array({ minLength: 1, maxLength: 3000, size: 'max' }),
});

const segmenter = new Segmenter();

function gsoTypeOf(frame: FrameShape): number {
  if (frame.protocol === 'udp') return 5;
  return frame.version === 4 ? 1 : 4;
}

/** Judges and segments the frame as an egress without any capability would. */
function segmentsOf(frame: FrameShape, gsoSize: number, isEcn: boolean): Uint8Array[] {
  const built = buildFrame(frame);
  const before = built.octets.length % 7;
  const memory = memoryOf(new ArrayBuffer(before + built.octets.length));
  memory.u8.set(built.octets, before);
  const gsoType = gsoTypeOf(frame) | (isEcn && frame.protocol === 'tcp' ? 0x80 : 0);
  const { octets, l3, l4, csumOffset, etherType } = built;
  const judged = judgeOffload(memory.view, before, 256, octets.length, l3, etherType, 1, gsoType, gsoSize, l4, csumOffset);
  if (judged <= 0) throw new Error('a good frame was refused');
  const need = judged & 0xff;
  const count = segmenter.begin(memory, before, octets.length, l3, etherType, need, gsoSize, l4 - l3, csumOffset);
  if ((need & NEED_SEGMENTATION) === 0 && need !== NEED.CSUM) throw new Error('a frame of one segment needs its checksum only');
  const segments: Uint8Array[] = [];
  for (let k = 0; k < count; k++) {
    const dst = memoryOf(new ArrayBuffer(segmenter.emittedLenMax + 3));
    dst.u8.fill(0xa5);
    segments.push(dst.u8.slice(3, 3 + segmenter.emit(k, dst, 3)));
  }
  return segments;
}

test('segments are what the sender would have sent one by one', (t) => {
  fc.assert(
    fc.property(shape, fc.integer({ min: 3, max: 1500 }), fc.boolean(), (frame, gsoSize, isEcn) => {
      const segments = segmentsOf(frame, gsoSize, isEcn);
      const original = buildFrame(frame);
      const inspected = segments.map(inspectFrame);
      t.deepEqual(Buffer.concat(inspected.map((each) => each.payload)), Buffer.from(frame.payload));
      t.is(segments.length, Math.ceil(frame.payload.length / gsoSize));
      const isTcp = frame.protocol === 'tcp';
      const last = inspected.length - 1;
      inspected.forEach((each, k) => {
        if (k < last) t.is(each.payload.length, gsoSize);
        t.deepEqual(each.ethernet, original.octets.slice(0, original.l3));
        t.deepEqual(each.ports, original.octets.slice(original.l4, original.l4 + 4));
        if (frame.version === 4) t.is(each.id, ((frame.id as number) + k) & 0xffff);
        if (!isTcp) return;
        t.is(each.seq, ((frame.seq as number) + k * gsoSize) >>> 0);
        t.is(each.flags, (frame.tcpFlags as number) & ~(k < last ? 0x09 : 0) & ~(k > 0 ? 0x80 : 0));
        t.deepEqual(each.l4Options, original.octets.slice(original.l4 + 20, original.payload));
      });
    }),
    { numRuns: 400 },
  );
});

test('a frame of 64 KiB', (t) => {
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const version of [4, 6] as const) {
      const payload = Uint8Array.from({ length: 65_535 - 60 }, (_, i) => (i * 31) >>> 3);
      const inspected = segmentsOf({ version, protocol, payload }, 1448, false).map(inspectFrame);
      t.is(inspected.length, 46);
      t.deepEqual(Buffer.concat(inspected.map((each) => each.payload)), Buffer.from(payload));
    }
  }
});

test('a finished checksum alone verifies, whatever the payload', (t) => {
  fc.assert(
    fc.property(shape, (frame) => {
      const { octets, l3, l4, csumOffset, etherType } = buildFrame(frame);
      const memory = memoryOf(octets.buffer);
      t.is(judgeOffload(memory.view, 0, octets.length, octets.length, l3, etherType, 1, 0, 0, l4, csumOffset), NEED.CSUM);
      t.is(segmenter.begin(memory, 0, octets.length, l3, etherType, NEED.CSUM, 0, l4 - l3, csumOffset), 1);
      const dst = memoryOf(new ArrayBuffer(octets.length));
      t.is(segmenter.emit(0, dst, 0), octets.length);
      t.deepEqual(inspectFrame(dst.u8).payload, frame.payload);
    }),
    { numRuns: 400 },
  );
});
