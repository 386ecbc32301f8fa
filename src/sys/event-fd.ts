// eventfd(2): wakes a thread that sleeps in a wait. Whoever knows the number can signal, from any
// thread of the process; only the sleeper clears.

import { declare } from './ffi.ts';
import { check } from './sys-error.ts';

const eventfd = declare('int eventfd(uint initval, int flags)');
const eventfdWrite = declare('int eventfd_write(int fd, uint64_t value)');
const eventfdRead = declare('int eventfd_read(int fd, void* value)');

// sys/eventfd.h
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

const counter = Buffer.alloc(8);

/** Makes a non-blocking eventfd, not signalled. The caller closes it. */
export function createEventFd(): number {
  return check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'create an eventfd');
}

/** Makes `fd` readable. Any number of signals before a clear is one. */
export function signalEventFd(fd: number): void {
  eventfdWrite(fd, 1);
}

/** Takes the signals back; whether there were any. */
export function clearEventFd(fd: number): boolean {
  return eventfdRead(fd, counter) === 0;
}
