// Temporary folders of tests that do not run in a sandbox. They go even when the test is killed: a
// shell waits for the end of a pipe whose other end only the test holds.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** Makes an empty folder that is removed once this process has ended, however it ends. */
export function makeTempDir(): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'weft-'));
  const remover = spawn('sh', ['-c', 'cat > /dev/null; rm -rf -- "$1"', 'sh', dir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // Neither the process nor its pipe keeps us running.
  remover.unref();
  const { stdin } = remover;
  if (stdin !== null && 'unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  return dir;
}
