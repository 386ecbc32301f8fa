// Undoes what a dead switch has left: the steps of its journal, the last one first.
//
// Nothing is touched that cannot be told to be the same thing. A tap that weft made carries a mark as
// its alias, which nobody else can have guessed, and which stays with it in every namespace and under
// every name; without it a tap is not deleted. Any other interface is known by its number in its
// namespace, which are both given out once in a boot, and only values that are still the switch's own
// are put back.
//
// A tap that a program has open stays, and so does its step: QEMU would spin on a deleted one. So does
// everything about an interface that is a port of a running switch by now. The next one to look
// tries again. Taps are deleted together, because each deletion takes the kernel tens of milliseconds. A process that was killed a moment ago still has its descriptors for a while, and nobody
// sees what it has: such a holder is waited for.

import { setTimeout as sleep } from 'node:timers/promises';
import { closeTogether } from '../sys/close-together.ts';
import { ERRNO } from '../sys/errno.ts';
import { closeFd, O_RDONLY, openFd } from '../sys/fd.ts';
import { tapHolder } from '../sys/holders.ts';
import { restoreHost } from '../sys/host-stack.ts';
import { LinkGroup } from '../sys/link-group.ts';
import { findMacvtap } from '../sys/macvtap.ts';
import { lockName } from '../sys/name-lock.ts';
import { inNetnsFd } from '../sys/netns.ts';
import { netnsIdentity, visitNetns } from '../sys/netns-search.ts';
import { deleteLink, findLink, type Link, listLinks } from '../sys/rtnetlink.ts';
import { SysError } from '../sys/sys-error.ts';
import { openTap, setTapPersistent, tapInfo } from '../sys/tap-device.ts';
import { type InterfaceChange, undoChange } from './interface-changes.ts';
import { interfaceLock } from './interface-lock.ts';
import type { JournalEntry, Strike } from './journal.ts';
import type { UndoStep } from './undo-step.ts';

const HELD_CHECK_MS = 20;

/** What became of a step; steps whose interface is gone, or was changed by others since, are not told of. */
export interface Undone {
  readonly ifname: string;
  /** stays: somebody uses it. failed: it could not be undone, and is tried again the next time. */
  readonly outcome: 'undone' | 'stays' | 'failed';
  /** A sentence. */
  readonly text: string;
}

/** Where a step's interface is now. */
interface Place {
  /** Undefined in our own namespace. */
  readonly netnsFd: number | undefined;
  readonly ifindex: number;
}

/** What trying once came to. */
interface Result {
  /** wait: a process that nobody sees has it open. */
  readonly end: 'done' | 'stays' | 'wait';
  readonly text?: string;
  /** A tap that is to be deleted with others, and the descriptor that holds it until then. */
  readonly tap?: { readonly tapFd: number; readonly link: Link };
}

/** A tap to delete. */
interface DoomedTap {
  readonly netnsFd: number | undefined;
  readonly tapFd: number;
  readonly link: Link;
  /** As it was called when it was made. */
  readonly name: string;
  readonly strike: Strike;
}

/** Undoes `entries` and strikes out what is undone. Waits up to `patienceMs` for taps that dying processes hold. */
export async function undoEntries(entries: readonly JournalEntry[], patienceMs: number): Promise<Undone[]> {
  const deadline = performance.now() + patienceMs;
  const undone: Undone[] = [];
  const netnsFds: number[] = [];
  const doomed: DoomedTap[] = [];
  try {
    const places = findPlaces(entries, netnsFds);
    for (const entry of entries.toReversed()) {
      const place = places.get(entry);
      if (place === undefined) entry.strike();
      else undone.push(...(await undoEntry(entry, place, deadline, doomed)));
    }
    undone.push(...deleteTaps(doomed));
  } finally {
    closeTogether(doomed.map(({ tapFd }) => tapFd));
    for (const fd of netnsFds) closeFd(fd);
  }
  return undone;
}

async function undoEntry({ step, strike }: JournalEntry, place: Place, deadline: number, doomed: DoomedTap[]): Promise<Undone[]> {
  const ifname = step.name;
  try {
    for (;;) {
      const { end, text, tap } = inPlace(place, () => undoStep(step, place.ifindex));
      if (end === 'wait' && performance.now() < deadline) {
        await sleep(HELD_CHECK_MS);
        continue;
      }
      if (tap !== undefined) doomed.push({ ...tap, netnsFd: place.netnsFd, name: ifname, strike });
      else if (end === 'done') strike();
      return text === undefined ? [] : [{ ifname, outcome: end === 'done' ? 'undone' : 'stays', text }];
    }
  } catch (error) {
    return [failedUndone(ifname, error)];
  }
}

