// What the relay knows of each port, and the egress masks that follow from it.
//
// A frame from port i may leave on port e when bit e of `allowed` of i is set:
//
//   allowed(i) = up and forwarding ports
//                minus i itself, unless i is a hairpin port
//                minus isolated ports, if i is isolated
//
// and, for a frame that is flooded, also in the flood set of its kind (the flags flood,
// mcast_flood, bcast_flood). The masks are recomputed whenever a state changes, so that the relay
// pays one AND per word. Names of the flags are the kernel bridge's.

import { assert } from '../lib/assert.ts';
import { PORT_NO_MAX, PORT_WORDS } from './limits.ts';

/** Port states; the numbers are the order of 802.1D, names as users see them. */
export const PORT_STATES = ['disabled', 'discarding', 'listening', 'learning', 'forwarding'] as const;
export type PortState = (typeof PORT_STATES)[number];

/** Flags of a port that change what is relayed, with the kernel bridge's names and defaults. */
export interface PortFlags {
  learning: boolean;
  flood: boolean;
  mcast_flood: boolean;
  bcast_flood: boolean;
  isolated: boolean;
  hairpin: boolean;
}

/** The kernel bridge's defaults. */
export const PORT_FLAGS_DEFAULT: Readonly<PortFlags> = {
  learning: true,
  flood: true,
  mcast_flood: true,
  bcast_flood: true,
  isolated: false,
  hairpin: false,
};

/** Rows of the flood sets, by kind. */
export const FLOOD = { UNKNOWN: 0, MULTICAST: 1, BROADCAST: 2 } as const;
const FLOOD_KINDS = 3;

const SIZE = PORT_NO_MAX + 1;

/** One port's record. */
export interface PortRecord {
  up: boolean;
  state: PortState;
  flags: PortFlags;
  /** Octets of payload the egress carries; the frame may have 18 more, as in the kernel bridge, and one tag. */
  mtu: number;
  /** Reserved groups this port forwards in addition to the switch's, one bit each. */
  groupFwdMask: number;
}

/** The ports of a relay, by number. */
export class PortTable {
  /** Highest port number in use; loops over ports end there. */
  top = 0;
  /** Whether a frame from this port teaches the FDB (1). */
  readonly learns = new Uint8Array(SIZE);
  /** Whether frames from this port are relayed (1). */
  readonly forwards = new Uint8Array(SIZE);
  /** Whether the port exists and is up (1). */
  readonly ups = new Uint8Array(SIZE);
  /** Longest frame the port sends, a first tag not counted. */
  readonly lenMax = new Uint32Array(SIZE);
  /** Reserved groups forwarded from this port: its own mask and the switch's. */
  readonly groupMasks = new Uint16Array(SIZE);
  /** Egress masks: PORT_WORDS words for each ingress port. */
  readonly allowed = new Uint32Array(SIZE * PORT_WORDS);
  /** Flood sets: PORT_WORDS words for each kind of FLOOD. */
  readonly floodSets = new Uint32Array(FLOOD_KINDS * PORT_WORDS);

  readonly #records = new Map<number, PortRecord>();
  #isUp = true;
  #switchGroupMask = 0;

  /** The record of a port, or undefined. Change it only through `set`. */
  get(port: number): Readonly<PortRecord> | undefined {
    return this.#records.get(port);
  }

  /** Ports in order of number. */
  *entries(): IterableIterator<[number, Readonly<PortRecord>]> {
    for (let port = 1; port <= this.top; port++) {
      const record = this.#records.get(port);
      if (record !== undefined) yield [port, record];
    }
  }

  get count(): number {
    return this.#records.size;
  }

  /** The lowest number no port has, as the kernel bridge hands them out; 0 when all are taken. */
  freeNumber(): number {
    for (let port = 1; port <= PORT_NO_MAX; port++) if (!this.#records.has(port)) return port;
    return 0;
  }

  /** Adds a port or changes it. */
  set(port: number, record: PortRecord): void {
    assert(port >= 1 && port <= PORT_NO_MAX, `port number ${port}`);
    this.#records.set(port, record);
    this.#recompute();
  }

  /** Removes a port. */
  delete(port: number): void {
    this.#records.delete(port);
    this.#recompute();
  }

  /** What holds for all ports: whether the switch is up, and the reserved groups it forwards. */
  setSwitch(isUp: boolean, groupFwdMask: number): void {
    this.#isUp = isUp;
    this.#switchGroupMask = groupFwdMask;
    this.#recompute();
  }

  #recompute(): void {
    this.top = 0;
    for (const array of [this.learns, this.forwards, this.ups, this.groupMasks, this.allowed, this.floodSets]) array.fill(0);
    const forwarding = new Uint32Array(PORT_WORDS);
    const isolated = new Uint32Array(PORT_WORDS);
    for (const [port, { up, state, flags, mtu, groupFwdMask }] of this.#records) {
      const word = port >>> 5;
      const bit = 1 << (port & 31);
      if (port > this.top) this.top = port;
      this.lenMax[port] = mtu + 18;
      this.groupMasks[port] = groupFwdMask | this.#switchGroupMask;
      if (flags.isolated) isolated[word] = (isolated[word] as number) | bit;
      if (flags.flood) this.#addFlood(FLOOD.UNKNOWN, word, bit);
      if (flags.mcast_flood) this.#addFlood(FLOOD.MULTICAST, word, bit);
      if (flags.bcast_flood) this.#addFlood(FLOOD.BROADCAST, word, bit);
      if (!up || !this.#isUp || state === 'disabled') continue;
      this.ups[port] = 1;
      this.learns[port] = flags.learning && (state === 'learning' || state === 'forwarding') ? 1 : 0;
      if (state !== 'forwarding') continue;
      this.forwards[port] = 1;
      forwarding[word] = (forwarding[word] as number) | bit;
    }
    for (const [port, { flags }] of this.#records) {
      if (this.forwards[port] === 0) continue;
      const row = port * PORT_WORDS;
      for (let w = 0; w < PORT_WORDS; w++) {
        this.allowed[row + w] = (forwarding[w] as number) & (flags.isolated ? ~(isolated[w] as number) : ~0);
      }
      if (flags.hairpin) continue;
      const own = row + (port >>> 5);
      this.allowed[own] = (this.allowed[own] as number) & ~(1 << (port & 31));
    }
  }

  #addFlood(kind: number, word: number, bit: number): void {
    const at = kind * PORT_WORDS + word;
    this.floodSets[at] = (this.floodSets[at] as number) | bit;
  }
}
