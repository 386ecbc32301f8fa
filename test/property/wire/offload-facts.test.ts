// judgeOffload on arbitrary octets and arbitrary facts: it never throws, reads nothing outside the
// frame's head, and never accepts facts that point out of the frame. Segmenter does what it accepts.

import test from 'ava';
import fc from 'fast-check';
import { memoryOf } from '../../../src/lib/memory.ts';
import { BAD_OFFLOAD, judgeOffload, NEED, NEED_SEGMENTATION } from '../../../src/wire/offload-facts.ts';
import { SEGMENTS_MAX, Segmenter } from '../../../src/wire/segment.ts';
import { buildFrame } from '../../support/ip-frame.ts';

const u16 = fc.oneof(fc.nat(0xffff), fc.nat(200), fc.constantFrom(0, 6, 16, 34, 54, 1448, 65_535));
const gsoType = fc.oneof(fc.constantFrom(0, 1, 3, 4, 5, 0x81, 0x84, 0x85), fc.nat(255));
const flags = fc.oneof(fc.constantFrom(0, 1, 2), fc.nat(255));
const etherType = fc.constantFrom(0x0800, 0x86dd, 0x0806, 0x8100, 0);

/** A good frame with some octets overwritten, perhaps cut off; or just octets. */
const damagedFrame = fc
  .record({
    version: fc.constantFrom(4 as const, 6 as const),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    tags: fc.constantFrom([], [[0x8100, 1] as const]),
    extensions: fc.constantFrom([], [[0, 0] as const], [[60, 1] as const, [43, 0] as const]),
    ports: fc.constantFrom([67, 68] as const, [1, 2] as const, [546, 547] as const),
    payload: fc.uint8Array({ maxLength: 300, size: 'max' }),
    isSuper: fc.boolean(),
    damage: fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 3 }),
    cut: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
  })
  .map((parts) => {
    const frame = buildFrame(parts);
    for (const [at, octet] of parts.damage) if (at < frame.octets.length) frame.octets[at] = octet;
    const len = Math.max(14, Math.floor(frame.octets.length * parts.cut));
    const superType = parts.protocol === 'udp' ? 5 : parts.version === 4 ? 1 : 4;
    return { ...frame, octets: frame.octets.slice(0, len), gsoType: parts.isSuper ? superType : 0 };
  });

/** Facts to replace right ones with: each is there in every second run. */
const lies = fc.record({
  headerLen: fc.option(fc.constantFrom(14, 18, 22), { freq: 1 }),
  etherType: fc.option(etherType, { freq: 1 }),
  flags: fc.option(flags, { freq: 1 }),
  gsoType: fc.option(gsoType, { freq: 1 }),
  gsoSize: fc.option(u16, { freq: 1 }),
  csumStart: fc.option(u16, { freq: 1 }),
  csumOffset: fc.option(u16, { freq: 1 }),
});
const anyFrame = fc.uint8Array({ minLength: 14, maxLength: 200 }).map((octets) => ({
  octets,
  gsoType: 1,
  l3: 14,
  l4: 34,
  payload: 54,
  csumOffset: 16,
  etherType: 0x0800,
}));

test('no octets and no facts throw, read past the head, or are accepted outside the frame', (t) => {
  const runs = { refused: 0, whole: 0, segmented: 0 };
  fc.assert(
    fc.property(
      fc.oneof({ weight: 4, arbitrary: damagedFrame }, anyFrame),
      lies,
      fc.nat(7),
      fc.nat(4),
      fc.oneof(fc.constant(0), fc.nat(60_000)),
      (frame, lie, luck, before, beyond) => {
        // In most runs only one or no fact is a lie: the first that is there counts, or all in one run of eight.
        const facts = { flags: 1, gsoSize: 20, csumStart: frame.l4, ...frame };
        const names = ['csumStart', 'headerLen', 'gsoSize', 'flags', 'etherType', 'csumOffset', 'gsoType'] as const;
        const told = names.filter((name) => lie[name] !== null).slice(0, luck === 0 ? names.length : luck % 2);
        const fact = (name: (typeof names)[number]): number => {
          const right = name === 'headerLen' ? frame.l3 : facts[name];
          return told.includes(name) ? (lie[name] as number) : right;
        };
        // The view ends with the head: a read past it would throw. The frame may go on in another segment.
        const head = frame.octets;
        const octets = new Uint8Array(before + head.length);
        octets.set(head, before);
        const frameLen = head.length + beyond;
        const [headerLen, flag, gsoSize] = [fact('headerLen'), fact('flags'), fact('gsoSize')];
        const [csumStart, csumOffset] = [fact('csumStart'), fact('csumOffset')];
        if (headerLen > head.length) return;
        const judged = judgeOffload(
          new DataView(octets.buffer),
          before,
          head.length,
          frameLen,
          headerLen,
          fact('etherType'),
          flag,
          fact('gsoType'),
          gsoSize,
          csumStart,
          csumOffset,
        );
        if (judged === BAD_OFFLOAD) {
          runs.refused++;
          return;
        }
        t.true(judged >= 0);
        const need = judged & 0xff;
        const l3l4HeaderLen = judged >>> 8;
        if ((need & NEED.CSUM) !== 0) {
          t.true((flag & 1) !== 0);
          t.true(csumStart >= headerLen && csumStart + csumOffset + 2 <= frameLen);
        }
        if ((need & NEED_SEGMENTATION) === 0) {
          runs.whole++;
          t.is(l3l4HeaderLen, 0);
        } else {
          runs.segmented++;
          t.true(
            l3l4HeaderLen >= 28 && headerLen + l3l4HeaderLen <= head.length && headerLen + l3l4HeaderLen + gsoSize < frameLen,
          );
        }
      },
    ),
    { numRuns: 3000 },
  );
  t.log(runs);
  for (const [outcome, count] of Object.entries(runs)) t.true(count > 100, `only ${count} runs were ${outcome}`);
});

