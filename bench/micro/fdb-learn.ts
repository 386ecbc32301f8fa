// What a source address costs: seen again in the same 1/16 s, seen again later, new to a table with
// room (a flush between rounds), and new to a full table (every one evicts another).

import { Prng } from '../../src/lib/prng.ts';
import { Fdb } from '../../src/relay/fdb.ts';
import { nsPerOperation, report } from '../measure.ts';

const ENTRIES = 65_536;
const PORTS = 16;

const prng = new Prng(1);
const los = Uint32Array.from({ length: 4 * ENTRIES }, () => prng.next());

function learnAll(fdb: Fdb, from: number, count: number, now: number): number {
  for (let n = from; n < from + count; n++) fdb.learn(0x5254, los[n] as number, 1 + (n % PORTS), now);
  return count;
}

let now = 0;
const same = new Fdb(ENTRIES, prng.next());
learnAll(same, 0, ENTRIES, 0);
report(
  nsPerOperation('fdb-learn-same-stamp', () => learnAll(same, 0, ENTRIES, 0)),
  { entries: ENTRIES },
);
const later = new Fdb(ENTRIES, prng.next());
learnAll(later, 0, ENTRIES, 0);
report(
  nsPerOperation('fdb-learn-new-stamp', () => learnAll(later, 0, ENTRIES, ++now)),
  { entries: ENTRIES },
);
const fresh = new Fdb(ENTRIES, prng.next());
report(
  nsPerOperation('fdb-learn-new-station', () => {
    fresh.flushAll();
    return learnAll(fresh, 0, ENTRIES, now);
  }),
  { entries: ENTRIES },
);
const full = new Fdb(ENTRIES, prng.next());
let from = 0;
report(
  nsPerOperation('fdb-learn-evicting', () => {
    from = (from + ENTRIES) % los.length;
    return learnAll(full, from, ENTRIES, now);
  }),
  { entries: ENTRIES },
);
