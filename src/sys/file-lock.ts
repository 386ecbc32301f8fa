// Advisory locks on whole files, flock(2): the kernel gives them up when the last descriptor of the
// open file goes, also after kill -9, so such a lock is never stale.

import { ERRNO } from './errno.ts';
import { declare, errno } from './ffi.ts';
import { failure } from './sys-error.ts';

const flock = declare('int flock(int fd, int operation)');

// sys/file.h
const LOCK_EX = 2;
const LOCK_NB = 4;

/** Takes the exclusive lock of the open file `fd`; false when another process has it. Throws SysError. */
export function tryLockFile(fd: number): boolean {
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  const number = errno();
  if (number === ERRNO.EWOULDBLOCK) return false;
  throw failure('lock a file', number);
}
