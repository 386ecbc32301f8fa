// Sockets of every family: creating, options, and telling what an inherited one is.

import { ERRNO } from './errno.ts';
import { declare, errno } from './ffi.ts';
import { check } from './sys-error.ts';

const socketCall = declare('int socket(int family, int type, int protocol)');
const bindCall = declare('int bind(int fd, void* address, uint len)');
const getsocknameCall = declare('int getsockname(int fd, void* address, void* len)');
const getsockoptCall = declare('int getsockopt(int fd, int level, int option, void* value, void* len)');
const setsockoptCall = declare('int setsockopt(int fd, int level, int option, void* value, uint len)');

// sys/socket.h
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

// asm-generic/socket.h
export const SOL_SOCKET = 1;
export const SO_TYPE = 3;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_PEERCRED = 17;
export const SO_RCVTIMEO = 20;
export const SO_ACCEPTCONN = 30;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_DOMAIN = 39;

/** socket(2), closed on exec. Throws SysError. */
export function openSocket(family: number, type: number, protocol: number, what: string): number {
  return check(socketCall(family, type | SOCK_CLOEXEC, protocol), `open ${what}`);
}

/** bind(2) to a sockaddr as it lies in memory; 0 or minus errno. */
export function bindSocket(fd: number, address: Uint8Array): number {
  return bindCall(fd, address, address.length) < 0 ? -errno() : 0;
}

/** getsockname(2): the socket's own sockaddr, up to `size` octets; undefined when there is none. */
export function socketAddress(fd: number, size: number): Buffer | undefined {
  const address = Buffer.alloc(size);
  const len = Buffer.alloc(4);
  len.writeUInt32LE(size);
  return getsocknameCall(fd, address, len) < 0 ? undefined : address.subarray(0, Math.min(size, len.readUInt32LE()));
}

/** getsockopt(2) of a structure of `size` octets; undefined when the socket does not know the option. */
export function socketOption(fd: number, level: number, option: number, size: number): Buffer | undefined {
  const value = Buffer.alloc(size);
  const len = Buffer.alloc(4);
  len.writeUInt32LE(size);
  return getsockoptCall(fd, level, option, value, len) < 0 ? undefined : value;
}

/** setsockopt(2) with an int or a structure; 0 or minus errno. */
export function setSocketOption(fd: number, level: number, option: number, value: number | Uint8Array): number {
  const octets = typeof value === 'number' ? intOctets(value) : value;
  return setsockoptCall(fd, level, option, octets, octets.length) < 0 ? -errno() : 0;
}

/** Asks for a receive buffer of `size` octets, above the system's limit where we may; returns what it is now. */
export function setReceiveBufferSize(fd: number, size: number): number {
  return setBufferSize(fd, SO_RCVBUFFORCE, SO_RCVBUF, size);
}

/** Asks for a send buffer of `size` octets, above the system's limit where we may; returns what it is now. */
export function setSendBufferSize(fd: number, size: number): number {
  return setBufferSize(fd, SO_SNDBUFFORCE, SO_SNDBUF, size);
}

/** Address family (AF) of a socket; undefined when `fd` is none. */
export function socketFamily(fd: number): number | undefined {
  return socketOption(fd, SOL_SOCKET, SO_DOMAIN, 4)?.readInt32LE();
}

/** Type (SOCK_STREAM, …) of a socket; undefined when `fd` is none. */
export function socketType(fd: number): number | undefined {
  return socketOption(fd, SOL_SOCKET, SO_TYPE, 4)?.readInt32LE();
}

/** Whether `fd` is a socket. */
export function isSocket(fd: number): boolean {
  return socketFamily(fd) !== undefined;
}

function setBufferSize(fd: number, forced: number, plain: number, size: number): number {
  // Without CAP_NET_ADMIN over the initial namespace the kernel caps the size silently at net.core.[rw]mem_max.
  if (setSocketOption(fd, SOL_SOCKET, forced, size) === -ERRNO.EPERM) setSocketOption(fd, SOL_SOCKET, plain, size);
  return socketOption(fd, SOL_SOCKET, plain, 4)?.readInt32LE() ?? 0;
}

function intOctets(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeInt32LE(value);
  return octets;
}
