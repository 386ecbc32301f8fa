// File descriptors as such: opening, closing, their flags, ioctl.

import { errnoName } from './errno.ts';
import { declare, errno } from './ffi.ts';
import { check } from './sys-error.ts';

const openCall = declare('int open(const char* path, int flags, int mode)');
const closeCall = declare('int close(int fd)');
const fcntl = declare('int fcntl(int fd, int command, long argument)');
const ioctlPointer = declare('int ioctl(int fd, ulong request, void* argument)');
const ioctlLong = declare('int ioctl(int fd, ulong request, ulong argument)');

// fcntl.h (asm-generic); the same on x86-64 and arm64 for all that is used here.
export const O_RDONLY = 0;
export const O_RDWR = 2;
export const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const FD_CLOEXEC = 1;

/** open(2), closed on exec. Throws SysError. */
export function openFd(path: string, flags: number): number {
  return check(openCall(path, flags | O_CLOEXEC, 0), `open ${path}`);
}

/** close(2). Closing what is not open is a fault of ours (the number may be another's by now), so it throws. */
export function closeFd(fd: number): void {
  if (closeCall(fd) < 0 && errnoName(errno()) === 'EBADF') throw new Error(`descriptor ${fd} was closed twice`);
}

/** A second descriptor for the same open file, closed on exec. Throws SysError. */
export function duplicateFd(fd: number): number {
  return check(fcntl(fd, F_DUPFD_CLOEXEC, 3), `duplicate descriptor ${fd}`);
}

/** Makes calls on `fd` return EAGAIN instead of waiting. Throws SysError. */
export function setNonBlocking(fd: number): void {
  const flags = check(fcntl(fd, F_GETFL, 0), `read the flags of descriptor ${fd}`);
  check(fcntl(fd, F_SETFL, flags | O_NONBLOCK), `make descriptor ${fd} non-blocking`);
}

/** Whether a program that we start inherits `fd` (false: it does not). Throws SysError. */
export function setInheritable(fd: number, inheritable: boolean): void {
  check(fcntl(fd, F_SETFD, inheritable ? 0 : FD_CLOEXEC), `change whether descriptor ${fd} is inherited`);
}

/** Whether the number is an open descriptor. */
export function isOpenFd(fd: number): boolean {
  return fcntl(fd, F_GETFD, 0) >= 0;
}

/** ioctl(2) with a structure; 0 or more, or minus errno. */
export function ioctl(fd: number, request: number, argument: Uint8Array): number {
  const n = ioctlPointer(fd, request, argument);
  return n < 0 ? -errno() : n;
}

/** ioctl(2) with a number; 0 or more, or minus errno. */
export function ioctlNumber(fd: number, request: number, argument: number): number {
  const n = ioctlLong(fd, request, argument);
  return n < 0 ? -errno() : n;
}
