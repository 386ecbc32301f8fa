// The comparison of priority vectors [17.6], component by component.

import test from 'ava';
import { comparePriorities, isSuperior, type PriorityVector } from '../../../src/stp/priority-vector.ts';
import { bridgeId, vector } from '../../support/stp.ts';

const HELD = vector(3, 100, 4, 2);

/** What is heard, how it compares with HELD, and whether it replaces it. */
const ROWS: readonly [string, PriorityVector, number, boolean][] = [
  ['the same', vector(3, 100, 4, 2), 0, false],
  ['a better root, all else worse', vector(2, 900, 9, 9), -1, true],
  ['a worse root, all else better', vector(4, 0, 1, 1), 1, false],
  ['a better root by priority', { ...HELD, RootBridgeID: bridgeId(900, 4096), RootPathCost: 900 }, -1, true],
  ['a worse root by priority', { ...vector(3, 0, 1, 1), RootBridgeID: bridgeId(1, 36_864) }, 1, false],
  ['a root better in the first octets of its address', { ...HELD, RootBridgeID: { ...bridgeId(9), hi: 0x01ff } }, -1, true],
  ['a smaller cost', vector(3, 99, 9, 9), -1, true],
  ['a larger cost', vector(3, 101, 1, 1), 1, false],
  ['a better designated bridge', vector(3, 100, 3, 9), -1, true],
  ['a worse designated bridge', vector(3, 100, 5, 1), 1, false],
  ['a better designated port', vector(3, 100, 4, 1), -1, true],
  ['a worse designated port', vector(3, 100, 4, 3), 1, false],
  // What the designated port itself now says holds, however bad.
  ['a worse root from the designated port itself', vector(9, 0, 4, 2), 1, true],
  ['a larger cost from the designated port itself', vector(3, 900, 4, 2), 1, true],
  ['the designated bridge with a worse priority', { ...HELD, DesignatedBridgeID: bridgeId(4, 61_440) }, 1, true],
  ['the designated port with a worse priority', { ...HELD, DesignatedPortID: 0xf002 }, 1, true],
  ['the designated port of another bridge', vector(9, 0, 7, 2), 1, false],
];

for (const [name, heard, order, superior] of ROWS) {
  test(`heard: ${name}`, (t) => {
    t.is(Math.sign(comparePriorities(heard, HELD)), order);
    t.is(Math.sign(comparePriorities(HELD, heard)), -order + 0);
    t.is(isSuperior(heard, HELD), superior);
  });
}

test('the port that hears decides last', (t) => {
  t.true(comparePriorities({ ...HELD, BridgePortID: 0x8001 }, { ...HELD, BridgePortID: 0x8002 }) < 0);
  t.true(comparePriorities({ ...HELD, BridgePortID: 0x8002 }, { ...vector(3, 100, 4, 3), BridgePortID: 0x8001 }) < 0);
});
