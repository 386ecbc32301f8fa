// Child processes that never outlive us, also when we are killed and can clean up nothing.
//
// The kernel does that: a process may ask for a signal at its parent's death (PR_SET_PDEATHSIG), and
// keeps the request over exec. `setpriv --pdeathsig` of util-linux, which is essential on Debian, asks
// for us. Between our fork and that request we could already have died; so a shell, run after it,
// compares its parent with us before it becomes the program. The process id of the child is the
// program's throughout, because every step is an exec.
//
// Limits: the signal is sent when the *thread* that spawned the child ends, so children are started
// on the main thread. A program that forks itself away (QEMU's -daemonize) or changes its user id loses the
// request.

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { LaunchError } from './launch-error.ts';

/** Compares the parent's id with the first argument, then becomes the rest. */
const BECOME = 'test "$PPID" = "$0" && exec "$@"';

/**
 * Starts `program` so that it is killed when this process ends, however that happens. With `detached` it has
 * a session of its own and Ctrl-C at our terminal does not reach it. Resolves once it has been started;
 * whether `program` itself could be run is known from its exit status (126, 127) and standard error.
 * Rejects with a LaunchError if setpriv is missing.
 */
export async function spawnGuarded(
  program: string,
  args: readonly string[],
  options: { readonly stdio: StdioOptions; readonly detached: boolean },
): Promise<ChildProcess> {
  const guard = ['--pdeathsig', 'KILL', '--', 'sh', '-c', BECOME, String(process.pid), program];
  const child = spawn('setpriv', [...guard, ...args], options);
  try {
    await once(child, 'spawn');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'it is missing' : String(error);
    throw new LaunchError(
      `Cannot run setpriv, which sees to it that no QEMU is left behind: ${reason}. It belongs to the package util-linux.`,
    );
  }
  return child;
}
