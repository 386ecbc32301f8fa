// `weft simulate`: what it prints, what it complains about, and its exit code.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { simulateCommand } from '../../src/cli/simulate.ts';

const FIXTURES = path.join(import.meta.dirname, '../../../fixtures/scenarios');
const OPERATIONS = path.join(FIXTURES, 'operations.json');
const FAILURES = path.join(FIXTURES, 'failures.json');
const REFUSED = path.join(FIXTURES, 'refused.json');

async function simulate(files: string[], json = false): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await simulateCommand(files, { json, print: (line) => out.push(line), complain: (line) => err.push(line) });
  return { code, out, err };
}

test('one line a step, one a scenario', async (t) => {
  const { code, out, err } = await simulate([`${OPERATIONS}#bridge-down`]);
  t.is(code, 0);
  t.deepEqual(err, []);
  t.deepEqual(out, [
    'bridge-down',
    '  ok      1  frame into 2: 02:00:00:00:00:0b to ff:ff:ff:ff:ff:ff',
    '  ok      2  bridge_down',
    '  ok      3  frame into 1: 02:00:00:00:00:0a to ff:ff:ff:ff:ff:ff; out nowhere',
    '  ok      4  expect_fdb exactly 0 entries',
    '  ok      5  bridge_up',
    '  ok      6  frame into 1: 02:00:00:00:00:0a to ff:ff:ff:ff:ff:ff; out 2, 3',
    'bridge-down: ok',
    'scenarios: 1 ok, 0 failed',
  ]);
});

test('with --json one line of JSON a scenario', async (t) => {
  const { code, out } = await simulate([`${OPERATIONS}#bridge-down`], true);
  t.is(code, 0);
  t.is(out.length, 1);
  const scenario = JSON.parse(out[0]);
  t.deepEqual(Object.keys(scenario), ['file', 'id', 'ok', 'steps', 'faults']);
  t.is(scenario.id, 'bridge-down');
  t.true(scenario.ok);
  t.deepEqual(scenario.steps[2], { op: 'frame', ok: true, got: [], expected: [] });
  t.deepEqual(scenario.steps[5], { op: 'frame', ok: true, got: [2, 3], expected: [2, 3] });
});

test('a network: one line a step, and what was found where it was to be', async (t) => {
  const file = path.join(FIXTURES, 'spanning-tree.json');
  const { code, out } = await simulate([`${file}#rstp-one-lan-twice`]);
  t.is(code, 0);
  t.deepEqual(out, [
    'rstp-one-lan-twice',
    '  ok      1  50 s, 1 bridge checked',
    '  ok      2  set_port_priority A port 2 to 16, 50 s, 1 bridge checked',
    '  ok      3  connect_port A port 3 to x, 50 s, 1 bridge checked',
    'rstp-one-lan-twice: ok',
    'scenarios: 1 ok, 0 failed',
  ]);
  const { code: failed, out: lines } = await simulate([`${FAILURES}#wrong-cost`], true);
  t.is(failed, 1);
  const { steps } = JSON.parse(lines[0]);
  t.deepEqual(steps[0].got, { 'B root_path_cost': 5 });
  t.like(steps[1], { op: 'settle', ok: false, got: { 'B root_path_cost': 5 }, expected: { 'B root_path_cost': 4 } });
});

test('a whole file: checklists are skipped and never ok', async (t) => {
  const { code, out } = await simulate([OPERATIONS]);
  t.is(code, 0);
  t.true(out.includes('a-checklist: skipped, no steps'));
  t.regex(out.at(-1) ?? '', /^scenarios: \d+ ok, 0 failed, 2 skipped$/);
  const { out: lines } = await simulate([OPERATIONS], true);
  const skipped = lines.map((line) => JSON.parse(line)).filter(({ ok }) => ok !== true);
  t.deepEqual(
    skipped.map(({ id, ok, skipped: why }) => [id, ok, why]),
    [
      ['a-checklist', null, 'no steps'],
      ['steps-in-words', null, 'no steps'],
    ],
  );
});

test('a failed expectation ends with 1 and says what it got', async (t) => {
  const { code, out, err } = await simulate([`${FAILURES}#wrong-port`]);
  t.is(code, 1);
  t.deepEqual(err, []);
  t.deepEqual(out, [
    'wrong-port',
    '  FAIL    1  frame into 1: 02:00:00:00:00:0a to ff:ff:ff:ff:ff:ff',
    '             got [2,3], expected [2]',
    'wrong-port: FAILED',
    'scenarios: 0 ok, 1 failed',
  ]);
  const { out: lines } = await simulate([`${FAILURES}#wrong-port`], true);
  t.like(JSON.parse(lines[0]), { ok: false, steps: [{ ok: false, got: [2, 3], expected: [2] }] });
});

test('what cannot be run ends with 2, by file, entry and operation; the rest still runs', async (t) => {
  const { code, out, err } = await simulate([`${REFUSED}#unknown-operation`, `${OPERATIONS}#bridge-down`]);
  t.is(code, 2);
  t.deepEqual(err, [`weft: ${REFUSED}#unknown-operation: step 1: weft does not know the operation 'teleport'`]);
  t.true(out.includes('bridge-down: ok'));
  t.is(out.at(-1), 'scenarios: 1 ok, 0 failed, 1 cannot be run');
  const { out: lines } = await simulate([REFUSED], true);
  for (const line of lines) t.like(JSON.parse(line), { ok: false, steps: [] });
  t.is(JSON.parse(lines[0]).error, "step 1: weft does not know the operation 'teleport'");
});

test('a failure after a refusal does not hide it', async (t) => {
  const { code } = await simulate([`${REFUSED}#unknown-operation`, `${FAILURES}#wrong-port`]);
  t.is(code, 2);
});

test('a choice that is not there, or is a checklist', async (t) => {
  const missing = await simulate([`${FAILURES}#nope`]);
  t.is(missing.code, 2);
  t.regex(missing.err[0], /failures\.json has no scenario 'nope'; it has wrong-port, /);
  const checklist = await simulate([`${OPERATIONS}#a-checklist`]);
  t.is(checklist.code, 2);
  t.regex(checklist.err[0], /'a-checklist' is a checklist without steps, so there is nothing to run$/);
});

test('files that are no scenario files', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-simulate-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const scenario = '{"id":"x","ports":[1,2],"steps":[{"op":"note","text":"here"}]}';
  for (const [file, expected] of [
    [path.join(folder, 'absent.json'), /^weft: there is no file .*absent\.json$/],
    [folder, /^weft: cannot read .*EISDIR/],
    [write('broken.json', '{"scenarios": ['), /^weft: .*broken\.json is not JSON: /],
    [write('steering.json', '\x1b[31m'), /^weft: .*steering\.json is not JSON: \P{Cc}*$/u],
    [write('empty.json', '{"scenarios": []}'), /^weft: .*empty\.json holds no scenarios$/],
  ] as const) {
    const { code, out, err } = await simulate([file]);
    t.is(code, 2);
    t.deepEqual(out, []);
    t.is(err.length, 1);
    t.regex(err[0], expected);
  }
  t.is((await simulate([write('with#hash.json', scenario)])).code, 0);
  t.is((await simulate([`${write('with#hash.json', scenario)}#x`])).code, 0);
});
