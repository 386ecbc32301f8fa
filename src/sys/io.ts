// Reading and writing descriptors, for the data path: numbers in, numbers out, nothing allocated.
// Every function returns the count, or minus errno.

import { declare, errno } from './ffi.ts';

const readCall = declare('long read(int fd, uintptr_t buf, size_t count)');
const writeCall = declare('long write(int fd, uintptr_t buf, size_t count)');
const writevCall = declare('long writev(int fd, uintptr_t iov, int count)');
const sendmsgCall = declare('long sendmsg(int fd, uintptr_t msg, int flags)');
const recvCall = declare('long recv(int fd, uintptr_t buf, size_t len, int flags)');
const recvmmsgCall = declare('int recvmmsg(int fd, uintptr_t msgs, uint count, int flags, uintptr_t timeout)');
const sendmmsgCall = declare('int sendmmsg(int fd, uintptr_t msgs, uint count, int flags)');

/** Do not wait, whatever the descriptor's own mode. */
export const MSG_DONTWAIT = 0x40;
/** No SIGPIPE for a peer that has gone. */
export const MSG_NOSIGNAL = 0x4000;
/** Set by the kernel: the message was longer than the buffer. */
export const MSG_TRUNC = 0x20;

/** Size of `struct iovec`: base (u64), length (u64). */
export const IOVEC_SIZE = 16;
/** Size of `struct msghdr`: name, namelen, iov, iovlen, control, controllen, flags. */
export const MSGHDR_SIZE = 56;
/** Size of `struct mmsghdr`: a msghdr, the length received or sent (u32), padding. */
export const MMSGHDR_SIZE = 64;

/** read(2) into native memory. */
export function read(fd: number, address: number, len: number): number {
  const n = readCall(fd, address, len);
  return n < 0 ? -errno() : n;
}

/** write(2) from native memory. */
export function write(fd: number, address: number, len: number): number {
  const n = writeCall(fd, address, len);
  return n < 0 ? -errno() : n;
}

/** writev(2) of `count` iovecs at `iov`. */
export function writev(fd: number, iov: number, count: number): number {
  const n = writevCall(fd, iov, count);
  return n < 0 ? -errno() : n;
}

/** sendmsg(2) of the msghdr at `msg`. */
export function sendmsg(fd: number, msg: number, flags: number): number {
  const n = sendmsgCall(fd, msg, flags);
  return n < 0 ? -errno() : n;
}

/** recv(2) into native memory. */
export function recv(fd: number, address: number, len: number, flags: number): number {
  const n = recvCall(fd, address, len, flags);
  return n < 0 ? -errno() : n;
}

/** recvmmsg(2) into `count` mmsghdrs at `msgs`, without waiting. */
export function recvmmsg(fd: number, msgs: number, count: number): number {
  const n = recvmmsgCall(fd, msgs, count, MSG_DONTWAIT, 0);
  return n < 0 ? -errno() : n;
}

/** sendmmsg(2) of `count` mmsghdrs at `msgs`, without waiting and without SIGPIPE. */
export function sendmmsg(fd: number, msgs: number, count: number): number {
  const n = sendmmsgCall(fd, msgs, count, MSG_DONTWAIT | MSG_NOSIGNAL);
  return n < 0 ? -errno() : n;
}
