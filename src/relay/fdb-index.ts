// Finds the FDB entry of a key: open addressing with linear probing, at most 3/4 full.
//
// Entries are numbered from 1, never move, and start with their key:
//
//   index[slot]     tag(11) | entry(21); 0 = empty
//   entries[4e]     hi
//   entries[4e+1]   lo
//
// The upper half of the hash chooses the slot, its lowest bits are the slot's tag, so that nearly
// every look-up touches one cache line of the index and one of the entries. Removal shifts later
// slots back, so there are no tombstones and a look-up ends at the first empty slot. The hash is
// salted: an outsider cannot aim at one chain.

import { assert } from '../lib/assert.ts';

const TAG_SHIFT = 21;
const ENTRY_MASK = 0x1fffff;

/** The index over `entries`. */
export class FdbIndex {
  readonly #entries: Uint32Array;
  readonly #salt: number;
  readonly #homeShift: number;
  readonly #slotMask: number;
  readonly #index: Int32Array;

  /** An empty index for `size` entries. */
  constructor(entries: Uint32Array, size: number, salt: number) {
    let bits = 1;
    while (2 ** bits * 3 < size * 4) bits++;
    this.#entries = entries;
    this.#salt = salt;
    this.#homeShift = 32 - bits;
    this.#slotMask = 2 ** bits - 1;
    this.#index = new Int32Array(2 ** bits);
  }

  /** The entry of a key, or 0. */
  find(hi: number, lo: number): number {
    const index = this.#index;
    const entries = this.#entries;
    const hash = this.#hash(hi, lo);
    let slot = hash >>> this.#homeShift;
    for (;;) {
      const word = index[slot] as number;
      if (word === 0) return 0;
      if ((word ^ (hash << TAG_SHIFT)) >>> TAG_SHIFT === 0) {
        const entry = word & ENTRY_MASK;
        if (entries[(entry << 2) + 1] === lo && entries[entry << 2] === hi) return entry;
      }
      slot = (slot + 1) & this.#slotMask;
    }
  }

  /** Adds an entry whose key is written and not in the index yet. */
  add(entry: number): void {
    const hash = this.#hashOf(entry);
    let slot = hash >>> this.#homeShift;
    while (this.#index[slot] !== 0) slot = (slot + 1) & this.#slotMask;
    this.#index[slot] = (hash << TAG_SHIFT) | entry;
  }

  /** Removes an entry whose key is still there. */
  remove(entry: number): void {
    const index = this.#index;
    const mask = this.#slotMask;
    let hole = this.#hashOf(entry) >>> this.#homeShift;
    while (((index[hole] as number) & ENTRY_MASK) !== entry) hole = (hole + 1) & mask;
    for (let probe = (hole + 1) & mask; index[probe] !== 0; probe = (probe + 1) & mask) {
      const word = index[probe] as number;
      const home = this.#hashOf(word & ENTRY_MASK) >>> this.#homeShift;
      // The entry moves into the hole if the hole is not before its home.
      if (((probe - home) & mask) < ((probe - hole) & mask)) continue;
      index[hole] = word;
      hole = probe;
    }
    index[hole] = 0;
  }

  /** Throws unless exactly the given entries are found by their keys; for tests. */
  check(entriesInUse: readonly number[]): void {
    for (const entry of entriesInUse) {
      const found = this.find(this.#entries[entry << 2] as number, this.#entries[(entry << 2) + 1] as number);
      assert(found === entry, `entry ${entry} cannot be found`);
    }
    const count = this.#index.reduce((sum, word) => sum + (word === 0 ? 0 : 1), 0);
    assert(count === entriesInUse.length, `${entriesInUse.length} entries in use, ${count} in the index`);
  }

  /** A copy of the index. */
  save(): Int32Array {
    return this.#index.slice();
  }

  /** Back to a saved index of the same size. */
  restore(state: Int32Array): void {
    this.#index.set(state);
  }

  #hashOf(entry: number): number {
    return this.#hash(this.#entries[entry << 2] as number, this.#entries[(entry << 2) + 1] as number);
  }

  #hash(hi: number, lo: number): number {
    let h = Math.imul(lo ^ this.#salt, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15) ^ hi, 0x85ebca77);
    return Math.imul(h ^ (h >>> 13), 0xc2b2ae3d);
  }
}
