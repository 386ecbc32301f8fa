// The journal of what a switch has changed: what a process that was killed at any moment leaves in it,
// files that are none, and that it does not grow.

import { appendFileSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { Journal } from '../../../src/ports/journal.ts';
import type { UndoStep } from '../../../src/ports/undo-step.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const dir = makeTempDir();
let filesMade = 0;

const newFile = (): string => path.join(dir, `br${++filesMade}.journal`);
const tap = (name: string): UndoStep => ({ type: 'tap', name, mark: `weft br0 ${name}` });
const steps = (journal: Journal): string[] => journal.entries().map(({ step }) => step.name);

function open(file: string): Journal {
  const journal = Journal.open(file, true);
  if (journal === undefined) throw new Error(`${file} is locked`);
  return journal;
}

/** What a process that is killed now leaves behind, in another file. */
function copyOf(file: string): string {
  const copy = newFile();
  writeFileSync(copy, readFileSync(file), { mode: 0o600 });
  return copy;
}

test('what was added and not struck out is found again, in order', (t) => {
  const file = newFile();
  const journal = open(file);
  t.is(statSync(file).size, 0);
  journal.add(tap('t0'));
  const strike = journal.add(tap('t1'));
  journal.add({ type: 'change', netns: 'cookie 1', ifindex: 7, name: 'dsl€', change: { what: 'mtu', ours: 1400, before: 1500 } });
  journal.add({
    type: 'host-off',
    netns: 'cookie 1',
    name: 'eth0',
    record: {
      ifindex: 2,
      madeClsact: true,
      turnedArpOff: true,
      turnedIpv6Off: true,
      ipv6Addresses: [{ address: '2001:db8::1', prefixLen: 64 }],
    },
  });
  strike();
  strike();
  const found = open(copyOf(file));
  t.deepEqual(found.takeComplaints(), []);
  t.deepEqual(
    found.entries().map(({ step }) => step),
    journal.entries().map(({ step }) => step),
  );
  t.deepEqual(steps(found), ['t0', 'dsl€', 'eth0']);
});

test('one process has it; it goes when nothing is left in it', (t) => {
  const file = newFile();
  t.is(Journal.open(file, false), undefined, 'there is none');
  const journal = open(file);
  t.is(Journal.open(file, true), undefined, 'it is locked');
  const strike = journal.add(tap('t0'));
  journal.close();
  journal.close();
  t.true(existsSync(file));
  const second = open(file);
  t.deepEqual(steps(second), ['t0']);
  strike();
  t.deepEqual(steps(second), ['t0'], 'a journal that was closed changes nothing');
  second.entries()[0]?.strike();
  second.close();
  t.false(existsSync(file));
});

test('cut off anywhere it holds the steps that are whole, and can be written to', (t) => {
  const file = newFile();
  const journal = open(file);
  for (const name of ['t0', 't1', 't2']) journal.add(tap(name));
  const { size } = statSync(file);
  const ends = [...readFileSync(file, 'latin1').matchAll(/\n/g)].map(({ index }) => index + 1);
  for (let length = 0; length <= size; length++) {
    const copy = copyOf(file);
    truncateSync(copy, length);
    const cut = open(copy);
    const whole = ends.filter((end) => end <= length).length;
    t.deepEqual(steps(cut), ['t0', 't1', 't2'].slice(0, Math.max(0, whole - 1)), `${length} octets`);
    cut.add(tap('t3'));
    t.deepEqual(steps(open(copyOf(copy))), [...steps(cut)], `${length} octets and one more step`);
  }
});

test('garbage is passed over with a sentence', (t) => {
  const file = newFile();
  const journal = open(file);
  journal.add(tap('t0'));
  const copy = copyOf(file);
  appendFileSync(copy, '+{"type":"reboot"}\n+{"type":"tap"}\n\0\0\0\n\n+garbage\n');
  appendFileSync(copy, readFileSync(file, 'utf8').split('\n')[1]?.replaceAll('t0', 't9') ?? '');
  appendFileSync(copy, '\n');
  const found = open(copy);
  t.deepEqual(steps(found), ['t0', 't9']);
  t.deepEqual(
    found.takeComplaints(),
    [3, 4, 5, 6, 7].map((n) => `${copy}: line ${n} cannot be read and is passed over`),
  );
  t.deepEqual(found.takeComplaints(), []);
  found.add(tap('t1'));
  t.deepEqual(steps(open(copyOf(copy))).sort(), ['t0', 't1', 't9']);

  for (const [content, complaints] of [
    ['not a journal\n', 1],
    [Buffer.alloc(100_000, 0xff), 1],
    // Of another boot: nothing of that exists any more.
    [readFileSync(file, 'utf8').replace(/^(weft journal 1 ).*/, '$1another'), 0],
  ] as const) {
    const bad = newFile();
    writeFileSync(bad, content);
    const emptied = open(bad);
    t.is(emptied.takeComplaints().length, complaints);
    t.deepEqual(steps(emptied), []);
    t.is(statSync(bad).size, 0);
  }
});

test('it does not grow while ports come and go', (t) => {
  const file = newFile();
  const journal = open(file);
  journal.add(tap('stays'));
  const round = (): void => {
    const strikes = ['a', 'bb', 'ccc'].map((name) => journal.add(tap(name)));
    // Another order each time.
    for (const strike of strikes.reverse()) strike();
  };
  round();
  const { size } = statSync(file);
  for (let n = 0; n < 100; n++) round();
  t.is(statSync(file).size, size);
  t.deepEqual(steps(open(copyOf(file))), ['stays']);
  journal.entries()[0]?.strike();
  t.is(statSync(file).size, 0);
});
