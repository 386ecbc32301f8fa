// Stream sockets of the AF_UNIX family by path, non-blocking, as numbers: the worker does the
// reading and writing on them, which Node's own net.Socket does not give out.
//
// A path outlives the process that listened on it. Such a stale one is taken over, but only after
// a connection to it was refused: nobody answers. A path that is no socket is never touched.

import { lstatSync, statSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { ERRNO } from './errno.ts';
import { closeFd } from './fd.ts';
import { declare, errno } from './ffi.ts';
import { processNamed } from './holders.ts';
import {
  AF_UNIX,
  bindSocket,
  openSocket,
  SO_PEERCRED,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  socketOption,
} from './socket.ts';
import { check, failure, SysError } from './sys-error.ts';
import { unixAddress } from './unix-path.ts';

const listenCall = declare('int listen(int fd, int backlog)');
const acceptCall = declare('int accept4(int fd, uintptr_t address, uintptr_t len, int flags)');
const connectCall = declare('int connect(int fd, void* address, uint len)');
const chmodCall = declare('int chmod(const char* path, uint mode)');

/** struct ucred: pid, uid, gid (s32 each); linux/socket.h. */
const UCRED_SIZE = 12;

const BACKLOG = 16;

/** A socket that accepts connections at a path. */
export interface UnixListener {
  /** Non-blocking. */
  readonly fd: number;
  readonly path: string;
  /** Inode of the path, by which it is known to be still ours. */
  readonly inode: number;
}

/** Who is at the other end of a connected socket; a pid of 0 is a process of another process namespace. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Listens at `path`, with the permissions `mode` on it. Throws SysError; EADDRINUSE names the process that listens there. */
export function listenUnix(path: string, mode = 0o660): UnixListener {
  const address = unixAddress(path);
  const fd = openStream();
  let bound = -1;
  try {
    bound = bindSocket(fd, address);
    if (bound === -ERRNO.EADDRINUSE) {
      unlinkStale(path);
      bound = bindSocket(fd, address);
    }
    if (bound < 0) throw listenError(path, bound);
    // Nobody can connect before listen(2), so the permissions are in place when it matters.
    check(chmodCall(path, mode), `set the permissions of ${path}`);
    check(listenCall(fd, BACKLOG), `listen at ${path}`);
    return { fd, path, inode: statSync(path).ino };
  } catch (error) {
    if (bound === 0) unlinkSync(path);
    closeFd(fd);
    throw error;
  }
}

/** Stops listening and removes the path, unless someone else has put another there. */
export function closeUnixListener(listener: UnixListener): void {
  if (lstatSync(listener.path, { throwIfNoEntry: false })?.ino === listener.inode) unlinkSync(listener.path);
  closeFd(listener.fd);
}

/** Takes a connection: its descriptor, non-blocking, or minus errno (EAGAIN when nobody waits). */
export function acceptUnix(fd: number): number {
  const accepted = acceptCall(fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return accepted < 0 ? -errno() : accepted;
}

/**
 * Connects to `path`: a descriptor, non-blocking, or minus errno. ENOENT and ECONNREFUSED: nobody
 * listens yet; EAGAIN: the listener is behind with accepting. Throws SysError for a path that cannot be one.
 */
export function connectUnix(path: string): number {
  const address = unixAddress(path);
  const fd = openStream();
  if (connectCall(fd, address, address.length) === 0) return fd;
  const result = -errno();
  closeFd(fd);
  return result;
}

/** Who connected, or listens at the other end; undefined when `fd` is no connected socket. */
export function peerCredentials(fd: number): PeerCredentials | undefined {
  const octets = socketOption(fd, SOL_SOCKET, SO_PEERCRED, UCRED_SIZE);
  if (octets === undefined || octets.readInt32LE(4) === -1) return undefined;
  return { pid: octets.readInt32LE(0), uid: octets.readUInt32LE(4), gid: octets.readUInt32LE(8) };
}

function openStream(): number {
  return openSocket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, 'a unix socket');
}

/** Removes a socket nobody answers on. Throws SysError when somebody does, or when it is something else. */
function unlinkStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new SysError(`cannot listen at ${path}: it exists and is no socket; remove it, or use another path`, ERRNO.EADDRINUSE);
  }
  const connection = connectUnix(path);
  if (connection >= 0) {
    const pid = peerCredentials(connection)?.pid;
    closeFd(connection);
    throw inUse(path, pid === undefined ? 'another process' : `${processNamed(pid).command} (pid ${pid})`);
  }
  // A full backlog, or a datagram socket: somebody is there, and does not say who.
  if (connection === -ERRNO.EAGAIN || connection === -ERRNO.EPROTOTYPE) throw inUse(path, 'another process');
  if (connection !== -ERRNO.ECONNREFUSED) throw failure(`find out who listens at ${path}`, connection);
  unlinkSync(path);
}

function inUse(path: string, who: string): SysError {
  return new SysError(`cannot listen at ${path}: ${who} listens there already; stop it, or use another path`, ERRNO.EADDRINUSE);
}

function listenError(path: string, result: number): SysError {
  if (result === -ERRNO.ENOENT) {
    return new SysError(`cannot listen at ${path}: there is no directory ${dirname(path)}; make it first`, result);
  }
  return failure(`listen at ${path}`, result);
}
