// weft as a user starts it: the compiled program in a process of its own. tap puts its hook into
// NODE_OPTIONS of every Node process, which costs more time than weft needs to start: it is taken out.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { DEADLINE_MS, until } from './netns.ts';
import { AS_NOBODY, weftForNobody } from './nobody.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const CLEAN = ['-u', 'NODE_OPTIONS', '-u', 'WEFT_RUN_DIR'];
const COMMAND = [...CLEAN, process.execPath];

/** Left by a test that failed half way, each would keep its file from ending. */
const running = new Set<ChildProcess>();
t.teardown(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** What a finished process left. */
export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a verb to its end. */
export function weft(...args: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync('env', [...COMMAND, MAIN, ...args], { encoding: 'utf8', timeout: DEADLINE_MS });
  return { status, stdout, stderr };
}

/** As `weft`, as the user nobody. */
export function weftAsNobody(env: Readonly<Record<string, string>>, ...args: string[]): Outcome {
  const [program = '', ...become] = AS_NOBODY;
  const { status, stdout, stderr } = spawnSync(program, [...become, 'env', ...CLEAN, ...weftForNobody(), ...args], {
    encoding: 'utf8',
    timeout: DEADLINE_MS,
    env: { PATH: process.env['PATH'], ...env },
  });
  return { status, stdout, stderr };
}

/** What `weft --json VERB…` prints. Throws with its standard error when it fails. */
// biome-ignore lint/suspicious/noExplicitAny: each test looks at other fields
export function weftJson(...args: string[]): any {
  const { status, stdout, stderr } = weft('--json', ...args);
  if (status !== 0) throw new Error(`weft ${args.join(' ')}: ${stderr}`);
  return JSON.parse(stdout);
}

/** A running `weft run`. */
export class WeftRun {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  #ended: Promise<number | string>;
  #hasEnded = false;

  /**
   * Starts it; `nodeArgs` stand before the program, `inherited` are handed down as descriptors 3 and up. Ends with the
   * test file at the latest.
   */
  constructor(args: readonly string[], nodeArgs: readonly string[] = [], inherited: readonly number[] = []) {
    // env executes node in its own place, so the process number is that of weft.
    this.child = spawn('env', [...COMMAND, ...nodeArgs, MAIN, 'run', ...args], {
      stdio: ['ignore', 'pipe', 'pipe', ...inherited],
    });
    running.add(this.child);
    this.child.stdout?.on('data', (data) => {
      this.stdout += data;
    });
    this.child.stderr?.on('data', (data) => {
      this.stderr += data;
    });
    this.#ended = new Promise((resolve) => {
      this.child.once('close', (status, signal) => {
        this.#hasEnded = true;
        running.delete(this.child);
        resolve(status ?? signal ?? 'unknown');
      });
    });
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** Resolves when it forwards. */
  async ready(): Promise<this> {
    await until('weft to be ready', () => {
      if (this.#hasEnded) throw new Error(`weft ended: ${this.stderr}`);
      return /ready/.test(this.stdout);
    });
    return this;
  }

  /** Status or signal it ended with. */
  ended(): Promise<number | string> {
    return this.#ended;
  }

  /** Sends a signal; resolves to the status or signal it ended with, and the time that took. */
  async end(signal: NodeJS.Signals): Promise<{ status: number | string; ms: number }> {
    const startedMs = performance.now();
    this.child.kill(signal);
    const status = await this.#ended;
    return { status, ms: performance.now() - startedMs };
  }
}

/** Starts a switch and waits until it forwards. */
export function startWeft(...args: string[]): Promise<WeftRun> {
  return new WeftRun(args).ready();
}
