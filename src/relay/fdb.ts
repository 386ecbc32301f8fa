// The Filtering Database [802.1D-2004 7.9]: which port a station was last seen on.
//
// Key: 48-bit address plus 16-bit FID, as two u32 (`hi` = fid << 16 | first two octets, `lo` = last
// four). FID is 0 until VLANs come. Value: an egress set, which for a station is its port number.
//
// Entries are numbered from 1 and never move; fdb-index.ts finds them by their key.
//
//   entries[4e]     hi        entries[4e+2]  meta: generation(16) | flags(5) | port(11); 0 = free
//   entries[4e+1]   lo        entries[4e+3]  stamp: time last seen, in 1/16 s
//
// With its list links and its share of the index an entry takes 32 octets when the size is a power
// of two, 35 at the most.
//
// Ageing. An entry that ages lives in its port's list, least recently seen first (a refresh moves it
// to the tail, only when its 1/16 s stamp changes). Expiry therefore looks at list heads only, and a
// look-up checks the stamp, so an entry that is too old is a miss even before it is collected.
//
// Flush. Flushing a port increments its generation, which makes its ageing entries misses at once
// ("stale"), and moves its whole list behind the list of stale ones. They are taken back when an
// entry is needed, and by a bounded number in each `age`. All of this takes constant time.
//
// Full. The least recently seen entry of the port that holds most gives way: a port that floods
// addresses evicts its own, as in Open vSwitch. With `maxLearned` set, the newcomer is refused
// instead, as in the kernel's fdb_max_learned, which does not count what management added. Static,
// permanent and external entries are never evicted, never aged and survive a flush; static,
// permanent and sticky ones do not move (7.9.1; the kernel lets a static entry roam, which we treat
// as its peculiarity).

import { assert } from '../lib/assert.ts';
import { EntryLists } from './entry-lists.ts';
import { FdbIndex } from './fdb-index.ts';
import type { FdbEntry, FdbState } from './fdb-state.ts';
import { FDB_SIZE_MAX, PORT_NO_MAX } from './limits.ts';
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

const FLAGS_SETTABLE = 0xf;
/** Added by management but ages; does not count toward `maxLearned`. */
const USER_FLAG = 16;

const PORT_MASK = 0x7ff;
const FLAG_SHIFT = 11;
const LASTING = (FDB_FLAG.STATIC | FDB_FLAG.PERMANENT | FDB_FLAG.EXTERN) << FLAG_SHIFT;
const PINNING = (FDB_FLAG.STATIC | FDB_FLAG.PERMANENT | FDB_FLAG.STICKY) << FLAG_SHIFT;
const USER = USER_FLAG << FLAG_SHIFT;
/** The list of entries whose port was flushed; list p is that of port p. */
const STALE = 0;
/** The list of entries not in use. */
const FREE = PORT_NO_MAX + 1;
/** Stale entries taken back in one `age` call. */
const STALE_BUDGET = 4096;

/** Units of a stamp in a second. */
export const STAMPS_PER_S = 16;

/** The address table. Times are in 1/16 s, below 2^32, and never go back. */
export class Fdb {
  readonly size: number;
  /** Seconds an unseen station is kept; 0 = every entry that ages is too old at once. */
  ageingS = 300;
  /** Learned entries allowed; 0 = no limit other than the table's size. */
  maxLearned = 0;
  /** Static, permanent and external entries now. */
  lastingCount = 0;
  learnedTotal = 0;
  movedTotal = 0;
  expiredTotal = 0;
  evictedTotal = 0;
  refusedTotal = 0;

  readonly #salt: number;
  readonly #entries: Uint32Array;
  readonly #index: FdbIndex;
  readonly #lists: EntryLists;
  /** Entries of each port that management added and that age. */
  readonly #users = new Uint32Array(PORT_NO_MAX + 1);
  readonly #generations = new Uint16Array(PORT_NO_MAX + 1);
  /** Entries that age, stale ones not counted (expired ones until they are collected). */
  #ageingCount = 0;
  #userCount = 0;
  #portTop = 0;

  /** A table for `size` entries. `salt` is any 32-bit number outsiders cannot guess. */
  constructor(size: number, salt: number) {
    assert(Number.isInteger(size) && size >= 1 && size <= FDB_SIZE_MAX, `FDB size ${size} is outside 1..${FDB_SIZE_MAX}`);
    this.size = size;
    this.#salt = salt | 0;
    this.#entries = new Uint32Array((size + 1) * 4);
    this.#index = new FdbIndex(this.#entries, size, this.#salt);
    this.#lists = new EntryLists(size, PORT_NO_MAX + 2);
    for (let entry = 1; entry <= size; entry++) this.#lists.append(FREE, entry);
  }

