// The import arrows of src, and that the check of them can fail.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { ARROWS, importFaults, PURE_FOLDERS } from '../../support/tidy/imports.ts';
import { parseSource, ROOT, readSources } from '../../support/tidy/source.ts';

test('every import follows an arrow', (t) => {
  const sources = readSources(['src']);
  t.true(sources.length > 10);
  t.deepEqual(sources.flatMap(importFaults), []);
});

test('every folder of src has a row, and every row a folder', (t) => {
  const folders = readdirSync(path.join(ROOT, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const names = folders.map((entry) => entry.name);
  t.deepEqual(
    names.filter((name) => ARROWS[name] === undefined),
    [],
  );
  for (const targets of Object.values(ARROWS)) {
    for (const target of targets) t.true(ARROWS[target.split('/')[0] as string] !== undefined, target);
  }
});

test('no arrow leads up, and none out of the pure folders', (t) => {
  for (const [folder, targets] of Object.entries(ARROWS)) {
    for (const target of targets) {
      if (target === folder) continue;
      t.false(ARROWS[target]?.includes(folder) ?? false, `${folder} and ${target} import each other`);
      if (PURE_FOLDERS.includes(folder)) t.true(PURE_FOLDERS.includes(target), `${folder} imports ${target}`);
    }
  }
});

const refused: readonly [string, string, string][] = [
  ['src/relay/x.ts', "import { a } from '../stp/a.ts';", 'relay and stp'],
  ['src/stp/x.ts', "import type { A } from '../relay/batch.ts';", 'stp and relay, even a type'],
  ['src/wire/x.ts', "export { a } from '../relay/batch.ts';", 'a re-export upwards'],
  ['src/sys/x.ts', "import { a } from '../wire/ethernet.ts';", 'sys knows no frame'],
  ['src/ports/x.ts', "import { Fdb } from '../relay/fdb.ts';", 'a port and the FDB'],
  ['src/ports/x.ts', "const a = await import('../loop/turn.ts');", 'a dynamic import upwards'],
  ['src/loop/x.ts', "let a: import('../control/a.ts').A;", 'an import type upwards'],
  ['src/loop/x.ts', "new Worker(new URL('../cli/worker.ts', import.meta.url));", "a worker's file upwards"],
  ['src/bridge/x.ts', "import { readFileSync } from 'node:fs';", 'Node in a pure folder'],
  ['src/lib/x.ts', "import { LRUCache } from 'lru-cache';", 'a package in a pure folder'],
  ['src/ports/x.ts', "import koffi from 'koffi';", 'FFI outside sys'],
  ['src/control/x.ts', "import { a } from '../sim/a.ts';", 'sim from elsewhere than cli'],
  ['src/cli/x.ts', "import { a } from '../../test/support/a.ts';", 'tests from the product'],
  ['src/other/x.ts', '', 'a folder without a row'],
];

for (const [name, text, what] of refused) {
  test(`refuses ${what}`, (t) => {
    t.is(importFaults(parseSource(name, text)).length, 1);
  });
}

test('accepts what the arrows allow, and words that only look like imports', (t) => {
  const allowed: readonly [string, string][] = [
    ['src/ports/x.ts', "import { Batch } from '../relay/batch.ts'; import { a } from './port.ts'; import fs from 'node:fs';"],
    ['src/cli/x.ts', "import { a } from '../bridge/snapshot.ts'; import { b } from '../sim/scenario.ts';"],
    ['src/sys/x.ts', "import koffi from 'koffi';"],
    ['src/relay/x.ts', "// import { a } from '../stp/a.ts';\nconst s = \"import '../stp/a.ts'\";"],
  ];
  for (const [name, text] of allowed) t.deepEqual(importFaults(parseSource(name, text)), []);
});