test('what is accepted can be segmented, and nothing is written outside', (t) => {
  const segmenter = new Segmenter();
  let segmented = 0;
  fc.assert(
    fc.property(
      damagedFrame,
      fc.constantFrom(0, 1, 4, 5, 0x81),
      fc.integer({ min: 1, max: 200 }),
      fc.nat(7),
      (frame, otherGsoType, gsoSize, luck) => {
        const { octets, l3, l4, csumOffset } = frame;
        const view = new DataView(octets.buffer);
        const gso = luck === 1 ? otherGsoType : frame.gsoType;
        const start = luck === 0 ? l4 + 2 : l4;
        const judged = judgeOffload(
          view,
          0,
          octets.length,
          octets.length,
          l3,
          frame.etherType,
          1,
          gso,
          gsoSize,
          start,
          csumOffset,
        );
        if (judged === BAD_OFFLOAD) return;
        const need = judged & 0xff;
        const source = memoryOf(octets.buffer);
        const count = segmenter.begin(source, 0, octets.length, l3, frame.etherType, need, gsoSize, start - l3, csumOffset);
        t.true(count > 0 && count <= SEGMENTS_MAX);
        const lenMax = segmenter.emittedLenMax;
        const isSuper = (need & NEED_SEGMENTATION) !== 0;
        t.is(lenMax, isSuper ? l3 + (judged >>> 8) + gsoSize : octets.length);
        if (isSuper) segmented++;
        for (let k = 0; k < count; k++) {
          const dst = memoryOf(new ArrayBuffer(2 + lenMax + 2));
          dst.u8.fill(0xa5);
          const len = segmenter.emit(k, dst, 2);
          t.true(len > 0 && len <= lenMax);
          t.true(dst.u8.every((octet, i) => (i >= 2 && i < 2 + len) || octet === 0xa5));
        }
      },
    ),
    { numRuns: 2000 },
  );
  t.log(`${segmented} runs had segments`);
  t.true(segmented > 50, `only ${segmented} of the runs had segments`);
});

test('begin and emit survive a frame that changes in between, and begin survives any octets', (t) => {
  const segmenter = new Segmenter();
  fc.assert(
    fc.property(
      fc.oneof(
        damagedFrame.map((frame) => frame.octets),
        fc.uint8Array({ minLength: 14, maxLength: 200 }),
      ),
      fc.uint8Array({ minLength: 100, maxLength: 100 }),
      etherType,
      fc.tuple(fc.nat(31), u16, fc.integer({ min: -20, max: 500 }), u16),
      (octets, flipped, type, [need, gsoSize, csumStart, csumOffset]) => {
        const source = memoryOf(octets.slice().buffer);
        const count = segmenter.begin(source, 0, octets.length, 14, type, need, gsoSize, csumStart, csumOffset);
        t.true(count >= 0 && count <= SEGMENTS_MAX);
        source.u8.set(flipped.subarray(0, Math.min(100, octets.length)));
        const dst = memoryOf(new ArrayBuffer(segmenter.emittedLenMax));
        for (let k = 0; k < count; k++) t.true(segmenter.emit(k, dst, 0) <= dst.u8.length);
      },
    ),
    { numRuns: 1000 },
  );
});
