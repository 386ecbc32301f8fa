// Datagram sockets of the AF_UNIX family by path, non-blocking: one frame a datagram, from one peer.
//
// Connecting is what keeps others out: the kernel then refuses what anybody but the peer sends to us,
// and whatever connects to us (EPERM; net/unix/af_unix.c, unix_may_send). It also saves looking up the
// peer's path for each datagram. The peer is the socket that had the path then, not whichever has it
// now. That it has gone shows in sending alone: ECONNREFUSED, and from then on we are connected to
// nobody.
//
// A path outlives the process that bound it. Such a stale one is taken over, but only after connecting
// to it was refused: no socket is behind it. A path that is no socket is never touched.

import { lstatSync, statSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { Arena } from './arena.ts';
import { ERRNO } from './errno.ts';
import { closeFd } from './fd.ts';
import { declare, errno } from './ffi.ts';
import { socketHolder } from './holders.ts';
import { MSG_DONTWAIT, recv } from './io.ts';
import { AF_UNIX, bindSocket, openSocket, SOCK_DGRAM, SOCK_NONBLOCK } from './socket.ts';
import { check, failure, SysError } from './sys-error.ts';
import { unixAddress } from './unix-path.ts';

const connectCall = declare('int connect(int fd, void* address, uint len)');
const fchmodCall = declare('int fchmod(int fd, uint mode)');
const chmodCall = declare('int chmod(const char* path, uint mode)');

/** A datagram socket with a path. */
export interface UnixDatagram {
  /** Non-blocking. */
  readonly fd: number;
  readonly path: string;
  /** Inode of the path, by which it is known to be still ours. */
  readonly inode: number;
}

/** Opens a socket at `path`, with the permissions `mode` on it. Throws SysError; EADDRINUSE names the process that has the path. */
export function bindUnixDatagram(path: string, mode = 0o660): UnixDatagram {
  const address = unixAddress(path);
  const fd = openDatagram();
  let bound = -1;
  try {
    // The path is made with the socket's own permissions less the umask, so it is never open to more than `mode`.
    check(fchmodCall(fd, mode), `set the permissions of ${path}`);
    bound = bindSocket(fd, address);
    if (bound === -ERRNO.EADDRINUSE) {
      unlinkStale(path);
      bound = bindSocket(fd, address);
    }
    if (bound === -ERRNO.ENOENT) {
      throw new SysError(`cannot bind ${path}: there is no directory ${dirname(path)}; make it first`, bound);
    }
    if (bound < 0) throw failure(`bind ${path}`, bound);
    check(chmodCall(path, mode), `set the permissions of ${path}`);
    return { fd, path, inode: statSync(path).ino };
  } catch (error) {
    if (bound === 0) unlinkSync(path);
    closeFd(fd);
    throw error;
  }
}

/** Closes the socket and removes the path, unless someone else has put another there. */
export function closeUnixDatagram(socket: UnixDatagram): void {
  closeFd(socket.fd);
  if (lstatSync(socket.path, { throwIfNoEntry: false })?.ino === socket.inode) unlinkSync(socket.path);
}

/**
 * Makes the socket that has `path` now the peer of `fd`, in place of the one before; 0 or minus errno. ENOENT and
 * ECONNREFUSED: nobody has it; EPERM: who has it is connected to another. Throws SysError for a path that cannot be one.
 */
export function connectUnixDatagram(fd: number, path: string): number {
  const address = unixAddress(path);
  return connectCall(fd, address, address.length) < 0 ? -errno() : 0;
}

let scratch: Arena | undefined;

/** Throws away up to `max` datagrams that `fd` has received. */
export function discardDatagrams(fd: number, max: number): void {
  scratch ??= new Arena(4096);
  for (let n = 0; n < max && recv(fd, scratch.address, 1, MSG_DONTWAIT) >= 0; n++);
}

function openDatagram(): number {
  return openSocket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, 'a unix datagram socket');
}

/** Removes a path with no socket behind it. Throws SysError when there is one, or when it is something else. */
function unlinkStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new SysError(`cannot bind ${path}: it exists and is no socket; remove it, or use another path`, ERRNO.EADDRINUSE);
  }
  const fd = openDatagram();
  const connected = connectUnixDatagram(fd, path);
  closeFd(fd);
  // EPERM: it has a peer, which is not us; EPROTOTYPE: somebody listens there for connections.
  if (connected === 0 || connected === -ERRNO.EPERM || connected === -ERRNO.EPROTOTYPE) {
    const holder = socketHolder(path);
    const who = holder === undefined ? 'another process' : `${holder.command} (pid ${holder.pid})`;
    throw new SysError(`cannot bind ${path}: ${who} has it already; stop it, or use another path`, ERRNO.EADDRINUSE);
  }
  if (connected !== -ERRNO.ECONNREFUSED) throw failure(`find out who has ${path}`, connected);
  unlinkSync(path);
}
