// Starts and ends flood.ts in a network namespace.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const PROGRAM = fileURLToPath(import.meta.resolve('./flood.js'));

/** Bounds every flood, also when a test fails half way. */
const SECONDS_MAX = 20;

const running = new Set<ChildProcess>();
t.teardown(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** A flood that has begun, until `stop`. */
export class Flooder {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    running.add(child);
    this.#ended = new Promise((resolve) => {
      child.once('close', () => {
        running.delete(child);
        resolve();
      });
    });
  }

  /** Floods from `ifname` in `netns`, with frames of `len` octets between two addresses (12 digits each). */
  static async start(netns: string, ifname: string, dst: string, src: string, len = 60): Promise<Flooder> {
    const args = [PROGRAM, ifname, String(SECONDS_MAX), dst, src, String(len)];
    const child = spawn('ip', ['netns', 'exec', netns, 'env', '-u', 'NODE_OPTIONS', process.execPath, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const flooder = new Flooder(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve());
      child.once('exit', (status) => reject(new Error(`the flood at ${ifname} ended with ${status}`)));
    });
    return flooder;
  }

  /** Ends it; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