  /** Entries of every kind now (expired ones until they are collected). */
  get count(): number {
    return this.#ageingCount + this.lastingCount;
  }

  /** Entries learned from traffic now, stale ones not counted (expired ones until they are collected). */
  get learnedCount(): number {
    return this.#ageingCount - this.#userCount;
  }

  /** The egress set of a station: its port number, or 0 when it is unknown, too old or flushed. */
  lookup(hi: number, lo: number, now: number): number {
    const entry = this.#index.find(hi, lo);
    if (entry === 0) return 0;
    const at = entry << 2;
    const meta = this.#entries[at + 2] as number;
    const port = meta & PORT_MASK;
    if ((meta & LASTING) !== 0) return port;
    if (meta >>> 16 !== this.#generations[port]) return 0;
    return now - (this.#entries[at + 3] as number) < this.ageingS * STAMPS_PER_S ? port : 0;
  }

  /** Notes that station (hi, lo) was seen on `port`; returns the FDB_ACTION taken. Group addresses must not come here. */
  learn(hi: number, lo: number, port: number, now: number): number {
    const entry = this.#index.find(hi, lo);
    if (entry === 0) return this.#insertLearned(hi, lo, port, now);
    const at = entry << 2;
    const entries = this.#entries;
    const meta = entries[at + 2] as number;
    const old = meta & PORT_MASK;
    if ((meta & LASTING) !== 0) {
      if (old === port) return REFRESHED;
      if ((meta & PINNING) !== 0) return PINNED;
      entries[at + 2] = (meta & ~PORT_MASK) | port;
      this.movedTotal++;
      return MOVED;
    }
    const stamp = entries[at + 3] as number;
    const isStale = this.#isStale(meta);
    if (isStale || now - stamp >= this.ageingS * STAMPS_PER_S) {
      // As if it had been collected already: what it was has no say in what it becomes.
      this.#uncount(entry, meta);
      if (!isStale) this.expiredTotal++;
      if (this.#isLimited() || this.#isFull()) {
        this.#free(entry);
        return this.#insertLearned(hi, lo, port, now);
      }
      this.#count(entry, port, 0, now);
      this.learnedTotal++;
      return LEARNED;
    }
    if (old === port) {
      if (stamp !== now) {
        entries[at + 3] = now;
        if (this.#lists.tails[port] !== entry) {
          this.#lists.remove(port, entry);
          this.#lists.append(port, entry);
        }
      }
      return REFRESHED;
    }
    if ((meta & PINNING) !== 0) return PINNED;
    this.#uncount(entry, meta);
    this.#count(entry, port, (meta >>> FLAG_SHIFT) & 0x1f, now);
    this.movedTotal++;
    return MOVED;
  }

  /**
   * Sets an entry by management, replacing what was there. `flags` of FDB_FLAG; 0 makes an entry that ages like a
   * learned one. False when the table is full of entries that may not be evicted.
   */
  set(hi: number, lo: number, port: number, flags: number, now: number): boolean {
    assert((flags & ~FLAGS_SETTABLE) === 0, `FDB flags ${flags}`);
    const entry = this.#index.find(hi, lo);
    if (entry !== 0) this.#remove(entry, this.#entries[(entry << 2) + 2] as number);
    if (this.#isFull() && !this.#evict()) return false;
    this.#insert(hi, lo, port, flags | USER_FLAG, now);
    return true;
  }

  /** Removes an entry of any kind; false when there was none that a look-up would find. */
  remove(hi: number, lo: number, now: number): boolean {
    const wasKnown = this.lookup(hi, lo, now) !== 0;
    const entry = this.#index.find(hi, lo);
    if (entry !== 0) this.#remove(entry, this.#entries[(entry << 2) + 2] as number);
    return wasKnown;
  }

  /** Forgets what was learned on `port`, in constant time. Lasting entries stay. */
  flushPort(port: number): void {
    const generation = ((this.#generations[port] as number) + 1) & 0xffff;
    this.#ageingCount -= this.#lists.counts[port] as number;
    this.#userCount -= this.#users[port] as number;
    this.#users[port] = 0;
    this.#lists.moveAll(port, STALE);
    this.#generations[port] = generation;
    // After 65,536 flushes a generation comes round again, and what was flushed in it must not come back with it.
    if (generation === 0) this.#reclaim(this.size);
  }

  /** Forgets everything learned on every port. */
  flushAll(): void {
    for (let port = 1; port <= this.#portTop; port++) this.flushPort(port);
  }

  /** Removes every entry of a port that ceases to exist, lasting ones too. */
  removePort(port: number): void {
    this.flushPort(port);
    if (this.lastingCount === 0) return;
    for (let entry = 1; entry <= this.size; entry++) {
      const meta = this.#entries[(entry << 2) + 2] as number;
      if ((meta & LASTING) !== 0 && (meta & PORT_MASK) === port) this.#remove(entry, meta);
    }
  }

  /** Collects at most `budget` entries that are too old, and a bounded number of stale ones. */
  age(now: number, budget: number): void {
    const limit = this.ageingS * STAMPS_PER_S;
    let left = budget;
    for (let port = 1; port <= this.#portTop; port++) {
      for (;;) {
        const head = this.#lists.heads[port] as number;
        if (head === 0 || left === 0) break;
        const at = head << 2;
        if (now - (this.#entries[at + 3] as number) < limit) break;
        this.#remove(head, this.#entries[at + 2] as number);
        this.expiredTotal++;
        left--;
      }
    }
    this.#reclaim(STALE_BUDGET);
  }

  /** Calls `visit` for each entry a look-up would find, in no particular order. The entry object is reused. */
  forEach(now: number, visit: (entry: FdbEntry) => void): void {
    const shown: FdbEntry = { hi: 0, lo: 0, fid: 0, port: 0, flags: 0, ageS: 0 };
    for (let at = 4; at < this.#entries.length; at += 4) {
      const meta = this.#entries[at + 2] as number;
      if (meta === 0 || this.#isStale(meta)) continue;
      const age = now - (this.#entries[at + 3] as number);
      if ((meta & LASTING) === 0 && age >= this.ageingS * STAMPS_PER_S) continue;
      const hi = this.#entries[at] as number;
      shown.hi = hi & 0xffff;
      shown.fid = hi >>> 16;
      shown.lo = this.#entries[at + 1] as number;
      shown.port = meta & PORT_MASK;
      shown.flags = (meta >>> FLAG_SHIFT) & FLAGS_SETTABLE;
      shown.ageS = age / STAMPS_PER_S;
      visit(shown);
    }
  }

  /** Entries of one port that were learned from traffic. */
  learnedOf(port: number): number {
    return (this.#lists.counts[port] as number) - (this.#users[port] as number);
  }

  /** A copy of the whole state. */
  save(): FdbState {
    return {
      size: this.size,
      salt: this.#salt,
      ageingS: this.ageingS,
      maxLearned: this.maxLearned,
      index: this.#index.save(),
      entries: this.#entries.slice(),
      lists: this.#lists.save(),
      users: this.#users.slice(),
      generations: this.#generations.slice(),
      counters: [
        this.lastingCount,
        this.learnedTotal,
        this.movedTotal,
        this.expiredTotal,
        this.evictedTotal,
        this.refusedTotal,
        this.#ageingCount,
        this.#userCount,
        this.#portTop,
      ],
    };
  }

  /** A table in exactly the saved state. */
  static restore(state: FdbState): Fdb {
    const fdb = new Fdb(state.size, state.salt);
    fdb.ageingS = state.ageingS;
    fdb.maxLearned = state.maxLearned;
    fdb.#index.restore(state.index);
    fdb.#entries.set(state.entries);
    fdb.#lists.restore(state.lists);
    fdb.#users.set(state.users);
    fdb.#generations.set(state.generations);
    const at = (i: number) => state.counters[i] as number;
    fdb.lastingCount = at(0);
    fdb.learnedTotal = at(1);
    fdb.movedTotal = at(2);
    fdb.expiredTotal = at(3);
    fdb.evictedTotal = at(4);
    fdb.refusedTotal = at(5);
    fdb.#ageingCount = at(6);
    fdb.#userCount = at(7);
    fdb.#portTop = at(8);
    return fdb;
  }

  /** Throws unless the table's own invariants hold; for tests. */
  check(): void {
    const inUse: number[] = [];
    let [ageing, lasting, users] = [0, 0, 0];
    for (let entry = 1; entry <= this.size; entry++) {
      const meta = this.#entries[(entry << 2) + 2] as number;
      if (meta === 0) continue;
      inUse.push(entry);
      if ((meta & LASTING) !== 0) lasting++;
      else if (!this.#isStale(meta)) {
        ageing++;
        if ((meta & USER) !== 0) users++;
      }
    }
    this.#index.check(inUse);
    const free = this.#lists.check(FREE).length;
    assert(inUse.length + free === this.size, `${inUse.length} entries in use and ${free} free of ${this.size}`);
    assert(ageing === this.#ageingCount, `${ageing} ageing, counted ${this.#ageingCount}`);
    assert(lasting === this.lastingCount, `${lasting} lasting, counted ${this.lastingCount}`);
    assert(users === this.#userCount, `${users} added to age, counted ${this.#userCount}`);
    const stale = this.#lists.check(STALE).length;
    assert(stale + ageing + lasting === inUse.length, `${stale} stale, ${ageing} ageing, ${lasting} lasting of ${inUse.length}`);
    for (let port = 1; port <= PORT_NO_MAX; port++) {
      let stamp = 0;
      for (const entry of this.#lists.check(port)) {
        const at = entry << 2;
        assert(((this.#entries[at + 2] as number) & PORT_MASK) === port, `entry ${entry} is in the list of port ${port}`);
        assert((this.#entries[at + 3] as number) >= stamp, `list of port ${port} is out of order`);
        stamp = this.#entries[at + 3] as number;
      }
    }
  }

  #isStale(meta: number): boolean {
    return (meta & LASTING) === 0 && meta >>> 16 !== this.#generations[meta & PORT_MASK];
  }

  #isFull(): boolean {
    return this.count >= this.size;
  }

  #isLimited(): boolean {
    return this.maxLearned !== 0 && this.learnedCount >= this.maxLearned;
  }

  /** Inserts a key that is not in the table. */
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
    this.#insert(hi, lo, port, 0, now);
    this.learnedTotal++;
    return action;
  }

  /** Inserts a key that is not in the table, which has room for it. */
  #insert(hi: number, lo: number, port: number, flags: number, now: number): void {
    if (this.#lists.heads[FREE] === 0) this.#reclaim(1);
    const entry = this.#lists.heads[FREE] as number;
    this.#lists.remove(FREE, entry);
    this.#entries[entry << 2] = hi;
    this.#entries[(entry << 2) + 1] = lo;
    this.#count(entry, port, flags, now);
    this.#index.add(entry);
  }

  /** Gives an entry its value and counts it. */
  #count(entry: number, port: number, flags: number, now: number): void {
    const meta = ((this.#generations[port] as number) << 16) | (flags << FLAG_SHIFT) | port;
    this.#entries[(entry << 2) + 2] = meta;
    this.#entries[(entry << 2) + 3] = now;
    if ((meta & LASTING) !== 0) {
      this.lastingCount++;
      return;
    }
    if (port > this.#portTop) this.#portTop = port;
    this.#lists.append(port, entry);
    this.#ageingCount++;
    if ((meta & USER) === 0) return;
    this.#users[port] = (this.#users[port] as number) + 1;
    this.#userCount++;
  }

  /** Takes an entry's value away: it is in no list and nothing counts it any more. */
  #uncount(entry: number, meta: number): void {
    if ((meta & LASTING) !== 0) {
      this.lastingCount--;
      return;
    }
    if (this.#isStale(meta)) {
      this.#lists.remove(STALE, entry);
      return;
    }
    const port = meta & PORT_MASK;
    this.#lists.remove(port, entry);
    this.#ageingCount--;
    if ((meta & USER) === 0) return;
    this.#users[port] = (this.#users[port] as number) - 1;
    this.#userCount--;
  }

  /** Removes an entry of any kind. */
  #remove(entry: number, meta: number): void {
    this.#uncount(entry, meta);
    this.#free(entry);
  }

  /** Takes back at most `budget` stale entries. */
  #reclaim(budget: number): void {
    for (let n = 0; n < budget; n++) {
      const entry = this.#lists.heads[STALE] as number;
      if (entry === 0) return;
      this.#lists.remove(STALE, entry);
      this.#free(entry);
    }
  }

  /** Evicts the least recently seen entry of the port that holds most; false when nothing may be evicted. */
  #evict(): boolean {
    const { counts, heads } = this.#lists;
    let most = 1;
    for (let port = 2; port <= this.#portTop; port++) if ((counts[port] as number) > (counts[most] as number)) most = port;
    const entry = heads[most] as number;
    if (entry === 0) return false;
    this.#remove(entry, this.#entries[(entry << 2) + 2] as number);
    this.evictedTotal++;
    return true;
  }

  /** Takes back an entry that nothing counts any more. */
  #free(entry: number): void {
    this.#index.remove(entry);
    this.#entries[(entry << 2) + 2] = 0;
    this.#lists.append(FREE, entry);
  }
}
