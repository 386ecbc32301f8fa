// One process for one name: the lock that decides between two switches started at once.
//
// The lock is flock(2) on RUN_DIR/NAME.lock. The kernel hands it to exactly one process and takes it
// back when that process is gone, however it went; what is left on disk after kill -9 is an
// unlocked file and a stale socket, and both are simply used again. A clean end removes the file.
// Because of that removal, whoever gets the lock checks that the file it locked is still the one
// with the name, and starts over if not.
//
// Who holds a lock is read from /proc/locks, so there is no pid file that could name a dead process.

import { closeSync, constants, fstatSync, openSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { tryLockFile } from '../sys/file-lock.ts';
import { processNamed } from '../sys/holders.ts';
import { ControlError, codeOf, messageOf } from './errors.ts';
import { lockPathOf } from './run-dir.ts';

/** Starting over happens when the holder before us ends at this very moment; it cannot go on for long. */
const TRIES_MAX = 100;

/** A held name. */
export interface SwitchLock {
  /** Gives the name back; safe to call twice. */
  release(): void;
}

/** Takes the name of a switch in `runDir`. Throws ControlError, naming the holder, when a running switch has it. */
export function lockSwitchName(runDir: string, name: string): SwitchLock {
  const file = lockPathOf(runDir, name);
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const fd = openLockFile(file);
    if (!tryLockFile(fd)) {
      const holder = holderOf(fd);
      closeSync(fd);
      throw new ControlError(
        `switch ${name} runs already${holder}; stop that one, or choose another name with --switch or another --run-dir`,
      );
    }
    if (isSameFile(fd, file)) return { release: once(() => removeLockFile(fd, file)) };
    closeSync(fd);
  }
  throw new ControlError(`cannot lock ${file}: something keeps removing it`);
}

function openLockFile(file: string): number {
  try {
    return openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    const advice = codeOf(error) === 'EACCES' ? ' run this as root, or' : '';
    throw new ControlError(`cannot open ${file} (${codeOf(error) ?? messageOf(error)});${advice} name another --run-dir`);
  }
}

function isSameFile(fd: number, file: string): boolean {
  const ours = fstatSync(fd, { bigint: true });
  const named = statSync(file, { bigint: true, throwIfNoEntry: false });
  return named !== undefined && named.ino === ours.ino && named.dev === ours.dev;
}

/** Removed while it is still locked: nobody else can have it at that moment. */
function removeLockFile(fd: number, file: string): void {
  try {
    if (isSameFile(fd, file)) unlinkSync(file);
  } finally {
    closeSync(fd);
  }
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}

/** ` (process 123, node)`, from a line `1: FLOCK  ADVISORY  WRITE 123 00:19:4567 0 EOF` of /proc/locks. */
function holderOf(fd: number): string {
  const inode = `:${fstatSync(fd).ino}`;
  let locks: string;
  try {
    locks = readFileSync('/proc/locks', 'utf8');
  } catch {
    return '';
  }
  for (const line of locks.split('\n')) {
    const [, kind, , , pid, where] = line.split(/\s+/);
    if (kind !== 'FLOCK' || where?.endsWith(inode) !== true || !(Number(pid) > 0)) continue;
    const { command } = processNamed(Number(pid));
    return ` (process ${pid}, ${command})`;
  }
  return ' (in a container of its own, so its process number is not known here)';
}
