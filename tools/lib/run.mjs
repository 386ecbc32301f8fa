// Runs the programs that tools need. Their noise goes to a log file; what a person sees is one line
// before and one after, on a terminal also the log's last line, and on failure the log's tail.
//
// A signal that reaches us while a program runs is handed on, and ends us once the program has ended:
// an apt-get or npm that outlived us would work on behind the back of the next set-up.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { clearStatus, say, secondsSince, status, ToolError } from './say.mjs';

const TAIL_LINES = 25;
const TAIL_SIZE = 16_384;
/** On a log, a sign of life each so many milliseconds; on a terminal, the bottom line's refresh. */
const LIFE_SIGN_MS = 30_000;
const REFRESH_MS = 500;

/** The full path of `program`, looked for where root and others find programs; undefined if it is nowhere. */
export function which(program) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => path.join(folder, program))
    .find(isExecutable);
}

function isExecutable(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

/** Waits for `child`, handing on the signals that reach us. Resolves to its exit status; throws ToolError if a signal came. */
export async function waitFor(child, what) {
  let received;
  const forward = (signal) => {
    received = signal;
    child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, forward);
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', (error) => reject(new ToolError(`${what} cannot be started: ${error.message}`)));
      child.on('close', (code, signal) => {
        if (received !== undefined) reject(new ToolError(`${what}: ended by ${received}`, 128 + os.constants.signals[received]));
        else resolve(code ?? 128 + os.constants.signals[signal]);
      });
    });
  } finally {
    for (const signal of signals) process.off(signal, forward);
  }
}

/** Runs a program quietly and returns what it wrote, or undefined when it is missing or fails. */
export async function outputOf(program, args, options = {}) {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const code = await waitFor(child, program).catch((error) => {
    if (error.exitCode > 128) throw error;
    return -1;
  });
  return code === 0 ? text : undefined;
}

/** Where the programs of one set-up write; made on the first use. */
export class Log {
  #made = false;

  constructor(file) {
    this.file = file;
  }

  /** Opens the log for a program about to run. */
  open(title) {
    if (!this.#made) fs.mkdirSync(path.dirname(this.file), { recursive: true });
    const fd = fs.openSync(this.file, this.#made ? 'a' : 'w');
    this.#made = true;
    fs.writeSync(fd, `== ${title}\n`);
    return fd;
  }

  /** Octets in the log: a mark for `since`. */
  size() {
    return this.#made ? fs.statSync(this.file).size : 0;
  }

  /** What was logged since the mark, without the line that names the program. */
  since(mark) {
    return fs
      .readFileSync(this.file)
      .subarray(mark)
      .toString()
      .replace(/^== .*\n/, '')
      .trimEnd();
  }

  /** The last lines of the log. */
  tail(lines = TAIL_LINES) {
    const fd = fs.openSync(this.file, 'r');
    try {
      const size = fs.fstatSync(fd).size;
      const octets = Buffer.alloc(Math.min(size, TAIL_SIZE));
      fs.readSync(fd, octets, 0, octets.length, size - octets.length);
      return octets.toString().trimEnd().split('\n').slice(-lines);
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** What the running program wrote last, fit for one line of a terminal. */
function lastWords(log) {
  const [line = ''] = log.tail(1);
  return line.startsWith('== ') ? '' : line.replaceAll(/[^\x20-\x7e]/g, ' ').trim();
}

/**
 * Runs a program with its output in `log`, saying `what` before ("installing …") and how long it took after.
 * Throws ToolError with the log's tail when it fails, unless `mayFail`; resolves to whether it succeeded.
 */
export async function runLogged(what, program, args, { log, mayFail = false, ...options }) {
  say(`${what} …`);
  const start = Date.now();
  const fd = log.open(`${program} ${args.join(' ')}`);
  let nextSign = start + LIFE_SIGN_MS;
  const timer = setInterval(() => {
    if (process.stdout.isTTY) status(`${secondsSince(start)}  ${lastWords(log)}`);
    else if (Date.now() >= nextSign) {
      nextSign += LIFE_SIGN_MS;
      say(`  still ${what} (${secondsSince(start)})`);
    }
  }, REFRESH_MS);
  try {
    const child = spawn(program, args, { ...options, stdio: ['ignore', fd, fd] });
    const code = await waitFor(child, what);
    if (code === 0) {
      say(`  done in ${secondsSince(start)}`);
      return true;
    }
    if (mayFail) return false;
    const tail = log.tail().map((line) => `  | ${line}`);
    throw new ToolError(`${what} failed with status ${code}. The end of ${log.file}:\n${tail.join('\n')}`);
  } finally {
    clearInterval(timer);
    clearStatus();
    fs.closeSync(fd);
  }
}
