// Stations around a switch with guests, all used the same way whatever they are: a guest by its agent, the
// test's own network namespace, another one. A station runs shell commands; those used here mean
// the same to busybox, which guests have, and to a host's programs.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Guest } from '../../src/launch/supervisor.ts';

const execute = promisify(execFile);

/** TCP port at which stations answer with the SHA-256 of what they were sent. */
const DIGEST_PORT = 5000;
/** A command at most; guests under emulation on a busy machine are slow. */
const COMMAND_TIMEOUT_MS = 60_000;

/** Something with an address on the switch. */
export interface LabStation {
  readonly name: string;
  readonly address: string;
  /** Runs a command; resolves to what it printed, rejects when its status is not 0. */
  sh(command: string): Promise<string>;
}

/** A guest that boots weft's image. */
export function guestStation(guest: Guest, address: string): LabStation {
  const { name, agent } = guest;
  if (agent === undefined) throw new Error(`guest ${name} has no agent`);
  const sh = async (command: string) => {
    const { status, output } = await agent.run(command, { timeoutMs: COMMAND_TIMEOUT_MS });
    if (status !== 0) throw new Error(`${name}: "${command}" ended with ${status}: ${output}`);
    return output;
  };
  return { name, address, sh };
}

/** The network namespace of the test, or another one. */
export function hostStation(name: string, address: string, netns?: string): LabStation {
  const [program = 'sh', ...args] = [...(netns === undefined ? [] : ['ip', 'netns', 'exec', netns]), 'sh', '-c'];
  const sh = async (command: string) => {
    try {
      return (await execute(program, [...args, command], { timeout: COMMAND_TIMEOUT_MS })).stdout;
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      throw new Error(`${name}: "${command}" failed: ${stdout}${stderr}`);
    }
  };
  return { name, address, sh };
}

/** Starts what answers `sendData`, until the station ends. */
export async function serveDigests({ sh }: LabStation): Promise<void> {
  await sh(`busybox nc -ll -p ${DIGEST_PORT} -e sha256sum > /dev/null 2>&1 < /dev/null &`);
}

/** Makes `file` at the station from `size` random octets; resolves to its SHA-256. */
export async function makeData({ sh }: LabStation, file: string, size: number): Promise<string> {
  const blocks = Math.ceil(size / 65_536);
  return digestIn(await sh(`dd if=/dev/urandom of=${file} bs=65536 count=${blocks} 2> /dev/null; sha256sum < ${file}`));
}

/** Sends `file` by TCP to a station's `address`; resolves to the SHA-256 of what arrived there. */
export async function sendData({ sh }: LabStation, file: string, address: string): Promise<string> {
  return digestIn(await sh(`busybox nc -w 10 ${address} ${DIGEST_PORT} < ${file}`));
}

/** The addresses in `addresses` that the station reaches by ping with `options`. */
export async function pingAll({ sh }: LabStation, addresses: readonly string[], options = ''): Promise<string[]> {
  const ping = `ping -c 1 -W 5 ${options} $a > /dev/null && echo $a`;
  return (await sh(`for a in ${addresses.join(' ')}; do ${ping}; done; true`)).split('\n').filter((line) => line !== '');
}

/** What iperf3 sums up, as far as it is looked at. */
export interface Iperf {
  readonly end: {
    readonly sum_received?: { readonly bytes: number; readonly bits_per_second: number };
    readonly sum?: { readonly packets: number; readonly lost_packets: number };
  };
}

/** Starts `iperf3 -s`; the daemon is there before it listens, on port 5201 (1451 in hex). */
export async function serveIperf({ sh }: LabStation): Promise<void> {
  await sh("iperf3 -s -D && until cat /proc/net/tcp /proc/net/tcp6 | grep -q ':1451 '; do sleep 0.1; done");
}

/** Runs iperf3 for a second against a station that runs `iperf3 -s`. */
export async function iperf({ sh }: LabStation, address: string, options = ''): Promise<Iperf> {
  const output = await sh(`iperf3 -c ${address} -t 1 -J ${options}`);
  // Warnings come before it.
  return JSON.parse(output.slice(output.indexOf('{'))) as Iperf;
}

function digestIn(output: string): string {
  const digest = /\b[0-9a-f]{64}\b/.exec(output)?.[0];
  if (digest === undefined) throw new Error(`no SHA-256 came back: ${output.slice(0, 200)}`);
  return digest;
}
