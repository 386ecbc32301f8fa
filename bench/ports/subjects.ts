// The switches the port benchmarks compare, each started between two interfaces in this process's
// private namespaces (../../test/support/sandbox.ts): `left`, where traffic starts, and `right`.
//
// All but the kernel's bridge hold two taps and are one process pinned to a core. The kernel's
// bridge joins two veth pairs; its work is done by the soft interrupts of whoever sends, so receive
// packet steering moves it to the same core.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The interface traffic enters at, and the one it is delivered to. */
export const LEFT = 'left';
export const RIGHT = 'right';
/** Programs are compiled and peers keep their sockets here; private to the sandbox. */
export const WORK_DIR = '/run/bench';

const START_MS = 10_000;
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** A switch to measure. */
export interface Subject {
  /** The program whose absence makes it impossible, and the Debian package that brings it. */
  readonly needs: { readonly program: string; readonly debianPackage: string };
  /**
   * Starts it on `core` (undefined: wherever the scheduler likes); LEFT and RIGHT exist afterwards. Returns its process,
   * 0 when it is the kernel. `checkout` is another one to take weft from.
   */
  start(core: number | undefined, checkout?: string): Promise<number>;
}

/** Every subject by name. */
export const SUBJECTS: Readonly<Record<string, Subject>> = {
  weft: { needs: { program: 'node', debianPackage: 'nodejs' }, start: startWeftSubject },
  'c-loop': { needs: { program: 'gcc', debianPackage: 'gcc' }, start: startLoop },
  'kernel-bridge': { needs: { program: 'ip', debianPackage: 'iproute2' }, start: startBridge },
  vde: { needs: { program: 'vde_switch', debianPackage: 'vde2' }, start: startVde },
  ovs: { needs: { program: 'ovs-vswitchd', debianPackage: 'openvswitch-switch' }, start: startOvs },
};

/** Whether `program` is on the PATH. */
export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;
}

/** Runs a program to its end; throws with what it said when it fails. */
export function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: START_MS });
}

/** `ip ARGS`, the arguments in one string. */
export function ip(args: string): void {
  run('ip', ...args.split(' '));
}

/** Starts a program pinned to `core`; it ends with the sandbox. */
export function start(core: number | undefined, program: string, ...args: string[]): ChildProcess {
  const command = core === undefined ? [program, ...args] : ['taskset', '-c', `${core}`, program, ...args];
  return spawn(command[0] as string, command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** Compiles `bench/peers/NAME.c`; returns the program's path. */
export function compilePeer(name: string): string {
  mkdirSync(WORK_DIR, { recursive: true });
  const program = path.join(WORK_DIR, name);
  run('gcc', '-O2', '-Wall', '-o', program, path.join(ROOT, 'bench', 'peers', `${name}.c`));
  return program;
}

/** Waits until `isDone`; throws when that takes too long. */
export async function until(what: string, isDone: () => boolean): Promise<void> {
  const deadline = performance.now() + START_MS;
  while (!isDone()) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${START_MS} ms`);
    await sleep(10);
  }
}

/** Starts `weft run` with two taps, of this checkout or another; resolves at its `ready`. */
export async function startWeft(core: number | undefined, checkout = ROOT): Promise<ChildProcess> {
  const program = path.join(checkout, 'build', 'src', 'cli', 'main.js');
  const options = (process.env.WEFT_BENCH_NODE_OPTIONS ?? '').split(' ').filter((option) => option !== '');
  const ports = [LEFT, RIGHT].flatMap((name) => ['--port', `tap:${name}`]);
  const weft = start(core, process.execPath, ...options, program, 'run', '--log-level', 'warn', ...ports);
  await new Promise<void>((resolve, reject) => {
    weft.stdout?.once('data', () => resolve());
    weft.once('exit', () => reject(new Error('weft run ended before it was ready')));
  });
  return weft;
}

async function interfacesUp(): Promise<void> {
  await until(`interfaces ${LEFT} and ${RIGHT}`, () => [LEFT, RIGHT].every((name) => existsSync(`/sys/class/net/${name}`)));
  for (const name of [LEFT, RIGHT]) ip(`link set ${name} up`);
}

async function startWeftSubject(core: number | undefined, checkout?: string): Promise<number> {
  const weft = await startWeft(core, checkout);
  await interfacesUp();
  return pidOf(weft);
}

async function startLoop(core: number | undefined): Promise<number> {
  const loop = start(core, compilePeer('tap-loop'), LEFT, RIGHT);
  await interfacesUp();
  return pidOf(loop);
}

async function startBridge(core: number | undefined): Promise<number> {
  ip('link add br0 type bridge');
  for (const name of [LEFT, RIGHT]) {
    ip(`link add ${name} type veth peer name ${name}-br`);
    ip(`link set ${name}-br master br0 up`);
    if (core !== undefined) writeFileSync(`/sys/class/net/${name}-br/queues/rx-0/rps_cpus`, (1 << core).toString(16));
  }
  ip('link set br0 up');
  await interfacesUp();
  return 0;
}

async function startVde(core: number | undefined): Promise<number> {
  mkdirSync(WORK_DIR, { recursive: true });
  const hash = ['--hashsize', '4096'];
  const vde = start(core, 'vde_switch', '-s', `${WORK_DIR}/vde`, ...hash, '-tap', LEFT, '-tap', RIGHT);
  vde.stdout?.resume();
  await interfacesUp();
  return pidOf(vde);
}

async function startOvs(core: number | undefined): Promise<number> {
  const dir = `${WORK_DIR}/ovs`;
  mkdirSync(dir, { recursive: true });
  for (const name of ['OVS_RUNDIR', 'OVS_DBDIR', 'OVS_LOGDIR']) process.env[name] = dir;
  const socket = `unix:${dir}/db.sock`;
  const quiet = ['-vconsole:off', '-vsyslog:off'];
  run('ovsdb-tool', 'create', `${dir}/conf.db`, '/usr/share/openvswitch/vswitch.ovsschema');
  start(undefined, 'ovsdb-server', `${dir}/conf.db`, `--remote=p${socket}`, ...quiet);
  await until('ovsdb-server', () => existsSync(`${dir}/db.sock`));
  run('ovs-vsctl', `--db=${socket}`, '--no-wait', 'init');
  const vswitchd = start(core, 'ovs-vswitchd', socket, ...quiet);
  const ports = [LEFT, RIGHT].flatMap((name) => ['--', 'add-port', 'br0', name, '--', 'set', 'interface', name, 'type=tap']);
  run('ovs-vsctl', `--db=${socket}`, 'add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev', ...ports);
  await interfacesUp();
  return pidOf(vswitchd);
}

function pidOf(child: ChildProcess): number {
  return child.pid as number;
}
