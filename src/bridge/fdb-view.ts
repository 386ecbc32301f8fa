// The FDB as users see it, made in two steps because it can hold a million entries: the thread that
// forwards copies it into a few typed arrays (`copyFdb`, milliseconds at most), and whoever shows it
// makes records of those (`fdbEntries`), in a thread that may take its time.

import { FDB_FLAG, type Fdb } from '../relay/fdb.ts';
import { formatMac } from '../wire/ethernet.ts';
import type { FdbSnapshotEntry } from './snapshot.ts';

/** A copy of the entries a look-up would find, a column a field; the first `count` of each count. */
export interface FdbColumns {
  count: number;
  hi: Uint16Array;
  lo: Uint32Array;
  fid: Uint16Array;
  port: Uint16Array;
  flags: Uint8Array;
  ageS: Float32Array;
}

/** Copies what `fdb` holds at `now` (in 1/16 s). */
export function copyFdb(fdb: Fdb, now: number): FdbColumns {
  const size = fdb.count;
  const columns: FdbColumns = {
    count: 0,
    hi: new Uint16Array(size),
    lo: new Uint32Array(size),
    fid: new Uint16Array(size),
    port: new Uint16Array(size),
    flags: new Uint8Array(size),
    ageS: new Float32Array(size),
  };
  fdb.forEach(now, (entry) => {
    const at = columns.count++;
    columns.hi[at] = entry.hi;
    columns.lo[at] = entry.lo;
    columns.fid[at] = entry.fid;
    columns.port[at] = entry.port;
    columns.flags[at] = entry.flags;
    columns.ageS[at] = entry.ageS;
  });
  return columns;
}

/** The entries as records, sorted by address; `nameOf` tells a port's name. */
export function fdbEntries(columns: FdbColumns, nameOf: (portNo: number) => string | undefined): FdbSnapshotEntry[] {
  const entries: FdbSnapshotEntry[] = [];
  for (let at = 0; at < columns.count; at++) {
    const portNo = columns.port[at] as number;
    const flags = columns.flags[at] as number;
    const state = (flags & FDB_FLAG.PERMANENT) !== 0 ? 'permanent' : (flags & FDB_FLAG.STATIC) !== 0 ? 'static' : 'dynamic';
    const names: string[] = [];
    if ((flags & FDB_FLAG.STICKY) !== 0) names.push('sticky');
    if ((flags & FDB_FLAG.EXTERN) !== 0) names.push('extern_learn');
    entries.push({
      mac: formatMac(columns.hi[at] as number, columns.lo[at] as number),
      portNo,
      ifname: nameOf(portNo) ?? `port ${portNo}`,
      fid: columns.fid[at] as number,
      state,
      age_s: state === 'dynamic' ? Math.floor(columns.ageS[at] as number) : 0,
      flags: names,
    });
  }
  return entries.sort((a, b) => (a.mac < b.mac ? -1 : a.mac > b.mac ? 1 : a.fid - b.fid));
}
