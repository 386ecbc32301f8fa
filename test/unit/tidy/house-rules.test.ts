// The house rules over the whole checkout, and that each check can fail.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { DROP_BASE, DROP_COUNT, DROP_REASONS } from '../../../src/relay/drop-reason.ts';
import {
  commentFaults,
  consoleFaults,
  LINES_MAX,
  leftoverFaults,
  lengthFaults,
  purityFaults,
  switchedOffFaults,
  syntaxFaults,
} from '../../support/tidy/house-rules.ts';
import { PURE_FOLDERS } from '../../support/tidy/imports.ts';
import { type Fault, parseSource, ROOT, readSources, type Source } from '../../support/tidy/source.ts';

interface LintOverride {
  readonly includes: readonly string[];
  readonly linter: {
    readonly rules: {
      readonly style?: { readonly noRestrictedGlobals?: { readonly options: { readonly deniedGlobals: object } } };
    };
  };
}

const lint = JSON.parse(readFileSync(path.join(ROOT, 'biome.json'), 'utf8')) as { readonly overrides: readonly LintOverride[] };
const pureOverride = lint.overrides.find((override) => override.linter.rules.style?.noRestrictedGlobals !== undefined);
const banned = new Set(Object.keys(pureOverride?.linter.rules.style?.noRestrictedGlobals?.options.deniedGlobals ?? {}));

const source = readSources(['src']);
const pure = source.filter((each) => PURE_FOLDERS.includes(each.name.split('/')[1] as string) && !each.name.endsWith('.d.ts'));
const everything = [...source, ...readSources(['test', 'bench', 'tools'], ['.ts', '.mjs'])];
const tests = everything.filter((each) => each.name.endsWith('.test.ts'));

/** Each rule, the files it holds for, and snippets it must find exactly one fault in. */
const rules: readonly [string, readonly Source[], (source: Source) => Fault[], readonly string[]][] = [
  [
    'pure folders have no clock, randomness, output or Node',
    pure,
    (each) => purityFaults(each, banned),
    [
      'const now = Date.now();',
      'const made = new Date();',
      'const f = new Function("return 1");',
      'console.log(1);',
      'setTimeout(() => {}, 1);',
      'const b = Buffer.alloc(1);',
      'process.exit(1);',
      'const g = globalThis;',
      'const t = performance.now();',
      'const r = Math.random();',
      "const r = Math['random']();",
      'const { random } = Math;',
      'const u = import.meta.url;',
      'let d: Date;',
    ],
  ],
  [
    'no default exports, enums, namespaces or parameter properties',
    everything.filter((each) => each.name.endsWith('.ts')),
    syntaxFaults,
    [
      'export default 1;',
      'export default function f() {}',
      'enum Colour { RED }',
      'namespace N { export const a = 1; }',
      'class C { constructor(private a: number) {} }',
    ],
  ],
  [
    'every file of src says what it is for, and every exported thing what it is',
    source,
    commentFaults,
    [
      '/** A. */\nexport const a = 1;',
      "// Header.\n\nimport x from 'x';\n\nexport const a = 1;",
      '// Header.\n\n/** A. */\nexport const a = 1;\n\nexport const b = 1;',
      '// Header.\n\n/** A. */\nexport const a = 1;\nexport function f(): void {}',
    ],
  ],
  ['no file is too long', everything, lengthFaults, ['\n'.repeat(LINES_MAX + 1)]],
  [
    'nothing is left to do',
    everything.filter(({ name }) => !name.includes('/tidy/')),
    leftoverFaults,
    ['// TODO later', 'a(); // FIXME'],
  ],
  ['only cli prints', source.filter((each) => !each.name.startsWith('src/cli/')), consoleFaults, ['console.error(1);']],
  [
    'no test is switched off',
    tests,
    switchedOffFaults,
    ["test.only('a', () => {});", "test.skip('a', () => {});", "t.test.only('a');", "t.skip('a');", "test.serial.skip('a', f);"],
  ],
];

for (const [what, files, rule, bad] of rules) {
  test(what, (t) => {
    t.true(files.length > 0);
    t.deepEqual(files.flatMap(rule), []);
    for (const text of bad) t.is(rule(parseSource('src/relay/planted.ts', text)).length, 1, text);
  });
}

test('names that are not the globals are left alone', (t) => {
  const text =
    'const process = 1; f(process, x.Date, { console: 1 }); class C { performance(): void {} } // Date.now()\nconst s = "Date";';
  t.deepEqual(purityFaults(parseSource('src/relay/planted.ts', text), banned), []);
  t.deepEqual(switchedOffFaults(parseSource('test/a.test.ts', 'const maybe = loaded ? test : test.skip;')), []);
});

test('the linter guards exactly the pure folders', (t) => {
  t.deepEqual([...(pureOverride?.includes ?? [])].sort(), PURE_FOLDERS.map((folder) => `src/${folder}/**`).sort());
  for (const name of ['Date', 'Function', 'console', 'setTimeout', 'process', 'Buffer', 'performance'])
    t.true(banned.has(name), name);
  const { include } = JSON.parse(readFileSync(path.join(ROOT, 'src/tsconfig.pure.json'), 'utf8')) as { include: string[] };
  t.deepEqual(
    PURE_FOLDERS.filter((folder) => !include.includes(folder)),
    [],
  );
});

test('every drop reason has a name of its own and a sentence, and fits the verdict word', (t) => {
  t.is(DROP_REASONS.length, DROP_COUNT);
  t.true(DROP_BASE + DROP_COUNT <= 256);
  t.is(new Set(DROP_REASONS.map((reason) => reason.name)).size, DROP_COUNT);
  for (const { name, text } of DROP_REASONS) {
    t.regex(name, /^[a-z]+(_[a-z]+)*$/);
    t.true(text.split(' ').length >= 3, `${name}: ${text}`);
  }
});
