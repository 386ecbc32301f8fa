// The FDB: cases that are worth a name. Everything else is in test/property/relay/fdb.test.ts.

import test from 'ava';
import { FDB_FLAG, Fdb } from '../../../src/relay/fdb.ts';
import { FDB_ACTION } from '../../../src/relay/verdict.ts';

const HI = 0x5254;
const at = (seconds: number): number => seconds * 16;

test('an entry flushed 65,536 times ago does not come back', (t) => {
  const fdb = new Fdb(4, 1);
  for (let n = 0; n < 65_535; n++) fdb.flushPort(1);
  fdb.learn(HI, 1, 1, 0);
  t.is(fdb.lookup(HI, 1, 0), 1);
  for (let n = 0; n < 2 * 65_536; n++) {
    fdb.flushPort(1);
    if (fdb.lookup(HI, 1, 0) !== 0) return t.fail(`found after ${n + 1} flushes`);
  }
  fdb.check();
  return t.pass();
});

test('an entry is a miss exactly when the ageing time has passed', (t) => {
  const fdb = new Fdb(4, 1);
  fdb.ageingS = 10;
  fdb.learn(HI, 1, 1, 0);
  t.is(fdb.lookup(HI, 1, at(10) - 1), 1);
  t.is(fdb.lookup(HI, 1, at(10)), 0);
  fdb.age(at(10) - 1, 100);
  t.is(fdb.expiredTotal, 0);
  fdb.age(at(10), 100);
  t.is(fdb.expiredTotal, 1);
  t.is(fdb.learnedCount, 0);
});

test('what an entry was before it grew too old has no say in what it becomes', (t) => {
  const fdb = new Fdb(4, 1);
  fdb.ageingS = 10;
  fdb.set(HI, 1, 1, FDB_FLAG.STICKY, 0);
  t.is(fdb.learn(HI, 1, 2, at(5)), FDB_ACTION.PINNED);
  t.is(fdb.learn(HI, 1, 2, at(10)), FDB_ACTION.LEARNED);
  t.is(fdb.learn(HI, 1, 3, at(11)), FDB_ACTION.MOVED);
});

test('what management adds neither counts toward the limit nor is refused by it', (t) => {
  const fdb = new Fdb(16, 1);
  fdb.maxLearned = 1;
  t.true(fdb.set(HI, 1, 1, 0, 0));
  t.true(fdb.set(HI, 2, 1, FDB_FLAG.STATIC, 0));
  t.true(fdb.set(HI, 3, 1, FDB_FLAG.EXTERN, 0));
  t.true(fdb.set(HI, 4, 1, FDB_FLAG.PERMANENT, 0));
  t.is(fdb.learnedCount, 0);
  t.is(fdb.learn(HI, 10, 1, 0), FDB_ACTION.LEARNED);
  t.is(fdb.learn(HI, 11, 1, 0), FDB_ACTION.LIMIT);
  t.is(fdb.lookup(HI, 11, 0), 0);
  t.true(fdb.set(HI, 5, 1, 0, 0), 'adding by hand stays possible');
  t.true(fdb.set(HI, 10, 1, FDB_FLAG.STATIC, 0), 'and overrides what was learned');
  t.is(fdb.learnedCount, 0);
  t.is(fdb.learn(HI, 12, 1, 0), FDB_ACTION.LEARNED);
});

test('a limit below the present count removes nothing', (t) => {
  const fdb = new Fdb(16, 1);
  for (let n = 0; n < 8; n++) fdb.learn(HI, n, 1, 0);
  fdb.maxLearned = 4;
  fdb.age(0, 100);
  t.is(fdb.learnedCount, 8);
  t.is(fdb.learn(HI, 3, 2, 0), FDB_ACTION.MOVED, 'a station that is there may move');
  t.is(fdb.learn(HI, 9, 1, 0), FDB_ACTION.LIMIT);
});

test('a port that floods addresses evicts its own', (t) => {
  const fdb = new Fdb(8, 1);
  for (let n = 0; n < 3; n++) fdb.learn(HI, n, 1, 0);
  for (let n = 0; n < 100; n++) fdb.learn(0x0200, n, 2, at(1));
  for (let n = 0; n < 3; n++) t.is(fdb.lookup(HI, n, at(1)), 1);
  t.is(fdb.learnedOf(2), 5);
  t.is(fdb.evictedTotal, 95);
  fdb.check();
});

test('an externally learned entry neither ages nor is flushed, and moves', (t) => {
  const fdb = new Fdb(4, 1);
  fdb.set(HI, 1, 1, FDB_FLAG.EXTERN, 0);
  fdb.age(at(1000), 100);
  fdb.flushAll();
  t.is(fdb.lookup(HI, 1, at(1000)), 1);
  t.is(fdb.learn(HI, 1, 2, at(1000)), FDB_ACTION.MOVED);
  fdb.age(at(2000), 100);
  t.is(fdb.lookup(HI, 1, at(2000)), 2);
});

test('a table full of entries that may not be evicted refuses', (t) => {
  const fdb = new Fdb(2, 1);
  t.true(fdb.set(HI, 1, 1, FDB_FLAG.STATIC, 0));
  t.true(fdb.set(HI, 2, 1, FDB_FLAG.STATIC, 0));
  t.false(fdb.set(HI, 3, 1, FDB_FLAG.STATIC, 0));
  t.is(fdb.learn(HI, 3, 1, 0), FDB_ACTION.FULL);
  t.true(fdb.set(HI, 2, 2, FDB_FLAG.STATIC, 0), 'replacing is possible');
  t.is(fdb.refusedTotal, 1);
});

test('expiry in one call is bounded by the budget', (t) => {
  const fdb = new Fdb(100, 1);
  for (let n = 0; n < 100; n++) fdb.learn(HI, n, 1 + (n % 2), 0);
  fdb.age(at(300), 30);
  t.is(fdb.expiredTotal, 30);
  t.is(fdb.lookup(HI, 99, at(300)), 0, 'a miss all the same');
  fdb.age(at(300), 100);
  t.is(fdb.learnedCount, 0);
});

test('a size or flags out of range are a fault of the caller', (t) => {
  t.throws(() => new Fdb(0, 1), { message: /FDB size 0 is outside 1\.\.1048576/ });
  t.throws(() => new Fdb(1_048_577, 1), { message: /outside/ });
  t.throws(() => new Fdb(4, 1).set(HI, 1, 1, 16, 0), { message: /FDB flags 16/ });
});
