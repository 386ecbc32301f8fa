// One link monitor for each network namespace, shared by all ports that have an interface there:
// a thousand ports would otherwise each read every notice of every other.
//
// A name of a namespace can come to stand for another one (`ip netns del` and `add`, a container
// started anew), and no event tells. Our own sockets would keep the old one alive, with everything
// in it, though nobody can reach it any more. So names are looked at once a second; when one
// changes, its monitor is given up and, if there is a new namespace, made again.

import { statSync } from 'node:fs';
import { LinkMonitor, type LinkNotice } from '../sys/link-monitor.ts';
import { netnsPath } from '../sys/netns.ts';

/** How often names of namespaces are looked at. */
const NAME_CHECK_MS = 1000;

/** Who watches; called from Node's event loop. */
export interface LinkListener {
  /** An interface of the namespace is new, has changed or is gone. */
  onLink(notice: LinkNotice): void;
  /** The name stands for another namespace now (true), or for none (false). What was opened in the old one is to be let go. */
  onNetns(exists: boolean): void;
}

/** The watch of one namespace. */
class NetnsWatch {
  readonly listeners = new Set<LinkListener>();
  readonly #netns: string | undefined;
  #identity: string | undefined;
  #monitor: LinkMonitor | undefined;

  constructor(netns: string | undefined) {
    this.#netns = netns;
    this.#identity = netnsIdentity(netns);
    this.#monitor = this.#open();
  }

  /** Looks whether the name still stands for the namespace that is watched. */
  check(): void {
    const identity = netnsIdentity(this.#netns);
    if (identity === this.#identity && (identity === undefined || this.#monitor !== undefined)) return;
    this.close();
    try {
      if (identity !== undefined) this.#monitor = this.#open();
      this.#identity = identity;
    } catch {
      // It went while it was opened: the next check tells.
      this.#identity = undefined;
    }
    for (const listener of [...this.listeners]) listener.onNetns(this.#monitor !== undefined);
  }

  close(): void {
    this.#monitor?.close();
    this.#monitor = undefined;
  }

  #open(): LinkMonitor {
    return new LinkMonitor(this.#netns, (notice) => {
      for (const listener of [...this.listeners]) listener.onLink(notice);
    });
  }
}

const watches = new Map<string, NetnsWatch>();
let timer: NodeJS.Timeout | undefined;

/** Watches the interfaces of `netns` (as for inNetns) until the returned function is called. Throws SysError when there is no such namespace. */
export function watchLinks(netns: string | undefined, listener: LinkListener): () => void {
  const key = netns ?? '';
  const watch = watches.get(key) ?? new NetnsWatch(netns);
  watches.set(key, watch);
  watch.listeners.add(listener);
  setTimer();
  return () => {
    if (!watch.listeners.delete(listener) || watch.listeners.size > 0) return;
    watch.close();
    watches.delete(key);
    setTimer();
  };
}

/** Runs the timer while a named namespace is watched; it does not keep the process alive. */
function setTimer(): void {
  const hasNames = [...watches.keys()].some((key) => key !== '');
  if (hasNames && timer === undefined) {
    timer = setInterval(() => {
      for (const [key, watch] of watches) if (key !== '') watch.check();
    }, NAME_CHECK_MS).unref();
  } else if (!hasNames && timer !== undefined) {
    clearInterval(timer);
    timer = undefined;
  }
}

/** What a namespace (as for inNetns) is told from others by: `dev:inode` of its file; undefined when the name stands for none. */
export function netnsIdentity(netns: string | undefined): string | undefined {
  try {
    const { dev, ino } = statSync(netns === undefined ? '/proc/thread-self/ns/net' : netnsPath(netns));
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
