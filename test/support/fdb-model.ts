// The FDB as one would explain it: a Map, a clock and a sequence number, without any of the real
// one's structure. The property test holds the real one against it.

import { FDB_FLAG, STAMPS_PER_S } from '../../src/relay/fdb.ts';
import { FDB_ACTION } from '../../src/relay/verdict.ts';

const LASTING = FDB_FLAG.STATIC | FDB_FLAG.PERMANENT | FDB_FLAG.EXTERN;
const PINNING = FDB_FLAG.STATIC | FDB_FLAG.PERMANENT | FDB_FLAG.STICKY;

interface ModelEntry {
  key: number;
  port: number;
  flags: number;
  byUser: boolean;
  stamp: number;
  /** Position in the order of "least recently seen": larger is more recent. */
  order: number;
}

/** What the FDB must do, for keys that are plain numbers. */
export class FdbModel {
  ageingS = 300;
  maxLearned = 0;
  readonly entries = new Map<number, ModelEntry>();
  readonly totals = { learned: 0, moved: 0, expired: 0, evicted: 0, refused: 0 };
  readonly #size: number;
  #order = 0;

  constructor(size: number) {
    this.#size = size;
  }

  lookup(key: number, now: number): number {
    const entry = this.entries.get(key);
    return entry === undefined || this.#isExpired(entry, now) ? 0 : entry.port;
  }

  learn(key: number, port: number, now: number): number {
    const entry = this.entries.get(key);
    if (entry === undefined) return this.#insertLearned(key, port, now);
    if ((entry.flags & LASTING) !== 0) {
      if (entry.port === port) return FDB_ACTION.REFRESHED;
      if ((entry.flags & PINNING) !== 0) return FDB_ACTION.PINNED;
      entry.port = port;
      this.totals.moved++;
      return FDB_ACTION.MOVED;
    }
    if (this.#isExpired(entry, now)) {
      this.entries.delete(key);
      this.totals.expired++;
      return this.#insertLearned(key, port, now);
    }
    if (entry.port !== port) {
      if ((entry.flags & PINNING) !== 0) return FDB_ACTION.PINNED;
      Object.assign(entry, { port, stamp: now, order: ++this.#order });
      this.totals.moved++;
      return FDB_ACTION.MOVED;
    }
    if (entry.stamp !== now) Object.assign(entry, { stamp: now, order: ++this.#order });
    return FDB_ACTION.REFRESHED;
  }

  set(key: number, port: number, flags: number, now: number): boolean {
    this.entries.delete(key);
    if (this.entries.size >= this.#size && !this.#evict()) return false;
    this.#put(key, port, flags, true, now);
    return true;
  }

  remove(key: number, now: number): boolean {
    const wasKnown = this.lookup(key, now) !== 0;
    this.entries.delete(key);
    return wasKnown;
  }

  flushPort(port: number): void {
    for (const entry of this.ageing(port)) this.entries.delete(entry.key);
  }

  flushAll(): void {
    for (const [key, entry] of this.entries) if ((entry.flags & LASTING) === 0) this.entries.delete(key);
  }

  removePort(port: number): void {
    for (const [key, entry] of this.entries) if (entry.port === port) this.entries.delete(key);
  }

  age(now: number, budget: number): void {
    let left = budget;
    for (const port of this.#ports()) {
      for (const entry of this.ageing(port)) {
        if (left === 0 || !this.#isExpired(entry, now)) break;
        this.entries.delete(entry.key);
        this.totals.expired++;
        left--;
      }
    }
  }

  /** Entries a look-up would find. */
  known(now: number): ModelEntry[] {
    return [...this.entries.values()].filter((entry) => !this.#isExpired(entry, now));
  }

  /** Entries of a port that age, least recently seen first. */
  ageing(port: number): ModelEntry[] {
    return [...this.entries.values()]
      .filter((entry) => entry.port === port && (entry.flags & LASTING) === 0)
      .sort((a, b) => a.order - b.order);
  }

  get learnedCount(): number {
    return [...this.entries.values()].filter(({ flags, byUser }) => (flags & LASTING) === 0 && !byUser).length;
  }

  get lastingCount(): number {
    return [...this.entries.values()].filter(({ flags }) => (flags & LASTING) !== 0).length;
  }

  #isExpired({ flags, stamp }: ModelEntry, now: number): boolean {
    return (flags & LASTING) === 0 && now - stamp >= this.ageingS * STAMPS_PER_S;
  }

  /** Ports that have entries, in order. */
  #ports(): number[] {
    return [...new Set([...this.entries.values()].map(({ port }) => port))].sort((a, b) => a - b);
  }

  #insertLearned(key: number, port: number, now: number): number {
    if (this.maxLearned !== 0 && this.learnedCount >= this.maxLearned) {
      this.totals.refused++;
      return FDB_ACTION.LIMIT;
    }
    const isFull = this.entries.size >= this.#size;
    if (isFull && !this.#evict()) {
      this.totals.refused++;
      return FDB_ACTION.FULL;
    }
    this.#put(key, port, 0, false, now);
    this.totals.learned++;
    return isFull ? FDB_ACTION.EVICTED : FDB_ACTION.LEARNED;
  }

  #put(key: number, port: number, flags: number, byUser: boolean, now: number): void {
    this.entries.set(key, { key, port, flags, byUser, stamp: now, order: ++this.#order });
  }

  /** The port with most entries that age, the lowest of equals, loses its least recently seen one. */
  #evict(): boolean {
    let most: ModelEntry[] = [];
    for (const port of this.#ports()) {
      const entries = this.ageing(port);
      if (entries.length > most.length) most = entries;
    }
    const victim = most[0];
    if (victim === undefined) return false;
    this.entries.delete(victim.key);
    this.totals.evicted++;
    return true;
  }
}
