// One set-up of a checkout at a time: two `npm start` at once must not run npm ci into each other.
// The lock is flock(1)'s, held by a child that lives as long as the pipe to it: when this process
// ends, however it ends, the kernel closes the pipe, the child ends and the lock is free.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { which } from './run.mjs';
import { say } from './say.mjs';

const PATIENCE_MS = 1000;

/** Waits for the lock on `file`; resolves to the function that releases it. Without flock(1) there is no lock. */
export async function lock(file) {
  if (which('flock') === undefined) return async () => {};
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const child = spawn('flock', [file, 'sh', '-c', 'echo; exec cat'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const timer = setTimeout(() => say('another set-up of this checkout is running: waiting for it'), PATIENCE_MS);
  const ended = new Promise((resolve) => child.on('close', resolve));
  let trouble = '';
  child.stderr.on('data', (chunk) => {
    trouble += chunk;
  });
  // An end before the first line means that flock could not even open the file.
  const held = await Promise.race([
    new Promise((resolve) => child.stdout.once('data', () => resolve(true))),
    ended.then(() => false),
  ]);
  clearTimeout(timer);
  if (!held) throw new Error(`the set-up cannot be locked: ${trouble.trim()}`);
  return async () => {
    child.stdin.end();
    await ended;
  };
}
