// Doubly linked lists over numbered entries, each entry in one list at the most. The FDB keeps the
// ageing entries of each port in one, least recently seen first.
//
// Entries count from 1, so that 0 ends a list. Every operation takes constant time, also moving a
// whole list behind another.

import { assert } from '../lib/assert.ts';

/** A copy of all state, for `restore`. */
export interface EntryListsState {
  readonly prev: Int32Array;
  readonly next: Int32Array;
  readonly heads: Int32Array;
  readonly tails: Int32Array;
  readonly counts: Int32Array;
}

/** Lists 0 .. listCount - 1 over the entries 1 .. entryCount. */
export class EntryLists {
  /** First entry of each list, or 0. Read only. */
  readonly heads: Int32Array;
  /** Last entry of each list, or 0. Read only. */
  readonly tails: Int32Array;
  /** Entries in each list. Read only. */
  readonly counts: Int32Array;
  readonly #prev: Int32Array;
  readonly #next: Int32Array;

  /** Empty lists. */
  constructor(entryCount: number, listCount: number) {
    this.heads = new Int32Array(listCount);
    this.tails = new Int32Array(listCount);
    this.counts = new Int32Array(listCount);
    this.#prev = new Int32Array(entryCount + 1);
    this.#next = new Int32Array(entryCount + 1);
  }

  /** Puts an entry that is in no list at the end of `list`. */
  append(list: number, entry: number): void {
    const tail = this.tails[list] as number;
    this.#prev[entry] = tail;
    this.#next[entry] = 0;
    if (tail === 0) this.heads[list] = entry;
    else this.#next[tail] = entry;
    this.tails[list] = entry;
    this.counts[list] = (this.counts[list] as number) + 1;
  }

  /** Takes an entry out of the list it is in. */
  remove(list: number, entry: number): void {
    const prev = this.#prev[entry] as number;
    const next = this.#next[entry] as number;
    if (prev === 0) this.heads[list] = next;
    else this.#next[prev] = next;
    if (next === 0) this.tails[list] = prev;
    else this.#prev[next] = prev;
    this.counts[list] = (this.counts[list] as number) - 1;
  }

  /** Moves every entry of `from` to the end of `to`, in order. */
  moveAll(from: number, to: number): void {
    const head = this.heads[from] as number;
    if (head === 0) return;
    const tail = this.tails[to] as number;
    if (tail === 0) this.heads[to] = head;
    else this.#next[tail] = head;
    this.#prev[head] = tail;
    this.tails[to] = this.tails[from] as number;
    this.counts[to] = (this.counts[to] as number) + (this.counts[from] as number);
    this.heads[from] = 0;
    this.tails[from] = 0;
    this.counts[from] = 0;
  }

  /** The entries of `list` in order; throws unless the list is sound. For tests. */
  check(list: number): number[] {
    const entries: number[] = [];
    let prev = 0;
    for (let entry = this.heads[list] as number; entry !== 0; entry = this.#next[entry] as number) {
      assert(this.#prev[entry] === prev, `list ${list} is broken at entry ${entry}`);
      entries.push(entry);
      assert(entries.length < this.#next.length, `list ${list} runs in a circle`);
      prev = entry;
    }
    assert(this.tails[list] === prev, `list ${list} ends at ${this.tails[list]}, not ${prev}`);
    assert(this.counts[list] === entries.length, `list ${list} has ${entries.length} entries, counted ${this.counts[list]}`);
    return entries;
  }

  /** A copy of the whole state. */
  save(): EntryListsState {
    return {
      prev: this.#prev.slice(),
      next: this.#next.slice(),
      heads: this.heads.slice(),
      tails: this.tails.slice(),
      counts: this.counts.slice(),
    };
  }

  /** Back to a saved state of lists of the same size. */
  restore(state: EntryListsState): void {
    this.#prev.set(state.prev);
    this.#next.set(state.next);
    this.heads.set(state.heads);
    this.tails.set(state.tails);
    this.counts.set(state.counts);
  }
}
