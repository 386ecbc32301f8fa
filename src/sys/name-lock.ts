// A name that one process of a network namespace has: an abstract unix socket (unix(7)). The kernel
// hands it to exactly one, and takes it back when that process ends, however it does; nothing is on
// disk. It listens, though nobody is ever answered, because a connection shows who listens.

import { ERRNO } from './errno.ts';
import { closeFd } from './fd.ts';
import { declare } from './ffi.ts';
import { AF_UNIX, bindSocket, openSocket, SOCK_NONBLOCK, SOCK_STREAM } from './socket.ts';
import { check, failure } from './sys-error.ts';
import { type PeerCredentials, peerCredentials } from './unix-socket.ts';

const listenCall = declare('int listen(int fd, int backlog)');
const connectCall = declare('int connect(int fd, void* address, uint len)');

/** Connections that ask who holds the name wait here for ever; the kernel allows net.core.somaxconn. */
const BACKLOG = 4096;

/** A name that was free and is ours until `fd` is closed, or the process that has it. */
export type NameLock =
  | { readonly fd: number }
  /** Undefined when it does not say. */
  | { readonly fd: undefined; readonly holder: PeerCredentials | undefined };

/** Takes `name`, up to 100 octets, in the thread's network namespace. Throws SysError. */
export function lockName(name: string): NameLock {
  const address = abstractAddress(name);
  const fd = openSocket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, 'a unix socket');
  try {
    const bound = bindSocket(fd, address);
    if (bound === 0) {
      check(listenCall(fd, BACKLOG), `lock the name ${name}`);
      return { fd };
    }
    if (bound !== -ERRNO.EADDRINUSE) throw failure(`lock the name ${name}`, bound);
    const holder = connectCall(fd, address, address.length) === 0 ? peerCredentials(fd) : undefined;
    closeFd(fd);
    return { fd: undefined, holder };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** struct sockaddr_un: family (u16), a zero that marks the name as abstract, the name without an end (linux/un.h). */
function abstractAddress(name: string): Buffer {
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, Buffer.from(`\0${name}`)]);
}
