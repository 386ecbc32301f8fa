// Network namespaces. An interface is opened, asked about and changed from inside its own: setns(2)
// moves the calling thread there for the length of one synchronous function, and back. Sockets and
// taps opened inside stay inside. Only this thread moves, so nothing asynchronous may start in the
// function; /proc/sys/net is right inside (it follows the thread that opens a file), /sys is not
// (it belongs to its mount).

import { assert } from '../lib/assert.ts';
import { ERRNO } from './errno.ts';
import { closeFd, O_RDONLY, openFd } from './fd.ts';
import { declare, errno } from './ffi.ts';
import { check, errnoText, failure, SysError } from './sys-error.ts';

const setns = declare('int setns(int fd, int kind)');

/** linux/sched.h */
const CLONE_NEWNET = 0x40000000;

/** This thread's own namespace; /proc/self would be the main thread's. */
export const OWN_NETNS = '/proc/thread-self/ns/net';

/** Where ip-netns(8) keeps its names. */
const NETNS_DIR = '/run/netns';

/** The file that stands for a namespace: of a name, of `pid:N`, or a path as it is. */
export function netnsPath(name: string): string {
  if (name.startsWith('/')) return name;
  return name.startsWith('pid:') ? `/proc/${name.slice(4)}/ns/net` : `${NETNS_DIR}/${name}`;
}

/**
 * Runs `fn` with this thread inside the namespace `name` (as for `netnsPath`; undefined: where it
 * is) and returns its result; the thread is back also when it throws. Throws SysError with what to
 * do when there is no such namespace.
 */
export function inNetns<T>(name: string | undefined, fn: () => T): T {
  if (name === undefined) return fn();
  const target = openNetns(name);
  try {
    return inNetnsFd(target, name, fn);
  } finally {
    closeFd(target);
  }
}

/** As `inNetns`, with a descriptor of the namespace; `name` is for messages. */
export function inNetnsFd<T>(target: number, name: string, fn: () => T): T {
  const own = openFd(OWN_NETNS, O_RDONLY);
  try {
    check(setns(target, CLONE_NEWNET), `enter the network namespace ${name} (this needs root)`);
    try {
      const result = fn();
      assert(!(result instanceof Promise), 'inNetns runs synchronous functions only');
      return result;
    } finally {
      returnTo(own, name);
    }
  } finally {
    closeFd(own);
  }
}

/** Opens the namespace `name` (as for `netnsPath`); the caller closes it. Throws SysError with what to do. */
export function openNetns(name: string): number {
  try {
    return openFd(netnsPath(name), O_RDONLY);
  } catch (error) {
    if (!(error instanceof SysError) || error.errno !== ERRNO.ENOENT) throw error;
    if (name.startsWith('/')) throw failure(`open the network namespace ${name}`, error.errno);
    const advice = name.startsWith('pid:') ? 'there is no such process' : `make it with \`ip netns add ${name}\``;
    throw new SysError(`there is no network namespace ${name}: ${advice}`, error.errno);
  }
}

/** A thread that stayed in the wrong namespace would open everything in the wrong place, so this is fatal. */
function returnTo(own: number, from: string): void {
  if (setns(own, CLONE_NEWNET) < 0) throw new Error(`cannot return from the network namespace ${from}: ${errnoText(errno())}`);
}
