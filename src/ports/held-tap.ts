// A tap whose descriptor we hold, wherever its interface is.
//
// An interface can be moved to another network namespace, renamed there, and moved back; the
// descriptor stays with it. In the namespace it left, that looks like a deletion. So the tap itself
// is asked: TUNGETIFF says whether it lives and what it is called, TUNGETDEVNETNS where it is.
//
// The worker gets a duplicate of the descriptor. Ours stays open until the end, because it is what
// answers these questions and what turns persistence off: a tap that we made goes with it.

import { fstatSync } from 'node:fs';
import { ERRNO } from '../sys/errno.ts';
import { closeFd, duplicateFd } from '../sys/fd.ts';
import type { LinkGroup } from '../sys/link-group.ts';
import { inNetns, inNetnsFd } from '../sys/netns.ts';
import { findLink, type Link } from '../sys/rtnetlink.ts';
import { SysError } from '../sys/sys-error.ts';
import { isTapInOwnNetns, openTapNetns, setTapPersistent, tapInfo } from '../sys/tap-device.ts';
import { netnsIdentity } from './link-watch.ts';
import { tapCaps } from './tap-caps.ts';

/** Moves of an interface that one look at it puts up with. */
const MOVES_MAX = 3;

/** An open tap. */
export class HeldTap {
  /** Offload work it takes over: bits of NEED. */
  readonly caps: number;
  /** Whether we made the interface, so that it goes with us. */
  readonly isOurs: boolean;
  readonly #fd: number;
  readonly #home: string | undefined;
  readonly #homeIdentity: string | undefined;
  #isAway = false;

  /** Takes over `fd`. `home` is the namespace it was opened in (as for inNetns), `offloads` what it accepted (TUN_F bits). */
  constructor(fd: number, home: string | undefined, offloads: number, isOurs: boolean) {
    this.#fd = fd;
    this.#home = home;
    this.#homeIdentity = netnsIdentity(home);
    this.isOurs = isOurs;
    this.caps = tapCaps(offloads);
  }

  /** Whether the interface is in another namespace than the one it was opened in, as of the last look. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** A descriptor for the worker; the caller closes it. */
  duplicate(): number {
    return duplicateFd(this.#fd);
  }

  /** The interface as it is now; undefined when it was deleted. Throws SysError. */
  link(): Link | undefined {
    for (let attempt = 1; attempt <= MOVES_MAX; attempt++) {
      if (tapInfo(this.#fd) === undefined) return undefined;
      try {
        const link = this.inside(() => {
          const info = tapInfo(this.#fd);
          return info && findLink(info.name);
        });
        // Not there, and not deleted: it was moved or renamed between the questions.
        if (link !== undefined) return link;
      } catch (error) {
        if (tapInfo(this.#fd) !== undefined) throw error;
      }
    }
    throw new SysError('cannot find the interface of a tap that keeps moving', ERRNO.EAGAIN);
  }

  /** Runs `fn` in the network namespace the interface is in. Throws SysError. */
  inside<T>(fn: () => T): T {
    const netns = this.#openNetns();
    if (netns === undefined) return inNetns(this.#home, fn);
    try {
      const { dev, ino } = fstatSync(netns);
      this.#isAway = `${dev}:${ino}` !== this.#homeIdentity;
      return inNetnsFd(netns, 'the tap is in', fn);
    } finally {
      closeFd(netns);
    }
  }

  /** Puts the interface into `group`, if it is ours. Throws SysError. */
  deleteWith(group: LinkGroup): void {
    if (!this.isOurs || tapInfo(this.#fd) === undefined) return;
    this.inside(() => {
      const info = tapInfo(this.#fd);
      const link = info && findLink(info.name);
      // Asked again: if ours was moved or renamed in between, what was found may be somebody else's.
      if (link !== undefined && isTapInOwnNetns(this.#fd) && tapInfo(this.#fd)?.name === link.name) group.add(link);
    });
  }

  /** Closes our descriptor; a tap that is ours goes with the last duplicate. */
  close(): void {
    try {
      if (this.isOurs && tapInfo(this.#fd) !== undefined) setTapPersistent(this.#fd, false);
    } finally {
      closeFd(this.#fd);
    }
  }

  /** Undefined without root: the kernel does not say then, and nobody but root can have moved it. */
  #openNetns(): number | undefined {
    try {
      return openTapNetns(this.#fd);
    } catch (error) {
      if (error instanceof SysError && error.errno === ERRNO.EPERM) return undefined;
      throw error;
    }
  }
}
