// The counting of both runners' output: what `npm test` says in its last line rests on it.

import { fileURLToPath } from 'node:url';
import test from 'ava';

interface Counted {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  write(text: string): void;
  end(): void;
}

type TapCount = new (depth: number, on: { failure?: (names: string[], diagnostics: unknown) => void }) => Counted;

// tools/ is not compiled: the module is found from build/test/unit/tools.
const { TapCount } = (await import(fileURLToPath(new URL('../../../../tools/lib/tap-count.mjs', import.meta.url)))) as {
  TapCount: TapCount;
};

const AVA = 0;
const TAP = 1;

function countOf(depth: number, text: string): { totals: string; failures: string[] } {
  const failures: string[] = [];
  const count = new TapCount(depth, { failure: (names) => failures.push(names.join(' > ')) });
  // In pieces that cut lines, as a pipe may.
  for (let at = 0; at < text.length; at += 7) count.write(text.slice(at, at + 7));
  count.end();
  return { totals: `${count.passed} ${count.failed} ${count.skipped}`, failures };
}

/** A tap file: its tests, then its own point. */
function tapFile(no: number, name: string, body: string, ok = true): string {
  return `# Subtest: ${name}\n${body}${ok ? 'ok' : 'not ok'} ${no} - ${name} # time=1ms\n\n`;
}

const PASSING_BODY =
  '    # Subtest: t\n        ok 1 - a\n        ok 2 - b\n        1..2\n    ok 1 - t # time=1ms\n    ok 2 - u\n    1..2\n';
const FAILING_BODY =
  '    # Subtest: t\n        not ok 1 - a\n          ---\n          found: 1\n          ...\n        1..1\n' +
  '    not ok 1 - t # time=1ms\n    1..1\n';

const cases: readonly [string, number, string, string, string[]][] = [
  ['ava: passed tests', AVA, 'TAP version 13\nok 1 - a\nok 2 - b\n\n1..2\n# tests 2\n# fail 0\n', '2 0 0', []],
  ['ava: a failed test', AVA, 'ok 1 - a\nnot ok 2 - b\n  ---\n    message: x\n  ...\n1..2\n', '1 1 0', ['b']],
  ['ava: skipped and to do', AVA, 'ok 1 - a\nok 2 - b # SKIP\nnot ok 3 - c # TODO\n1..3\n', '1 0 2', []],
  ['ava: cut off before the plan', AVA, 'ok 1 - a\nok 2 - b\n', '2 1 0', ['the test run']],
  ['ava: fewer points than planned', AVA, 'ok 1 - a\n1..3\n', '1 2 0', ['the test run']],
  ['ava: more points than planned', AVA, 'ok 1 - a\nok 2 - b\n1..1\n', '2 1 0', ['the test run']],
  ['ava: more points than planned, behind a crash', AVA, 'ok 1 - a\nnot ok 2 - b\n1..1\n', '1 1 0', ['b']],
  ['ava: nothing at all', AVA, '', '0 1 0', ['the test run']],
  ['tap: tests count, assertions do not', TAP, `${tapFile(1, 'x', PASSING_BODY)}1..1\n`, '2 0 0', []],
  ['tap: a failed assertion is one failed test', TAP, `${tapFile(1, 'x', FAILING_BODY, false)}1..1\n`, '0 1 0', ['x > t > a']],
  ['tap: a skipped file', TAP, '# Subtest: x\n    1..0 # SKIP needs root\nok 1 - x # SKIP needs root\n1..1\n', '0 0 1', []],
  ['tap: a crash behind passed tests', TAP, `${tapFile(1, 'x', PASSING_BODY, false)}1..1\n`, '2 1 0', ['x']],
  ['tap: a crash before any test', TAP, 'not ok 1 - x\n  ---\n  signal: SIGSEGV\n  ...\n1..1\n', '0 1 0', ['x']],
  [
    'tap: two files, one fails',
    TAP,
    `${tapFile(1, 'x', PASSING_BODY)}${tapFile(2, 'y', FAILING_BODY, false)}1..2\n`,
    '2 1 0',
    ['y > t > a'],
  ],
  ['a bail-out', TAP, 'ok 1 - a\nBail out! no kernel\n', '1 1 0', ['the test run']],
];

for (const [what, depth, text, totals, failures] of cases) {
  test(what, (t) => {
    t.deepEqual(countOf(depth, text), { totals, failures });
  });
}
