// The FDB against a model, command by command; after each the table's own invariants are checked.

import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import { FDB_FLAG, Fdb } from '../../../src/relay/fdb.ts';
import { FDB_ACTION } from '../../../src/relay/verdict.ts';
import { FdbModel } from '../../support/fdb-model.ts';

const KEYS = 40;
/** The highest port number is one of them. */
const PORTS = [1, 2, 3, 2047];
/** Half of the keys differ in the FID only. */
const hiOf = (key: number): number => (((key & 1) << 16) | 0x5254) >>> 0;
const loOf = (key: number): number => Math.imul(key >>> 1, 0x01000193) >>> 0;

type Operation =
  | { type: 'learn'; key: number; port: number }
  | { type: 'set'; key: number; port: number; flags: number }
  | { type: 'remove'; key: number }
  | { type: 'flushPort'; port: number; times: number }
  | { type: 'flushAll' }
  | { type: 'removePort'; port: number }
  | { type: 'age'; budget: number }
  | { type: 'wait'; stamps: number }
  | { type: 'limit'; maxLearned: number }
  | { type: 'ageing'; seconds: number }
  | { type: 'restore' };

const key = fc.nat(KEYS - 1);
const port = fc.constantFrom(...PORTS);
const flags = fc.constantFrom(
  0,
  FDB_FLAG.STATIC,
  FDB_FLAG.PERMANENT,
  FDB_FLAG.STICKY,
  FDB_FLAG.EXTERN,
  FDB_FLAG.STATIC | FDB_FLAG.STICKY,
  FDB_FLAG.EXTERN | FDB_FLAG.STICKY,
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ type: fc.constant('learn' as const), key, port }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('set' as const), key, port, flags }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('remove' as const), key }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('flushPort' as const), port, times: fc.constantFrom(1, 1, 1, 65_535, 65_536) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('flushAll' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('removePort' as const), port }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('age' as const), budget: fc.nat(20) }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('wait' as const), stamps: fc.constantFrom(1, 15, 16, 80, 159, 160, 320) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('limit' as const), maxLearned: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('ageing' as const), seconds: fc.constantFrom(0, 1, 10, 300) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restore' as const) }) },
);

/** Does `operation` on a table; returns what it answers. */
function obey(fdb: Fdb | FdbModel, op: Operation, now: number): unknown {
  const isModel = fdb instanceof FdbModel;
  switch (op.type) {
    case 'learn':
      return isModel ? fdb.learn(op.key, op.port, now) : fdb.learn(hiOf(op.key), loOf(op.key), op.port, now);
    case 'set':
      return isModel ? fdb.set(op.key, op.port, op.flags, now) : fdb.set(hiOf(op.key), loOf(op.key), op.port, op.flags, now);
    case 'remove':
      return isModel ? fdb.remove(op.key, now) : fdb.remove(hiOf(op.key), loOf(op.key), now);
    case 'flushPort':
      for (let n = 0; n < (isModel ? 1 : op.times); n++) fdb.flushPort(op.port);
      return undefined;
    case 'flushAll':
      return fdb.flushAll();
    case 'removePort':
      return fdb.removePort(op.port);
    case 'age':
      return fdb.age(now, op.budget);
    case 'limit':
      fdb.maxLearned = op.maxLearned;
      return undefined;
    case 'ageing':
      fdb.ageingS = op.seconds;
      return undefined;
    default:
      return undefined;
  }
}

function shown(fdb: Fdb, now: number): string[] {
  const entries: string[] = [];
  fdb.forEach(now, ({ hi, lo, fid, port: at, flags: bits, ageS }) => entries.push([fid, hi, lo, at, bits, ageS].join(' ')));
  return entries.sort();
}

function expected(model: FdbModel, now: number): string[] {
  return model
    .known(now)
    .map((e) => [hiOf(e.key) >>> 16, hiOf(e.key) & 0xffff, loOf(e.key), e.port, e.flags, (now - e.stamp) / 16].join(' '))
    .sort();
}

function totals(fdb: Fdb): FdbModel['totals'] {
  const { learnedTotal: learned, movedTotal: moved, expiredTotal: expired, evictedTotal: evicted, refusedTotal: refused } = fdb;
  return { learned, moved, expired, evicted, refused };
}

test('does what the model does', (t) => {
  const run = fc.property(
    fc.integer({ min: 1, max: 16 }),
    fc.integer(),
    fc.array(operation, { minLength: 1, maxLength: 120, size: 'max' }),
    (size, salt, operations) => {
      const model = new FdbModel(size);
      const fdb = new Fdb(size, salt);
      const fdbs = [fdb];
      let now = 0;
      for (const op of operations) {
        if (op.type === 'wait') now += op.stamps;
        if (op.type === 'restore' && fdbs.length < 3) fdbs.push(Fdb.restore(fdb.save()));
        const answer = obey(model, op, now);
        for (const real of fdbs) {
          t.deepEqual(obey(real, op, now), answer, op.type);
          real.check();
          for (let k = 0; k < KEYS; k++) t.is(real.lookup(hiOf(k), loOf(k), now), model.lookup(k, now));
          t.deepEqual(totals(real), model.totals);
          t.is(real.learnedCount, model.learnedCount);
          t.is(real.lastingCount, model.lastingCount);
          for (const p of PORTS) t.is(real.learnedOf(p), model.ageing(p).filter(({ byUser }) => !byUser).length);
          t.deepEqual(shown(real, now), expected(model, now));
        }
      }
      for (const real of fdbs.slice(1)) t.true(isDeepStrictEqual(real.save(), fdb.save()), 'the states differ');
    },
  );
  t.notThrows(() => fc.assert(run, { numRuns: Number(process.env['RUNS'] ?? 150) }));
});

test('finds every station of a full table of any size, whatever the salt', (t) => {
  const run = fc.property(fc.integer({ min: 1, max: 500 }), fc.integer(), (size, salt) => {
    const fdb = new Fdb(size, salt);
    for (let n = 0; n < size; n++) t.is(fdb.learn(0x0200, n * 0x1000, 1 + (n % 7), 0), FDB_ACTION.LEARNED);
    for (let n = 0; n < size; n++) t.is(fdb.lookup(0x0200, n * 0x1000, 1), 1 + (n % 7));
    let visited = 0;
    fdb.forEach(1, () => visited++);
    t.is(visited, size);
    t.is(fdb.learn(0x0200, size * 0x1000, 1, 1), FDB_ACTION.EVICTED);
    fdb.check();
  });
  t.notThrows(() => fc.assert(run, { numRuns: 100 }));
});
