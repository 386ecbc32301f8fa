// Network namespaces, interfaces and waiting for system tests. Only for files that run inside
// sandbox.ts: its private /run/netns and network are what makes the names here safe to use.

import { execFileSync } from 'node:child_process';

/** Longest time a test waits for something the kernel or a process is to do. */
export const DEADLINE_MS = 10_000;

/** Runs a program and returns what it printed; throws with its standard error when it fails. */
export function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: DEADLINE_MS });
}

/** `ip ARGS`, the arguments in one string separated by spaces. */
export function ip(args: string): string {
  return run('ip', ...args.split(' '));
}

let namespacesMade = 0;

/** Makes a network namespace with its loopback up and returns its name. It ends with the sandbox. */
export function addNetns(label = 'ns'): string {
  const name = `${label}${++namespacesMade}`;
  ip(`netns add ${name}`);
  ip(`-n ${name} link set lo up`);
  return name;
}

/** Makes a veth pair, both ends up; `peerNetns` moves the peer there. */
export function addVeth(name: string, peer: string, peerNetns?: string): void {
  ip(`link add name ${name} type veth peer name ${peer}${peerNetns === undefined ? '' : ` netns ${peerNetns}`}`);
  ip(`link set dev ${name} up`);
  ip(`${peerNetns === undefined ? '' : `-n ${peerNetns} `}link set dev ${peer} up`);
}

/** Calls `probe` until it returns something other than undefined or false; throws after DEADLINE_MS, naming `what`. */
export async function until<T>(what: string, probe: () => T | undefined | false): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const value = probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`still waiting for ${what} after ${DEADLINE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
