// Words for whoever has what a port asks for. A process that is a switch holds the lock
// RUN_DIR/NAME.lock (flock) for as long as it lives, and the kernel lists locks with their
// processes: that is how a process id becomes a switch's name.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { processNamed } from '../sys/holders.ts';
import type { DeviceContext } from './device-state.ts';

/** `switch br0 (pid 12)`, `qemu-system-x86 (pid 12)`, or `this switch itself`; `another process` when it is not known. */
export function holderText(pid: number | undefined, context: DeviceContext): string {
  if (pid === undefined || pid === 0) return 'another process';
  if (pid === process.pid) return 'this switch itself, as another port,';
  const name = switchOfProcess(context.runDir, pid);
  return name === undefined ? `${processNamed(pid).command} (pid ${pid})` : `switch ${name} (pid ${pid})`;
}

/** The name of the switch that process `pid` runs with this run directory; undefined when it runs none. */
function switchOfProcess(runDir: string, pid: number): string | undefined {
  try {
    // 1: FLOCK  ADVISORY  WRITE 123 00:19:4567 0 EOF
    const inodes = new Set<string | undefined>();
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const [, kind, , , holder, file] = line.split(/\s+/);
      if (kind === 'FLOCK' && Number(holder) === pid) inodes.add(file?.replace(/^.*:/, ''));
    }
    const locks = readdirSync(runDir).filter((name) => name.endsWith('.lock'));
    const own = locks.find((name) => inodes.has(`${statSync(path.join(runDir, name)).ino}`));
    return own?.slice(0, -'.lock'.length);
  } catch {
    // A run directory or lock file that went away meanwhile: then there is no name to tell.
    return undefined;
  }
}
