// The Filtering Database [802.1D-2004 7.9]: which port a station was last seen on.
//
// Key: 48-bit address plus 16-bit FID, as two u32 (`hi` = fid << 16 | first two octets, `lo` = last
// four). FID is 0 until VLANs come. Value: an egress set, which for a station is its port number.
//
// Open addressing with linear probing over interleaved typed arrays, at most 3/4 full, so 32 octets
// an entry. A slot is four hot words (one or two slots in the cache line a lookup touches):
//
//   table[4s]    hi          table[4s+2]  meta: generation(16) | flags(5) | port(11); 0 = empty
//   table[4s+1]  lo          table[4s+3]  stamp: time last seen, in 1/16 s
//
// and two cold ones, prev[s] and next[s]. Deletion shifts later entries back, so there are no
// tombstones and a lookup ends at the first empty slot. The hash is salted: an outsider cannot
// aim at one chain.
//
// Ageing. A learned entry lives in its port's list, least recently seen first (a refresh moves it to
// the tail, only when its 1/16 s stamp changes). Expiry therefore looks at list heads only, and a
// lookup checks the stamp, so an entry that is too old is a miss even before it is collected.
//
// Flush. Flushing a port increments its generation: entries with an older one are misses at once
// ("stale"), and are reclaimed by later insertions on their chain and by a bounded scan in `age`.
//
// Full. The least recently seen entry of the port that holds most gives way: a port that floods
// addresses evicts its own, as in Open vSwitch. With `maxLearned` set, the newcomer is refused
// instead, as in the kernel's fdb_max_learned. Static, permanent and external entries are never
// evicted, never aged and survive a flush; static, permanent and sticky ones do not move
// (7.9.1; the kernel lets a static entry roam, which we treat as its peculiarity).

import { assert } from '../lib/assert.ts';
import { PORT_NO_MAX } from './limits.ts';
import { FDB_ACTION } from './verdict.ts';

const { LEARNED, REFRESHED, MOVED, EVICTED, PINNED, LIMIT, FULL } = FDB_ACTION;

/** Flags of an entry. A learned entry has none. */
export const FDB_FLAG = {
  /** Set by management: never ages, never moves. */
  STATIC: 1,
  /** An address of the switch itself (its host port): as static, and shown as permanent. */
  PERMANENT: 2,
  /** Does not move to another port. */
  STICKY: 4,
  /** Learned by somebody else (a control plane): never ages, moves with traffic. */
  EXTERN: 8,
} as const;

const FLAG_SHIFT = 11;
const PORT_MASK = 0x7ff;
const LASTING = (FDB_FLAG.STATIC | FDB_FLAG.PERMANENT | FDB_FLAG.EXTERN) << FLAG_SHIFT;
const PINNING = (FDB_FLAG.STATIC | FDB_FLAG.PERMANENT | FDB_FLAG.STICKY) << FLAG_SHIFT;
const NONE = -1;
/** Slots the background scan looks at in one `age` call. */
const SCAN_SLOTS = 8192;

/** Units of a stamp in a second. */
export const STAMPS_PER_S = 16;

/** One entry, for showing. */
export interface FdbEntry {
  hi: number;
  lo: number;
  fid: number;
  port: number;
  flags: number;
  /** Seconds since the station was last seen. */
  ageS: number;
}

/** A copy of all state, for `restore`. */
export interface FdbState {
  readonly size: number;
  readonly salt: number;
  readonly ageingS: number;
  readonly maxLearned: number;
  readonly table: Uint32Array;
  readonly prev: Int32Array;
  readonly next: Int32Array;
  readonly heads: Int32Array;
  readonly tails: Int32Array;
  readonly learned: Uint32Array;
  readonly generations: Uint16Array;
  readonly counters: readonly number[];
}

/** The address table. Times are in 1/16 s and never go back. */
export class Fdb {
  readonly size: number;
  /** Seconds an unseen station is kept; 0 = learn nothing, so every frame floods. */
  ageingS = 300;
  /** Learned entries allowed; 0 = no limit other than the table's size. */
  maxLearned = 0;
  /** Learned entries now, stale ones not counted (expired ones until they are collected). */
  learnedCount = 0;
  /** Static, permanent and external entries now. */
  lastingCount = 0;
  learnedTotal = 0;
  movedTotal = 0;
  expiredTotal = 0;
  evictedTotal = 0;
  refusedTotal = 0;

