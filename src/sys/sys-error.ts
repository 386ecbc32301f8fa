// The one error this folder throws: a sentence for people and the errno for code.

import { getSystemErrorMap } from 'node:util';
import { errnoName } from './errno.ts';
import { errno } from './ffi.ts';

const TEXTS = getSystemErrorMap();

/** A system call that failed. The message says what was tried, why it failed and, where known, what to do. */
export class SysError extends Error {
  /** Positive error number. */
  readonly errno: number;
  /** Its name, such as `EBUSY`. */
  readonly code: string;

  constructor(message: string, number: number) {
    super(message);
    this.name = 'SysError';
    this.errno = Math.abs(number);
    this.code = errnoName(number);
  }
}

/** The system's words for an error number: `no such device (ENODEV)`. */
export function errnoText(number: number): string {
  const text = TEXTS.get(-Math.abs(number))?.[1];
  return text === undefined ? errnoName(number) : `${text} (${errnoName(number)})`;
}

/** A SysError of the form `cannot WHAT: the system's words`. */
export function failure(what: string, number: number): SysError {
  return new SysError(`cannot ${what}: ${errnoText(number)}`, number);
}

/** Returns `result` of a C function unless it is negative; then throws `cannot WHAT: …` with the thread's errno. */
export function check(result: number, what: string): number {
  if (result < 0) throw failure(what, errno());
  return result;
}

/** Returns `result` of one of this folder's functions unless it is minus errno; then throws `cannot WHAT: …`. */
export function checkResult(result: number, what: string): number {
  if (result < 0) throw failure(what, result);
  return result;
}
