// Files that a user names: whatever they lead to, reading ends.

import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { readTextFile, TextFileError } from '../../../src/control/text-file.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const refused = (message: string) => ({ instanceOf: TextFileError, message });

test('a file is read up to its bound, and no further', (t) => {
  const file = path.join(makeTempDir(), 'f');
  writeFileSync(file, `${'é'.repeat(100_000)}\n`);
  t.is(readTextFile(file, 200_001), `${'é'.repeat(100_000)}\n`);
  t.throws(() => readTextFile(file, 200_000), refused('it is longer than 200000 octets'));
  writeFileSync(file, '');
  t.is(readTextFile(file, 1), '');
});

test('what never ends is left, and what is no file is named', (t) => {
  t.throws(() => readTextFile('/dev/zero', 1 << 20), refused('it is longer than 1048576 octets'));
  t.is(readTextFile('/dev/null', 1), '');
  t.throws(() => readTextFile(makeTempDir(), 1), refused('EISDIR'));
  t.throws(() => readTextFile('/nowhere/at/all', 1), refused('ENOENT'));
});

test('a pipe is read when somebody writes, and not waited for when nobody does', (t) => {
  const pipe = path.join(makeTempDir(), 'pipe');
  execFileSync('mkfifo', [pipe]);
  t.throws(() => readTextFile(pipe, 100), refused('nothing was written to it within 5 s'));
  const writer = spawn('sh', ['-c', 'exec > "$1"; printf a; printf b', 'sh', pipe], { stdio: 'ignore' });
  t.teardown(() => writer.kill('SIGKILL'));
  t.is(readTextFile(pipe, 100), 'ab');
});