  readonly #slots: number;
  readonly #scale: number;
  readonly #salt: number;
  readonly #occupiedMax: number;
  readonly #table: Uint32Array;
  readonly #prev: Int32Array;
  readonly #next: Int32Array;
  readonly #heads = new Int32Array(PORT_NO_MAX + 1).fill(NONE);
  readonly #tails = new Int32Array(PORT_NO_MAX + 1).fill(NONE);
  readonly #learned = new Uint32Array(PORT_NO_MAX + 1);
  readonly #generations = new Uint16Array(PORT_NO_MAX + 1);
  #staleCount = 0;
  #portTop = 0;
  #cursor = 0;

  /** A table for `size` entries. `salt` is any 32-bit number outsiders cannot guess. */
  constructor(size: number, salt: number) {
    assert(size >= 1 && size <= 2 ** 20, `FDB size ${size} is outside 1..1048576`);
    this.size = size;
    this.#slots = Math.ceil((size * 4) / 3) + 4;
    this.#scale = this.#slots / 2 ** 32;
    this.#salt = salt | 0;
    this.#occupiedMax = Math.floor(this.#slots * 0.875);
    this.#table = new Uint32Array(this.#slots * 4);
    this.#prev = new Int32Array(this.#slots);
    this.#next = new Int32Array(this.#slots);
  }

