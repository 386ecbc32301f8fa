// Scenario files through the production bridge: our own, and, where they are at hand, those drawn
// from other projects' tests.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { runEntry } from '../../src/sim/run-entry.ts';
import { type Entry, entriesOf } from '../../src/sim/scenario.ts';
import { ScenarioError } from '../../src/sim/step.ts';
import { testUnless } from '../support/test-unless.ts';

const ROOT = path.join(import.meta.dirname, '../../..');
const FIXTURES = path.join(ROOT, 'fixtures/scenarios');
const SHARED = process.env['WEFT_SHARED'] ?? path.join(ROOT, '../shared');

function entries(file: string): Entry[] {
  return entriesOf(JSON.parse(readFileSync(file, 'utf8')));
}

interface Difference {
  file: string;
  id: string;
  step: number;
  got: unknown;
  reason: string;
}
const { differences } = JSON.parse(readFileSync(path.join(FIXTURES, 'differences.json'), 'utf8')) as {
  differences: Difference[];
};

for (const entry of ['operations.json', 'spanning-tree.json'].flatMap((file) => entries(path.join(FIXTURES, file)))) {
  if (!entry.hasSteps) continue;
  test(`own: ${entry.id}`, (t) => {
    const { ok, steps, faults } = runEntry(entry);
    t.deepEqual(
      steps.filter((step) => !step.ok),
      [],
    );
    t.deepEqual(faults, []);
    t.true(ok);
  });
}

test('own: entries without steps that can be run are told apart', (t) => {
  const without = entries(path.join(FIXTURES, 'operations.json')).filter(({ hasSteps }) => !hasSteps);
  t.deepEqual(
    without.map(({ id }) => id),
    ['a-checklist', 'steps-in-words'],
  );
});

for (const entry of entries(path.join(FIXTURES, 'failures.json'))) {
  test(`a wrong expectation fails: ${entry.id}`, (t) => {
    const { ok, steps, faults } = runEntry(entry);
    t.false(ok);
    t.deepEqual(faults, []);
    const failed = steps.flatMap((step, n) => (step.ok ? [] : [n + 1]));
    t.is(`fails_at ${failed.join(', ')}`, entry.raw['note'] as string);
  });
}

for (const entry of entries(path.join(FIXTURES, 'refused.json'))) {
  test(`refused by name: ${entry.id}`, (t) => {
    const { message } = t.throws(() => runEntry(entry), { instanceOf: ScenarioError });
    t.is(message, entry.raw['note'] as string);
  });
}

for (const [document, message] of [
  [{}, /without an 'id'/],
  [[], /holds no scenarios/],
  [{ scenarios: [] }, /holds no scenarios/],
  [7, /holds no scenarios/],
  [{ scenarios: [7] }, /entry 1 that is not an object/],
  [{ scenarios: [{ id: 'a' }, { id: 'a' }] }, /two entries with the id 'a'/],
] as const) {
  test(`no scenario file: ${JSON.stringify(document)}`, (t) => {
    t.throws(() => entriesOf(document), { instanceOf: ScenarioError, message });
  });
}

for (const file of ['fdb_scenarios.json', 'stp_topologies.json', 'rstp_topologies.json']) {
  const sharedFile = path.join(SHARED, 'conformance', file);
  if (!existsSync(sharedFile)) {
    testUnless(`there is no ${sharedFile}; WEFT_SHARED names the folder`)(`shared scenarios: ${file}`, (t) => t.fail());
    continue;
  }
  for (const entry of entries(sharedFile)) {
    if (!entry.hasSteps) continue;
    test(`shared: ${entry.id}`, (t) => {
      const { steps, faults } = runEntry(entry);
      t.deepEqual(faults, []);
      const known = differences.filter((difference) => difference.file === file && difference.id === entry.id);
      const failed = steps.flatMap(({ ok, got }, n) => (ok ? [] : [{ step: n + 1, got }]));
      t.deepEqual(
        failed,
        known.map(({ step, got }) => ({ step, got })),
      );
    });
  }
}
