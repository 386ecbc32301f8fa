// Who holds a tap or a socket's path: the kernel says only "busy". /proc/PID/fdinfo/FD of a tun descriptor carries a
// line `iff:` with the interface's name (drivers/net/tun.c, tun_chr_show_fdinfo), and nothing about
// its namespace; a holder in our own is the likelier one, so it is preferred. A socket is known by its
// inode, which /proc/net/unix tells for the paths of our network namespace.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process, for a message. */
export interface Holder {
  readonly pid: number;
  /** Name of its program. */
  readonly command: string;
}

/** The process that holds the tap `name`; undefined when none that we may look into does. */
export function tapHolder(name: string): Holder | undefined {
  const line = `\niff:\t${name}\n`;
  const ownNetns = link('/proc/thread-self/ns/net');
  let elsewhere: Holder | undefined;
  for (const entry of list('/proc')) {
    if (!/^\d+$/.test(entry) || !list(`/proc/${entry}/fdinfo`).some((fd) => text(`/proc/${entry}/fdinfo/${fd}`).includes(line))) {
      continue;
    }
    const holder = processNamed(Number(entry));
    if (link(`/proc/${entry}/ns/net`) === ownNetns) return holder;
    elsewhere ??= holder;
  }
  return elsewhere;
}

/** The process that holds the unix socket bound to `path`, as that was written; undefined when none that we may look into does. */
export function socketHolder(path: string): Holder | undefined {
  // Num RefCount Protocol Flags Type St Inode Path
  const inodes = text('/proc/thread-self/net/unix')
    .split('\n')
    .map((line) => /^\S+ \S+ \S+ \S+ \S+ \S+ +(\d+) (.*)$/.exec(line))
    .filter((match) => match?.[2] === path)
    .map((match) => `socket:[${match?.[1]}]`);
  for (const entry of list('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    if (list(`/proc/${entry}/fd`).some((fd) => inodes.includes(link(`/proc/${entry}/fd/${fd}`))))
      return processNamed(Number(entry));
  }
  return undefined;
}

/** The process `pid` with its command; the command is `?` when it has gone. */
export function processNamed(pid: number): Holder {
  // Not comm alone: that is cut after 15 octets, and some programs (Node.js from version 24 on) rename their threads.
  const [program = ''] = text(`/proc/${pid}/cmdline`).split('\0');
  return { pid, command: program.slice(program.lastIndexOf('/') + 1) || text(`/proc/${pid}/comm`).trim() || '?' };
}

// A process may end while it is looked at: everything that cannot be read is empty.

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
