// The verdict word, and the tables it is rendered from.

import test from 'ava';
import { DROP, DROP_BASE, DROP_COUNT, DROP_REASONS } from '../../../src/relay/drop-reason.ts';
import { PORT_NO_MAX } from '../../../src/relay/limits.ts';
import {
  FDB_ACTION,
  FDB_ACTION_NAMES,
  fdbActionOf,
  isDropped,
  KIND,
  KIND_NAMES,
  outcomeName,
  outcomeOf,
  unicastPortOf,
  verdictOf,
} from '../../../src/relay/verdict.ts';

test('what is packed comes out again', (t) => {
  for (const outcome of [...Object.values(KIND), ...Object.values(DROP)]) {
    for (const action of Object.values(FDB_ACTION)) {
      for (const port of [0, 1, PORT_NO_MAX]) {
        const verdict = verdictOf(outcome, action, port);
        t.deepEqual([outcomeOf(verdict), fdbActionOf(verdict), unicastPortOf(verdict)], [outcome, action, port]);
      }
    }
  }
});

test('every outcome has a name of its own', (t) => {
  const names = [...Object.values(KIND), ...Object.values(DROP)].map((outcome) => outcomeName(outcome));
  t.is(new Set(names).size, names.length);
  t.is(outcomeName(verdictOf(KIND.BROADCAST, FDB_ACTION.LEARNED, 0)), 'broadcast');
  t.is(outcomeName(DROP.RUNT), 'runt');
  t.is(outcomeName(0), 'undecided');
  t.is(outcomeName(255), 'reason 255');
});

test('kinds and drops are told apart', (t) => {
  for (const kind of Object.values(KIND)) t.false(isDropped(verdictOf(kind, FDB_ACTION.MOVED, 7)));
  for (const reason of Object.values(DROP)) t.true(isDropped(verdictOf(reason, FDB_ACTION.MOVED, 7)));
});

test('the tables agree with each other', (t) => {
  t.is(DROP_REASONS.length, DROP_COUNT);
  for (const [name, number] of Object.entries(DROP)) t.is(DROP_REASONS[number - DROP_BASE].name, name.toLowerCase());
  for (const [name, number] of Object.entries(KIND)) t.true(KIND_NAMES[number] === name.toLowerCase(), name);
  for (const [name, number] of Object.entries(FDB_ACTION)) t.true(FDB_ACTION_NAMES[number] === name.toLowerCase(), name);
  t.true(Math.max(...Object.values(KIND)) < DROP_BASE);
  t.true(Math.max(...Object.values(FDB_ACTION)) < 16);
});
