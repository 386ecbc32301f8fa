// `weft demo` as people run it, with real guests: that everything on its network reaches everything,
// and that nothing of it is left, whichever way it ends.

import '../support/sandbox.ts';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { DemoJson } from '../../src/cli/demo/report.ts';
import { listLinks } from '../../src/sys/rtnetlink.ts';
import { guestImage } from '../support/guest-image.ts';
import { AS_NOBODY, NOBODY, weftForNobody } from '../support/nobody.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const RUN_DIR = '/run/weft';
const DEADLINE_MS = 120_000;

/** A demo in a process of its own; it is killed with the test. */
class DemoProcess {
  readonly exited: Promise<number | null>;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;

  constructor(args: readonly string[], command: readonly string[] = [], weft: readonly string[] = [process.execPath, MAIN]) {
    // tap puts its hook into the environment of whatever is started; env(1) takes it out again.
    const words = ['-u', 'NODE_OPTIONS', ...command, ...weft, 'demo', ...args];
    this.#child = spawn('env', words, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (text) => {
      this.stdout += text;
    });
    this.#child.stderr?.on('data', (text) => {
      this.stderr += text;
    });
    this.exited = once(this.#child, 'close').then(([code]) => code as number | null);
    t.teardown(() => this.#child.kill('SIGKILL'));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when it has printed `text`; rejects when it ends first. */
  async printed(text: string | RegExp): Promise<string> {
    const find = () => (typeof text === 'string' ? (this.stdout.includes(text) ? text : undefined) : text.exec(this.stdout)?.[0]);
    await until(`the demo to print ${text}`, () => find() !== undefined || this.#child.exitCode !== null);
    const found = find();
    if (found === undefined) throw new Error(`the demo ended without printing ${text}:\n${this.stdout}${this.stderr}`);
    return found;
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited ${DEADLINE_MS} ms for ${what}`);
    await sleep(20);
  }
}

/** QEMUs of the sandbox, which has process ids of its own. */
function qemus(): number[] {
  const isQemu = (pid: string) => {
    try {
      return (
        readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('qemu-system') && readFileSync(`/proc/${pid}/cmdline`).length > 0
      );
    } catch {
      return false;
    }
  };
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && isQemu(entry))
    .map(Number);
}

/** Everything a demo makes: interfaces, namespaces, files, QEMUs. */
function leftovers(): string[] {
  const links = listLinks().map(({ name }) => name);
  const netns = readdirSync('/run/netns');
  const files = existsSync(RUN_DIR) ? readdirSync(RUN_DIR, { recursive: true, encoding: 'utf8' }) : [];
  return [...links.filter((name) => name !== 'lo'), ...netns, ...files, ...qemus().map((pid) => `QEMU ${pid}`)];
}

/** The name of the demo's interfaces, from its table of stations. */
async function tapOf(demo: DemoProcess): Promise<string> {
  return (await demo.printed(/demo-[0-9a-f]{4}\b/)) ?? '';
}

await guestImage((line) => t.comment(line));

t.test('every pair reaches each other, TCP works, and nothing is left', async (t) => {
  const demo = new DemoProcess(['--json', '--once']);
  t.equal(await demo.exited, 0, demo.stderr);
  const result = JSON.parse(demo.stdout) as DemoJson;
  const names = ['host', 'pc', 'vm1', 'vm2'];
  const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => `${from} > ${to}`));
  t.same(result.pings.map(({ from, to }) => `${from} > ${to}`).sort(), pairs.sort());
  for (const { from, to, received, rtt_ms } of result.pings) t.ok(received > 0 && rtt_ms !== null, `${from} > ${to}`);
  t.same(
    result.throughput.map(({ from, to }) => `${from} > ${to}`),
    ['vm1 > vm2', 'host > vm1', 'pc > vm1'],
  );
  for (const { bits_per_s } of result.throughput) t.ok(bits_per_s > 0);
  t.match(result, { ok: true, switch: 'demo' });
  t.same(
    result.ports.map(({ link, state }) => `${link} ${state}`),
    Array(4).fill('up forwarding'),
  );
  const ifnames = result.ports.map(({ ifname }) => ifname);
  t.same(result.fdb.map(({ ifname }) => ifname).sort(), ifnames.sort(), 'one station on each port');
  t.match(demo.stderr, /booting vm1 and vm2 .*: done in/);
  t.same(leftovers(), []);
});

t.test('without root, between guests on sockets', async (t) => {
  // The image is there, but in a home that only root may look into.
  const home = '/run/tmp/home';
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(process.env['HOME'] ?? '/root', '.cache');
  cpSync(path.join(cache, 'weft'), path.join(home, '.cache', 'weft'), { recursive: true });
  mkdirSync(`${home}/run`, { mode: 0o700 });
  for (const entry of ['.', ...readdirSync(home, { recursive: true, encoding: 'utf8' })]) {
    chownSync(path.join(home, entry), NOBODY, NOBODY);
  }
  const env = ['env', '-u', 'XDG_CACHE_HOME', '-u', 'WEFT_RUN_DIR', `HOME=${home}`, `XDG_RUNTIME_DIR=${home}/run`];
  const asNobody = [...AS_NOBODY, ...env];

  const refused = new DemoProcess([], asNobody, weftForNobody());
  t.equal(await refused.exited, 2);
  t.match(refused.stderr, /^weft: weft demo .* run it as root, or without as weft demo --rootless\n$/);
  t.equal(refused.stdout, '');

  const demo = new DemoProcess(['--rootless', '--once'], asNobody, weftForNobody());
  t.equal(await demo.exited, 0, demo.stderr);
  t.match(demo.stdout, /^ {2}vm1 +- +\d+\.\d\d ms$/m);
  t.match(demo.stdout, /^ {2}vm2 +\d+\.\d\d ms +-$/m);
  t.match(demo.stdout, /^ {2}vm1 +vm2 +[\d.]+ [kMG]?bit\/s/m);
  t.match(demo.stdout, /all 2 pairs reached each other, and TCP works/);
  t.same(readdirSync(`${home}/run/weft`), []);
  t.same(leftovers(), []);
});

t.test('two at once do not meet, and SIGTERM in the middle leaves nothing of either', async (t) => {
  const demos = [new DemoProcess(['--once']), new DemoProcess(['--once'])];
  for (const demo of demos) await demo.printed('booting');
  const texts = demos.map(({ stdout }) => stdout);
  const distinct = (pattern: RegExp) => t.equal(new Set(texts.map((text) => pattern.exec(text)?.[0])).size, 2, String(pattern));
  distinct(/starting switch demo\d*/);
  distinct(/demo-[0-9a-f]{4}\b/);
  distinct(/(\d+\.){3}1 /);
  t.equal(qemus().length, 4);
  for (const demo of demos) demo.kill('SIGTERM');
  for (const demo of demos) {
    t.equal(await demo.exited, 1, 'what was not tried does not count as working');
    t.match(demo.stderr, /^weft: the demo was ended before everything was tried\n$/);
  }
  t.same(leftovers(), []);
});

t.test('what a killed demo leaves, the next one removes, and nothing else', async (t) => {
  const killed = new DemoProcess(['--once']);
  const tap = await tapOf(killed);
  await killed.printed('booting');
  const live = new DemoProcess(['--once']);
  const liveTap = await tapOf(live);
  await live.printed('booting');
  killed.kill('SIGKILL');
  await killed.exited;
  await until('its guests to be gone', () => qemus().length === 2);
  t.strictSame(
    [tap, `${tap}-up`, `${tap}-pc`, 'demo.sock', 'demos/demo/journal.json'].filter((name) => !leftovers().includes(name)),
    [],
    'a killed process cleans up nothing',
  );

  const next = new DemoProcess(['--once', '--switch', 'other']);
  await next.printed('removed what killed demos had left: demo\n');
  t.same(
    leftovers().filter((name) => name.startsWith(tap) || /^(demos\/)?demo([./]|$)/.test(name)),
    [],
  );
  t.ok(
    [liveTap, `${liveTap}-up`, `${liveTap}-pc`].every((name) => leftovers().includes(name)),
    'a live demo keeps what is its own',
  );
  for (const demo of [next, live]) demo.kill('SIGINT');
  for (const demo of [next, live]) t.equal(await demo.exited, 1);
  t.same(leftovers(), []);
});

t.test('a guest that dies ends the demo with a sentence and the end of its log', async (t) => {
  const demo = new DemoProcess(['--once']);
  await demo.printed('booting');
  const [pid] = qemus();
  process.kill(pid ?? 0, 'SIGKILL');
  t.equal(await demo.exited, 1);
  t.match(demo.stdout, /booting vm1 and vm2 .*: failed after/);
  t.match(demo.stderr, /^weft: Guest vm[12] died \(signal SIGKILL\)/);
  t.same(leftovers(), []);
});
