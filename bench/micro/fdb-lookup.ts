// FDB look-up of stations that are there, in random order, at several table sizes.

import { Prng } from '../../src/lib/prng.ts';
import { Fdb } from '../../src/relay/fdb.ts';
import { nsPerOperation, report } from '../measure.ts';

const HI = 0x5254;
const PORTS = 16;
const LOOKUPS = 65_536;

for (const entries of [1000, 65_536, 1_048_576]) {
  const prng = new Prng(entries);
  const fdb = new Fdb(entries, prng.next());
  const stations = Uint32Array.from({ length: entries }, () => prng.next());
  for (let n = 0; n < entries; n++) fdb.learn(HI, stations[n] as number, 1 + (n % PORTS), 0);
  // The keys lie in the order they are asked for: what is measured is the FDB, not the benchmark's own memory.
  const keys = Uint32Array.from({ length: LOOKUPS }, () => stations[prng.below(entries)] as number);
  let found = 0;
  const measurement = nsPerOperation(`fdb-lookup-${entries}`, () => {
    for (let n = 0; n < LOOKUPS; n++) if (fdb.lookup(HI, keys[n] as number, 1) !== 0) found++;
    return LOOKUPS;
  });
  if (found % LOOKUPS !== 0) throw new Error('a station that was learned was not found');
  report(measurement, { entries });
}