  /** The egress set of a station: its port number, or 0 when it is unknown, too old or flushed. */
  lookup(hi: number, lo: number, now: number): number {
    const table = this.#table;
    let slot = this.#home(hi, lo);
    for (;;) {
      const at = slot << 2;
      const meta = table[at + 2] as number;
      if (meta === 0) return 0;
      if (table[at + 1] === lo && table[at] === hi) {
        const port = meta & PORT_MASK;
        if ((meta & LASTING) !== 0) return port;
        if (meta >>> 16 !== this.#generations[port]) return 0;
        return now - (table[at + 3] as number) < this.ageingS * STAMPS_PER_S ? port : 0;
      }
      if (++slot === this.#slots) slot = 0;
    }
  }

  /** Notes that station (hi, lo) was seen on `port`; returns the FDB_ACTION taken. Group addresses must not come here. */
  learn(hi: number, lo: number, port: number, now: number): number {
    const slot = this.#find(hi, lo);
    if (slot === NONE) return this.#insertLearned(hi, lo, port, now);
    const at = slot << 2;
    const table = this.#table;
    const meta = table[at + 2] as number;
    const old = meta & PORT_MASK;
    if ((meta & LASTING) !== 0) {
      if (old === port) return REFRESHED;
      if ((meta & PINNING) !== 0) return PINNED;
      table[at + 2] = (meta & ~PORT_MASK) | port;
      this.movedTotal++;
      return MOVED;
    }
    if (meta >>> 16 !== this.#generations[old]) {
      if (this.#isFull() || this.#isLimited()) return this.#insertLearned(hi, lo, port, now);
      this.#staleCount--;
      this.#occupy(slot, hi, lo, port, 0, now);
      this.learnedTotal++;
      return LEARNED;
    }
    const stamp = table[at + 3] as number;
    const isExpired = now - stamp >= this.ageingS * STAMPS_PER_S;
    if (old === port && !isExpired) {
      if (stamp !== now) {
        table[at + 3] = now;
        if (this.#tails[port] !== slot) {
          this.#unlink(slot, port);
          this.#link(slot, port);
        }
      }
      return REFRESHED;
    }
    if (!isExpired && (meta & PINNING) !== 0) return PINNED;
    this.#unlink(slot, old);
    this.#learned[old] = (this.#learned[old] as number) - 1;
    this.learnedCount--;
    this.#occupy(slot, hi, lo, port, (meta >>> FLAG_SHIFT) & 0x1f, now);
    if (isExpired) {
      this.expiredTotal++;
      this.learnedTotal++;
      return LEARNED;
    }
    this.movedTotal++;
    return MOVED;
  }

  /**
   * Sets an entry by management, replacing what was there. `flags` of FDB_FLAG; 0 makes an entry that ages like a
   * learned one. False when the table is full of entries that may not be evicted.
   */
  set(hi: number, lo: number, port: number, flags: number, now: number): boolean {
    const slot = this.#find(hi, lo);
    if (slot !== NONE) this.#delete(slot);
    if (this.#isFull() && !this.#evict()) return false;
    this.#occupy(this.#freeSlot(hi, lo), hi, lo, port, flags, now);
    return true;
  }

  /** Removes an entry of any kind; false when there was none that a lookup would find. */
  remove(hi: number, lo: number, now: number): boolean {
    const wasKnown = this.lookup(hi, lo, now) !== 0;
    const slot = this.#find(hi, lo);
    if (slot !== NONE) this.#delete(slot);
    return wasKnown;
  }

  /** Forgets what was learned on `port`, in constant time. Lasting entries stay. */
  flushPort(port: number): void {
    // After 65,536 flushes a generation comes round again: no entry of the old one may be left by then.
    if (this.#generations[port] === 0xffff) this.#sweepStale();
    const count = this.#learned[port] as number;
    this.#heads[port] = NONE;
    this.#tails[port] = NONE;
    this.#learned[port] = 0;
    this.learnedCount -= count;
    this.#staleCount += count;
    this.#generations[port] = ((this.#generations[port] as number) + 1) & 0xffff;
  }

  /** Forgets everything learned on every port. */
  flushAll(): void {
    for (let port = 1; port <= this.#portTop; port++) this.flushPort(port);
  }

  /** Removes every entry of a port that ceases to exist, lasting ones too. */
  removePort(port: number): void {
    this.flushPort(port);
    for (let slot = 0; slot < this.#slots; ) {
      const meta = this.#table[(slot << 2) + 2] as number;
      if (meta !== 0 && (meta & PORT_MASK) === port) this.#delete(slot);
      else slot++;
    }
  }

  /** Collects at most `budget` entries that are too old, and scans a bounded number of slots for stale ones. */
  age(now: number, budget: number): void {
    const limit = this.ageingS * STAMPS_PER_S;
    let left = budget;
    for (let port = 1; port <= this.#portTop; port++) {
      for (;;) {
        const head = this.#heads[port] as number;
        if (head === NONE || left === 0) break;
        if (now - (this.#table[(head << 2) + 3] as number) < limit) break;
        this.#delete(head);
        this.expiredTotal++;
        left--;
      }
    }
    for (let n = 0; n < SCAN_SLOTS && this.#staleCount > 0; n++) {
      if (this.#cursor >= this.#slots) this.#cursor = 0;
      if (this.#isStale(this.#table[(this.#cursor << 2) + 2] as number)) this.#delete(this.#cursor);
      else this.#cursor++;
    }
  }

  /** Calls `visit` for each entry a lookup would find, in no particular order. The entry object is reused. */
  forEach(now: number, visit: (entry: FdbEntry) => void): void {
    const entry: FdbEntry = { hi: 0, lo: 0, fid: 0, port: 0, flags: 0, ageS: 0 };
    for (let slot = 0; slot < this.#slots; slot++) {
      const at = slot << 2;
      const meta = this.#table[at + 2] as number;
      if (meta === 0 || this.#isStale(meta)) continue;
      const age = now - (this.#table[at + 3] as number);
      if ((meta & LASTING) === 0 && age >= this.ageingS * STAMPS_PER_S) continue;
      const hi = this.#table[at] as number;
      entry.hi = hi & 0xffff;
      entry.fid = hi >>> 16;
      entry.lo = this.#table[at + 1] as number;
      entry.port = meta & PORT_MASK;
      entry.flags = (meta >>> FLAG_SHIFT) & 0x1f;
      entry.ageS = age / STAMPS_PER_S;
      visit(entry);
    }
  }

  /** Learned entries of one port. */
  learnedOf(port: number): number {
    return this.#learned[port] as number;
  }

  /** A copy of the whole state. */
  save(): FdbState {
    return {
      size: this.size,
      salt: this.#salt,
      ageingS: this.ageingS,
      maxLearned: this.maxLearned,
      table: this.#table.slice(),
      prev: this.#prev.slice(),
      next: this.#next.slice(),
      heads: this.#heads.slice(),
      tails: this.#tails.slice(),
      learned: this.#learned.slice(),
      generations: this.#generations.slice(),
      counters: [
        this.learnedCount,
        this.lastingCount,
        this.learnedTotal,
        this.movedTotal,
        this.expiredTotal,
        this.evictedTotal,
        this.refusedTotal,
        this.#staleCount,
        this.#portTop,
        this.#cursor,
      ],
    };
  }

  /** A table in exactly the saved state. */
  static restore(state: FdbState): Fdb {
    const fdb = new Fdb(state.size, state.salt);
    fdb.ageingS = state.ageingS;
    fdb.maxLearned = state.maxLearned;
    fdb.#table.set(state.table);
    fdb.#prev.set(state.prev);
    fdb.#next.set(state.next);
    fdb.#heads.set(state.heads);
    fdb.#tails.set(state.tails);
    fdb.#learned.set(state.learned);
    fdb.#generations.set(state.generations);
    const at = (i: number) => state.counters[i] as number;
    fdb.learnedCount = at(0);
    fdb.lastingCount = at(1);
    fdb.learnedTotal = at(2);
    fdb.movedTotal = at(3);
    fdb.expiredTotal = at(4);
    fdb.evictedTotal = at(5);
    fdb.refusedTotal = at(6);
    fdb.#staleCount = at(7);
    fdb.#portTop = at(8);
    fdb.#cursor = at(9);
    return fdb;
  }

  /** Throws unless the table's own invariants hold; for tests. */
  check(): void {
    let [learned, lasting, stale] = [0, 0, 0];
    for (let slot = 0; slot < this.#slots; slot++) {
      const meta = this.#table[(slot << 2) + 2] as number;
      if (meta === 0) continue;
      if (this.#isStale(meta)) stale++;
      else if ((meta & LASTING) !== 0) lasting++;
      else learned++;
      assert(this.#find(this.#table[slot << 2] as number, this.#table[(slot << 2) + 1] as number) === slot, `slot ${slot} cannot be found`);
    }
    assert(learned === this.learnedCount, `${learned} learned, counted ${this.learnedCount}`);
    assert(lasting === this.lastingCount, `${lasting} lasting, counted ${this.lastingCount}`);
    assert(stale === this.#staleCount, `${stale} stale, counted ${this.#staleCount}`);
    for (let port = 1; port <= PORT_NO_MAX; port++) {
      let [n, prev, stamp] = [0, NONE, 0];
      for (let slot = this.#heads[port] as number; slot !== NONE; slot = this.#next[slot] as number) {
        const at = slot << 2;
        assert(this.#prev[slot] === prev, `list of port ${port} is broken at slot ${slot}`);
        assert(((this.#table[at + 2] as number) & PORT_MASK) === port, `slot ${slot} is in the list of port ${port}`);
        assert((this.#table[at + 3] as number) >= stamp, `list of port ${port} is out of order`);
        stamp = this.#table[at + 3] as number;
        prev = slot;
        n++;
      }
      assert(this.#tails[port] === prev, `tail of port ${port}`);
      assert(n === this.#learned[port], `port ${port}: ${n} in the list, counted ${this.#learned[port]}`);
    }
  }

  #home(hi: number, lo: number): number {
    let h = Math.imul(lo ^ this.#salt, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15) ^ hi, 0x85ebca77);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae3d);
    return ((h >>> 0) * this.#scale) | 0;
  }

  /** Slot of a key, stale or not, or NONE. */
  #find(hi: number, lo: number): number {
    const table = this.#table;
    let slot = this.#home(hi, lo);
    for (;;) {
      const at = slot << 2;
      if (table[at + 2] === 0) return NONE;
      if (table[at + 1] === lo && table[at] === hi) return slot;
      if (++slot === this.#slots) slot = 0;
    }
  }

  #isStale(meta: number): boolean {
    return meta !== 0 && (meta & LASTING) === 0 && meta >>> 16 !== this.#generations[meta & PORT_MASK];
  }

  #isFull(): boolean {
    return this.learnedCount + this.lastingCount >= this.size;
  }

  #isLimited(): boolean {
    return this.maxLearned !== 0 && this.learnedCount >= this.maxLearned;
  }

  #insertLearned(hi: number, lo: number, port: number, now: number): number {
    if (this.#isLimited()) {
      this.refusedTotal++;
      return LIMIT;
    }
    let action: number = LEARNED;
    if (this.#isFull()) {
      if (!this.#evict()) {
        this.refusedTotal++;
        return FULL;
      }
      action = EVICTED;
    }
    const stale = this.#find(hi, lo);
    if (stale !== NONE) this.#delete(stale);
    this.#occupy(this.#freeSlot(hi, lo), hi, lo, port, 0, now);
    this.learnedTotal++;
    return action;
  }

  /** A slot on the chain of a key that is not in the table: the first stale one, else the empty one at the end. */
  #freeSlot(hi: number, lo: number): number {
    if (this.learnedCount + this.lastingCount + this.#staleCount >= this.#occupiedMax) this.#sweepStale();
    let slot = this.#home(hi, lo);
    for (;;) {
      const meta = this.#table[(slot << 2) + 2] as number;
      if (meta === 0) return slot;
      if (this.#isStale(meta)) {
        this.#staleCount--;
        return slot;
      }
      if (++slot === this.#slots) slot = 0;
    }
  }

  /** Writes an entry into a slot that nothing counts any more, and counts it. */
  #occupy(slot: number, hi: number, lo: number, port: number, flags: number, now: number): void {
    const at = slot << 2;
    const meta = (((this.#generations[port] as number) << 16) | (flags << FLAG_SHIFT) | port) >>> 0;
    this.#table[at] = hi;
    this.#table[at + 1] = lo;
    this.#table[at + 2] = meta;
    this.#table[at + 3] = now;
    if (port > this.#portTop) this.#portTop = port;
    if ((meta & LASTING) !== 0) {
      this.lastingCount++;
      return;
    }
    this.#link(slot, port);
    this.#learned[port] = (this.#learned[port] as number) + 1;
    this.learnedCount++;
  }

  #link(slot: number, port: number): void {
    const tail = this.#tails[port] as number;
    this.#prev[slot] = tail;
    this.#next[slot] = NONE;
    if (tail === NONE) this.#heads[port] = slot;
    else this.#next[tail] = slot;
    this.#tails[port] = slot;
  }

  #unlink(slot: number, port: number): void {
    const prev = this.#prev[slot] as number;
    const next = this.#next[slot] as number;
    if (prev === NONE) this.#heads[port] = next;
    else this.#next[prev] = next;
    if (next === NONE) this.#tails[port] = prev;
    else this.#prev[next] = prev;
  }

  /** Evicts the least recently seen entry of the port that holds most; false when nothing may be evicted. */
  #evict(): boolean {
    let most = 0;
    for (let port = 1; port <= this.#portTop; port++) {
      if ((this.#learned[port] as number) > (this.#learned[most] as number)) most = port;
    }
    if (most === 0) return false;
    this.#delete(this.#heads[most] as number);
    this.evictedTotal++;
    return true;
  }

  #sweepStale(): void {
    for (let slot = 0; slot < this.#slots && this.#staleCount > 0; ) {
      if (this.#isStale(this.#table[(slot << 2) + 2] as number)) this.#delete(slot);
      else slot++;
    }
  }

  /** Empties a slot and shifts back the entries behind it that may stand nearer to their home. */
  #delete(slot: number): void {
    const table = this.#table;
    const meta = table[(slot << 2) + 2] as number;
    if (this.#isStale(meta)) {
      this.#staleCount--;
    } else if ((meta & LASTING) !== 0) {
      this.lastingCount--;
    } else {
      const port = meta & PORT_MASK;
      this.#unlink(slot, port);
      this.#learned[port] = (this.#learned[port] as number) - 1;
      this.learnedCount--;
    }
    let hole = slot;
    for (let probe = slot; ; ) {
      if (++probe === this.#slots) probe = 0;
      const at = probe << 2;
      if (table[at + 2] === 0) break;
      const home = this.#home(table[at] as number, table[at + 1] as number);
      // Does the entry's home lie cyclically in (hole, probe]? Then it must stay where it is.
      if (hole <= probe ? hole < home && home <= probe : hole < home || home <= probe) continue;
      this.#shift(probe, hole);
      hole = probe;
    }
    table[(hole << 2) + 2] = 0;
  }

  #shift(from: number, to: number): void {
    const table = this.#table;
    const meta = table[(from << 2) + 2] as number;
    table.copyWithin(to << 2, from << 2, (from << 2) + 4);
    if ((meta & LASTING) !== 0 || this.#isStale(meta)) return;
    const prev = this.#prev[from] as number;
    const next = this.#next[from] as number;
    this.#prev[to] = prev;
    this.#next[to] = next;
    const port = meta & PORT_MASK;
    if (prev === NONE) this.#heads[port] = to;
    else this.#next[prev] = to;
    if (next === NONE) this.#tails[port] = to;
    else this.#prev[next] = to;
  }
}
