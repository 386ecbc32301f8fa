// Interfaces that are deleted together. Before an interface is gone the kernel waits until no CPU can
// be looking at it: some 20 ms for each that is deleted alone, and once for all that one request
// deletes. What a request can name is one interface or a group, a number that every interface
// carries for its administrator's use.
//
// So interfaces that are to go get a number that no other has, picked at random, and then the group
// of that number is deleted, in each network namespace that has some of them. The number stays with
// an interface that is renamed or moved meanwhile. Before deleting, the members are listed: if there
// is one that was not added, or that has another name by now, nothing is deleted in that namespace.

import { statSync } from 'node:fs';
import { ERRNO } from './errno.ts';
import { closeFd, O_RDONLY, openFd } from './fd.ts';
import { inNetnsFd, OWN_NETNS } from './netns.ts';
import { deleteLinkGroup, type Link, listLinks, setLink } from './rtnetlink.ts';
import { SysError } from './sys-error.ts';

/** Numbers below are picked: the kernel keeps them as signed. */
const GROUP_END = 2 ** 31;

/** The interfaces of one network namespace. */
interface Members {
  readonly netnsFd: number;
  readonly group: number;
  /** Names by ifindex. */
  readonly names: Map<number, string>;
}

/** Interfaces of any number of network namespaces, to be deleted by `delete`, which has to be called. */
export class LinkGroup {
  /** By inode of the namespace. */
  readonly #netnses = new Map<number, Members>();

  /** Adds an interface of the thread's network namespace, all of whose users agree to its end. Throws SysError. */
  add(link: Link): void {
    const { group, names } = this.#members();
    setLink(link.ifindex, { group });
    names.set(link.ifindex, link.name);
  }

  /** Deletes all that were added. Where that fails `failed` is told, and they stay. */
  delete(failed: (error: unknown) => void): void {
    for (const { netnsFd, group, names } of this.#netnses.values()) {
      try {
        inNetnsFd(netnsFd, 'of interfaces to delete', () => deleteMembers(group, names));
      } catch (error) {
        failed(error);
      } finally {
        closeFd(netnsFd);
      }
    }
    this.#netnses.clear();
  }

  #members(): Members {
    const { ino } = statSync(OWN_NETNS);
    const known = this.#netnses.get(ino);
    if (known !== undefined) return known;
    const group = unusedGroup();
    const members = { netnsFd: openFd(OWN_NETNS, O_RDONLY), group, names: new Map() };
    this.#netnses.set(ino, members);
    return members;
  }
}

function deleteMembers(group: number, names: ReadonlyMap<number, string>): void {
  const members = listLinks().filter((link) => link.group === group);
  const stranger = members.find(({ ifindex, name }) => names.get(ifindex) !== name);
  if (stranger !== undefined) {
    throw new SysError(`cannot delete interfaces together: ${stranger.name} came among them`, ERRNO.EBUSY);
  }
  if (members.length > 0) deleteLinkGroup(group);
}

/** A number that no interface of the thread's network namespace has. */
function unusedGroup(): number {
  const used = new Set(listLinks().map((link) => link.group));
  for (;;) {
    const group = (crypto.getRandomValues(new Uint32Array(1))[0] as number) % GROUP_END;
    if (group !== 0 && !used.has(group)) return group;
  }
}
