// Changes a port makes to an interface that is not its own, and their undoing.
//
// A change is plain data with what was there before, and is written to the journal before it is made.
// Undoing goes backwards, and leaves alone what somebody else has changed since: only a value that is
// still ours is put back. Everything runs in the network namespace the thread is in.

import { formatIp, parseIp } from '../sys/ip-text.ts';
import { netnsIdentity } from '../sys/netns-search.ts';
import { findLink, getLink, type Link, setLink } from '../sys/rtnetlink.ts';
import { addAddress, deleteAddress, listAddresses } from '../sys/rtnetlink-address.ts';
import { parseMac } from '../wire/ethernet.ts';
import type { Strike, UndoJournal } from './journal.ts';
import { isUp, macText } from './link-status.ts';

/** One change, and the way back. MAC addresses are written as formatMac does. */
export type InterfaceChange =
  | { readonly what: 'mtu'; readonly ours: number; readonly before: number }
  | { readonly what: 'mac'; readonly ours: string; readonly before: string }
  | { readonly what: 'address'; readonly address: string; readonly prefixLen: number }
  | { readonly what: 'up' };

/** The changes made to the interface `ifindex`. All methods throw SysError. */
export class InterfaceChanges {
  readonly #ifindex: number;
  readonly #journal: UndoJournal | undefined;
  readonly #made: { readonly change: InterfaceChange; readonly strike: Strike | undefined }[] = [];

  /** Without a journal for an interface that goes with the port anyway. */
  constructor(ifindex: number, journal: UndoJournal | undefined) {
    this.#ifindex = ifindex;
    this.#journal = journal;
  }

  /** Sets the MTU in octets. */
  setMtu(mtu: number): void {
    const { mtu: before } = getLink(this.#ifindex);
    if (mtu !== before) this.#make({ what: 'mtu', ours: mtu, before }, () => setLink(this.#ifindex, { mtu }));
  }

  /** Sets the MAC address, written as formatMac does. */
  setMac(text: string): void {
    const before = macText(getLink(this.#ifindex).mac);
    if (before === undefined || before === text) return;
    this.#make({ what: 'mac', ours: text, before }, () => setLink(this.#ifindex, { mac: macOctets(text) }));
  }

  /** Adds an Internet address, `ADDRESS/LENGTH`. */
  addAddress(text: string): void {
    const [address = '', prefix] = text.split('/');
    const prefixLen = Number(prefix);
    const octets = parseIp(address);
    const written = octets === undefined ? address : formatIp(octets);
    if (listAddresses(this.#ifindex).some((had) => had.address === written && had.prefixLen === prefixLen)) return;
    this.#make({ what: 'address', address: written, prefixLen }, () => addAddress(this.#ifindex, written, prefixLen));
  }

  /** Brings the interface up. */
  bringUp(): void {
    if (!isUp(getLink(this.#ifindex))) this.#make({ what: 'up' }, () => setLink(this.#ifindex, { up: true }));
  }

  /**
   * Undoes every change, the last one first, on the interface that has the number `ifindex` by now (it
   * gets another one in another namespace). A step that fails is told to `failed`, and the others go on.
   */
  undo(ifindex: number, failed: (error: unknown) => void): void {
    for (const { change, strike } of this.#made.splice(0).reverse()) {
      try {
        undoChange(ifindex, change);
        strike?.();
      } catch (error) {
        failed(error);
      }
    }
  }

  /** Leaves everything as it is: the interface was deleted. */
  forget(): void {
    for (const { strike } of this.#made.splice(0)) strike?.();
  }

  #make(change: InterfaceChange, make: () => void): void {
    const { name } = getLink(this.#ifindex);
    const strike = this.#journal?.add({ type: 'change', netns: netnsIdentity(), ifindex: this.#ifindex, name, change });
    try {
      make();
    } catch (error) {
      strike?.();
      throw error;
    }
    this.#made.push({ change, strike });
  }
}

/** Undoes one change, unless the interface is gone or the value is not ours any more; whether it did. Throws SysError. */
export function undoChange(ifindex: number, change: InterfaceChange): boolean {
  const link = findLink(ifindex);
  if (link === undefined || !isOurs(link, change)) return false;
  switch (change.what) {
    case 'mtu':
      setLink(ifindex, { mtu: change.before });
      break;
    case 'mac':
      setLink(ifindex, { mac: macOctets(change.before) });
      break;
    case 'address':
      deleteAddress(ifindex, change.address, change.prefixLen);
      break;
    case 'up':
      setLink(ifindex, { up: false });
      break;
  }
  return true;
}

function isOurs(link: Link, change: InterfaceChange): boolean {
  switch (change.what) {
    case 'mtu':
      return link.mtu === change.ours;
    case 'mac':
      return macText(link.mac) === change.ours;
    case 'address':
      return true;
    case 'up':
      return isUp(link);
  }
}

function macOctets(text: string): Uint8Array {
  const mac = parseMac(text);
  const octets = new Uint8Array(6);
  const view = new DataView(octets.buffer);
  view.setUint16(0, mac?.hi ?? 0);
  view.setUint32(2, mac?.lo ?? 0);
  return octets;
}
