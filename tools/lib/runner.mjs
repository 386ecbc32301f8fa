// Runs one test runner (ava or tap) over a list of compiled test files: its TAP goes to a log and is
// counted, a person sees which file runs, and every failure in full.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { waitFor } from './run.mjs';
import { clearStatus, say, secondsSince, status } from './say.mjs';
import { TapCount } from './tap-count.mjs';

const STDERR_TAIL_LINES = 40;
/** Without a terminal, a line of progress each so many milliseconds. */
const PROGRESS_MS = 15_000;

/**
 * Runs `node_modules/.bin/NAME` with `args` in `root`; `depth` is where its tests stand in the TAP (tap-count.mjs).
 * Logs to `logDir`/NAME.tap and NAME.err. Resolves to {passed, failed, skipped}.
 */
export async function runRunner({ root, name, args, depth, logDir }) {
  const start = Date.now();
  const tapFile = path.join(logDir, `${name}.tap`);
  const errFile = path.join(logDir, `${name}.err`);
  const tapLog = fs.createWriteStream(tapFile);
  const errFd = fs.openSync(errFile, 'w');
  let fileStart = start;
  let nextProgress = start + PROGRESS_MS;
  const count = new TapCount(depth, {
    start: (file) => {
      fileStart = Date.now();
      status(`  ${sourceName(file)} …`);
    },
    done: (file, ok) => say(`  ${ok ? 'ok    ' : 'FAILED'} ${sourceName(file)} (${secondsSince(fileStart)})`),
    point: (point) => {
      const line = `  ${count.passed + count.failed} tests, ${count.failed} failed: ${point}`;
      if (process.stdout.isTTY) status(line);
      else if (Date.now() >= nextProgress) {
        nextProgress = Date.now() + PROGRESS_MS;
        say(line);
      }
    },
    failure: (names, diagnostics) => {
      say(`\nFAILED ${names.map(sourceName).join(' › ')}`);
      for (const line of describe(diagnostics, 2)) say(line);
    },
  });

  const bin = path.join(root, 'node_modules', '.bin', name);
  const child = spawn(process.execPath, [bin, ...args], { cwd: root, stdio: ['ignore', 'pipe', errFd] });
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text) => {
    tapLog.write(text);
    count.write(text);
  });
  const code = await waitFor(child, name).finally(() => {
    clearStatus();
    fs.closeSync(errFd);
    tapLog.end();
  });
  count.end();

  let { passed, failed, skipped } = count;
  if (code !== 0 && failed === 0) {
    failed = 1;
    say(`FAILED ${name} ended with status ${code} although no test failed`);
  }
  say(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped (${secondsSince(start)})`);
  if (failed > 0) {
    for (const line of tailOf(errFile)) say(`  | ${line}`);
    say(`  whole output: ${tapFile} and ${errFile}`);
  }
  return { passed, failed, skipped };
}

/** A compiled test file by the name of its source; other names as they are. */
function sourceName(name) {
  return name.replace(/^build\/(.*)\.js$/, '$1.ts');
}

function tailOf(file) {
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n').slice(-STDERR_TAIL_LINES);
  return lines.length === 1 && lines[0] === '' ? [] : lines;
}

/** Diagnostics as indented lines; texts of several lines as blocks. */
function describe(value, indent) {
  const pad = ' '.repeat(indent);
  if (value === null || value === undefined) return [];
  if (typeof value !== 'object')
    return String(value)
      .split('\n')
      .map((line) => `${pad}${line}`);
  return Object.entries(value).flatMap(([key, each]) => {
    const lines = describe(each, indent + 2);
    return lines.length === 1 ? [`${pad}${key}: ${lines[0].trim()}`] : [`${pad}${key}:`, ...lines];
  });
}
