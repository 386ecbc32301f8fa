// Error numbers weft handles, and their names for messages.

import os from 'node:os';

/** The numbers, by name (`EAGAIN`, …), as this system has them. */
export const ERRNO = os.constants.errno;

const NAMES = new Map(Object.entries(os.constants.errno).map(([name, number]) => [number as number, name]));

// Two names for one number: the one people search for.
NAMES.set(ERRNO.EAGAIN, 'EAGAIN');

/** The name of an error number, such as `EBUSY`. */
export function errnoName(number: number): string {
  return NAMES.get(Math.abs(number)) ?? `errno ${Math.abs(number)}`;
}

/** Whether the call only has to be made again later. */
export function isTryAgain(number: number): boolean {
  const n = Math.abs(number);
  return n === ERRNO.EAGAIN || n === ERRNO.EINTR || n === ERRNO.ENOBUFS;
}
