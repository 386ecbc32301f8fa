// The places on the demo's network from which something is tried: this host, the PC in its namespace,
// and the guests. In each a program can be run, and that is all the tries need.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ControlError } from '../../control/errors.ts';
import type { Guest } from '../../launch/supervisor.ts';
import { netnsPath } from '../../sys/netns.ts';

/** What became of a program. */
export interface ProgramResult {
  readonly status: number;
  readonly output: string;
}

/** One place on the network. */
export interface Station {
  readonly name: string;
  readonly address: string;
  /** Runs a program with words that no shell would change; rejects when it cannot be run or takes longer than `timeoutMs`. */
  run(words: readonly string[], timeoutMs: number): Promise<ProgramResult>;
}

const execute = promisify(execFile);

/** This host, or a network namespace of it. Its programs end with `signal`. */
export function hostStation(name: string, address: string, signal: AbortSignal, netns?: string): Station {
  // Not `ip netns exec`, which mounts as well and so fails where / is no mount, in a chroot.
  const prefix = netns === undefined ? [] : ['nsenter', `--net=${netnsPath(netns)}`];
  return {
    name,
    address,
    run: async (words, timeoutMs) => {
      const [program = '', ...args] = [...prefix, ...words];
      const env = { ...process.env, LC_ALL: 'C' };
      try {
        return { status: 0, output: (await execute(program, args, { timeout: timeoutMs, signal, env })).stdout };
      } catch (error) {
        const {
          code,
          stdout = '',
          stderr = '',
          killed,
        } = error as { code?: number | string; stdout?: string; stderr?: string; killed?: boolean };
        if (typeof code === 'number') return { status: code, output: stdout + stderr };
        const why = killed
          ? `took longer than ${timeoutMs / 1000} s`
          : code === 'ENOENT'
            ? 'is not installed'
            : `cannot be run (${code})`;
        throw new ControlError(`${words[0]} on ${name} ${why}`);
      }
    },
  };
}

/** A guest that has an agent. */
export function guestStation(guest: Guest, address: string): Station {
  return {
    name: guest.name,
    address,
    run: async (words, timeoutMs) => {
      if (guest.agent === undefined) throw new ControlError(`guest ${guest.name} has no agent to run ${words[0]}`);
      return guest.agent.run(words.join(' '), { timeoutMs });
    },
  };
}
