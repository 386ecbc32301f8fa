// FDB look-up of stations that are there, in random order, at several table sizes.

import { Prng } from '../../src/lib/prng.ts';
import { Fdb } from '../../src/relay/fdb.ts';
import { nsPerOperation, report } from '../measure.ts';

const PORTS = 16;
const LOOKUPS = 65_536;

for (const entries of [1000, 65_536, 1_048_576]) {
  const prng = new Prng(entries);
  const fdb = new Fdb(entries, prng.next());
  const his = new Uint32Array(entries);
  const los = new Uint32Array(entries);
  for (let n = 0; n < entries; n++) {
    his[n] = 0x5254;
    los[n] = prng.next();
    fdb.learn(0x5254, los[n] as number, 1 + (n % PORTS), 0);
  }
  const order = Uint32Array.from({ length: LOOKUPS }, () => prng.below(entries));
  let found = 0;
  const measurement = nsPerOperation(`fdb-lookup-${entries}`, () => {
    for (let n = 0; n < LOOKUPS; n++) {
      const k = order[n] as number;
      if (fdb.lookup(his[k] as number, los[k] as number, 1) !== 0) found++;
    }
    return LOOKUPS;
  });
  if (found % LOOKUPS !== 0) throw new Error('a station that was learned was not found');
  report(measurement, { entries });
}
