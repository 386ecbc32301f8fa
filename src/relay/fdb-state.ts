// The FDB as plain data: one entry for showing, and the whole of it for saving.

import type { EntryListsState } from './entry-lists.ts';

/** One entry, for showing. */
export interface FdbEntry {
  hi: number;
  lo: number;
  fid: number;
  port: number;
  /** Bits of FDB_FLAG. */
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
  readonly index: Int32Array;
  readonly entries: Uint32Array;
  readonly lists: EntryListsState;
  readonly users: Uint32Array;
  readonly generations: Uint16Array;
  readonly counters: readonly number[];
}
