// Changes a port makes to an interface that is not its own, and their undoing.
//
// Each change remembers what was there before. Undoing goes backwards, and leaves alone what
// somebody else has changed since: only a value that is still ours is put back. Everything runs in
// the network namespace the thread is in.

import { findLink, getLink, type Link, setLink } from '../sys/rtnetlink.ts';
import { addAddress, deleteAddress, listAddresses } from '../sys/rtnetlink-address.ts';
import { parseMac } from '../wire/ethernet.ts';
import { isUp, macText } from './link-status.ts';

/** One step back: whether the value is still ours, and how to restore it on the interface. */
interface Undo {
  isOurs(link: Link): boolean;
  restore(ifindex: number): void;
}

/** The changes made to the interface `ifindex`. All methods throw SysError. */
export class InterfaceChanges {
  readonly #ifindex: number;
  readonly #undos: Undo[] = [];

  constructor(ifindex: number) {
    this.#ifindex = ifindex;
  }

  /** Sets the MTU in octets. */
  setMtu(mtu: number): void {
    const { mtu: before } = getLink(this.#ifindex);
    if (mtu === before) return;
    setLink(this.#ifindex, { mtu });
    this.#undos.push({ isOurs: (link) => link.mtu === mtu, restore: (ifindex) => setLink(ifindex, { mtu: before }) });
  }

  /** Sets the MAC address, written as formatMac does. */
  setMac(text: string): void {
    const { mac: before } = getLink(this.#ifindex);
    if (macText(before) === text) return;
    setLink(this.#ifindex, { mac: macOctets(text) });
    this.#undos.push({ isOurs: (link) => macText(link.mac) === text, restore: (ifindex) => setLink(ifindex, { mac: before }) });
  }

  /** Adds an Internet address, `ADDRESS/LENGTH`. */
  addAddress(text: string): void {
    const [address = '', prefix] = text.split('/');
    const prefixLen = Number(prefix);
    const had = listAddresses(this.#ifindex).length;
    addAddress(this.#ifindex, address, prefixLen);
    if (listAddresses(this.#ifindex).length === had) return;
    this.#undos.push({ isOurs: () => true, restore: (ifindex) => deleteAddress(ifindex, address, prefixLen) });
  }

  /** Brings the interface up. */
  bringUp(): void {
    if (isUp(getLink(this.#ifindex))) return;
    setLink(this.#ifindex, { up: true });
    this.#undos.push({ isOurs: isUp, restore: (ifindex) => setLink(ifindex, { up: false }) });
  }

  /**
   * Undoes every change, the last one first, on the interface that has the number `ifindex` by now (it
   * gets another one in another namespace). A step that fails is told to `failed`, and the others go on.
   */
  undo(ifindex: number, failed: (error: unknown) => void): void {
    for (const { isOurs, restore } of this.#undos.splice(0).reverse()) {
      try {
        const link = findLink(ifindex);
        if (link !== undefined && isOurs(link)) restore(ifindex);
      } catch (error) {
        failed(error);
      }
    }
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
