// Finding a network namespace again that another process was in, and something in it that may have
// moved. A namespace has no name of its own: it is a file mounted somewhere (ip-netns(8), container
// engines) or the namespace of a process, and all of those are looked at. Inode numbers of namespaces
// are given out again soon; what tells one from all others until the next boot is the cookie that
// every socket in it shows (SO_NETNS_COOKIE, Linux 5.14). Before 5.14 it is the inode after all.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { closeFd, O_RDONLY, openFd } from './fd.ts';
import { inNetnsFd } from './netns.ts';
import { AF_UNIX, openSocket, SOCK_STREAM, SOL_SOCKET, socketOption } from './socket.ts';
import { SysError } from './sys-error.ts';

/** asm-generic/socket.h */
const SO_NETNS_COOKIE = 71;

const OWN = '/proc/thread-self/ns/net';

/** What the thread's network namespace is told from all others by, until the next boot. Throws SysError. */
export function netnsIdentity(): string {
  const fd = openSocket(AF_UNIX, SOCK_STREAM, 0, 'a socket');
  try {
    const cookie = socketOption(fd, SOL_SOCKET, SO_NETNS_COOKIE, 8);
    return cookie === undefined ? `inode ${statSync(OWN).ino}` : `cookie ${cookie.readBigUInt64LE()}`;
  } finally {
    closeFd(fd);
  }
}

/** Calls `visit` inside every network namespace that can be reached, the thread's own one first, until it returns true. */
export function visitNetns(visit: (isOwn: boolean) => boolean): void {
  if (visit(true)) return;
  const seen = new Set([statSync(OWN).ino]);
  for (const file of netnsFiles()) {
    const ino = inode(file);
    if (ino === undefined || seen.has(ino)) continue;
    seen.add(ino);
    if (inside(file, () => visit(false))) return;
  }
}

/** False as well where it cannot be entered: it ended meanwhile, or we have not the right to. */
function inside(file: string, visit: () => boolean): boolean {
  let fd = -1;
  try {
    fd = openFd(file, O_RDONLY);
    return inNetnsFd(fd, file, visit);
  } catch (error) {
    if (error instanceof SysError) return false;
    throw error;
  } finally {
    if (fd >= 0) closeFd(fd);
  }
}

function netnsFiles(): string[] {
  // 36 35 0:4 net:[4026532281] /run/netns/blue rw shared:9 - nsfs nsfs rw
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').matchAll(/^\S+ \S+ \S+ net:\[\d+\] (\S+) /gm);
  const processes = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  return [...[...mounts].map(([, file = '']) => unescaped(file)), ...processes.map((pid) => `/proc/${pid}/ns/net`)];
}

/** proc(5): blanks and the like are written as three octal digits. */
function unescaped(file: string): string {
  return file.replaceAll(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function inode(file: string): number | undefined {
  try {
    return statSync(file).ino;
  } catch {
    return undefined;
  }
}