function deleteTaps(doomed: readonly DoomedTap[]): Undone[] {
  const group = new LinkGroup();
  for (const tap of doomed) addTo(group, tap);
  // What the group could not take goes with its descriptor.
  group.delete(() => {});
  return doomed.map(({ name, tapFd, strike }) => {
    try {
      if (tapInfo(tapFd) !== undefined) setTapPersistent(tapFd, false);
      strike();
      return { ifname: name, outcome: 'undone', text: `removed tap ${name}` };
    } catch (error) {
      return failedUndone(name, error);
    }
  });
}

function addTo(group: LinkGroup, { netnsFd, link }: DoomedTap): void {
  try {
    inPlace({ netnsFd }, () => group.add(link));
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
  }
}

function inPlace<T>({ netnsFd }: Pick<Place, 'netnsFd'>, fn: () => T): T {
  return netnsFd === undefined ? fn() : inNetnsFd(netnsFd, 'an interface is in', fn);
}

function failedUndone(ifname: string, error: unknown): Undone {
  if (!(error instanceof SysError)) throw error;
  return { ifname, outcome: 'failed', text: `cannot put ${ifname} back as it was: ${error.message}` };
}

/** In the network namespace of the interface. */
function undoStep(step: UndoStep, ifindex: number): Result {
  const link = findLink(ifindex);
  if (link === undefined) return { end: 'done' };
  if (isPort(link.name)) return { end: 'stays', text: `${link.name} stays as it is: it is a port of a running switch` };
  switch (step.type) {
    case 'tap':
      return holdTap(link.name, ifindex, step.mark);
    case 'change':
      return undoChange(ifindex, step.change) ? { end: 'done', text: changeText(link.name, step.change) } : { end: 'done' };
    case 'macvtap':
      return deleteMacvtap(link);
    case 'host-off':
      restoreHost(step.record);
      return { end: 'done', text: `gave ${link.name} back to the host` };
  }
}

/** Whether a switch has the interface as a netdev or macvtap port. */
function isPort(name: string): boolean {
  const { fd } = lockName(interfaceLock(name));
  if (fd !== undefined) closeFd(fd);
  return fd === undefined;
}

function deleteMacvtap(nic: Link): Result {
  const macvtap = findMacvtap(nic.ifindex);
  if (macvtap === undefined) return { end: 'done' };
  deleteLink(macvtap.ifindex);
  return { end: 'done', text: `removed macvtap ${macvtap.name} from ${nic.name}` };
}

function holdTap(name: string, ifindex: number, mark: string): Result {
  let fd: number;
  try {
    // Only one descriptor at a time: with ours nobody else can open it until it is deleted.
    fd = openTap(name).fd;
  } catch (error) {
    if (!(error instanceof SysError) || error.errno !== ERRNO.EBUSY) throw error;
    const holder = tapHolder(name);
    if (holder === undefined) return { end: 'wait', text: `tap ${name} stays while another process has it open` };
    return { end: 'stays', text: `tap ${name} stays while ${holder.command} (pid ${holder.pid}) has it open` };
  }
  // Asked again: in between it may have gone, and the name be another's.
  const link = findLink(name);
  if (link?.alias === mark && link.ifindex === ifindex) return { end: 'done', tap: { tapFd: fd, link } };
  closeFd(fd);
  return { end: 'done' };
}

function changeText(name: string, change: InterfaceChange): string {
  switch (change.what) {
    case 'mtu':
      return `gave ${name} its MTU of ${change.before} back`;
    case 'mac':
      return `gave ${name} its address ${change.before} back`;
    case 'address':
      return `took ${change.address}/${change.prefixLen} from ${name}`;
    case 'up':
      return `took ${name} down again`;
  }
}

/** Finds each step's interface in all namespaces there are; adds the descriptors of those to `netnsFds`. */
function findPlaces(entries: readonly JournalEntry[], netnsFds: number[]): Map<JournalEntry, Place> {
  const places = new Map<JournalEntry, Place>();
  const missing = new Set(entries);
  if (missing.size === 0) return places;
  visitNetns((isOwn) => {
    const netns = netnsIdentity();
    const marked = new Map(listLinks().map((link) => [link.kind === 'tun' ? link.alias : undefined, link.ifindex]));
    let netnsFd: number | undefined;
    for (const entry of missing) {
      const ifindex = ifindexOf(entry.step, netns, marked);
      if (ifindex === undefined) continue;
      if (netnsFd === undefined && !isOwn) {
        netnsFd = openFd('/proc/thread-self/ns/net', O_RDONLY);
        netnsFds.push(netnsFd);
      }
      places.set(entry, { netnsFd, ifindex });
      missing.delete(entry);
    }
    return missing.size === 0;
  });
  return places;
}

/** Undefined when it is not in this namespace. */
function ifindexOf(step: UndoStep, netns: string, marked: ReadonlyMap<string | undefined, number>): number | undefined {
  if (step.type === 'tap') return marked.get(step.mark);
  if (step.netns !== netns) return undefined;
  return step.type === 'host-off' ? step.record.ifindex : step.ifindex;
}
