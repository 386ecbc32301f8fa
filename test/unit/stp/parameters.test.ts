// What management may set, and what links cost.

import test from 'ava';
import {
  checkStpPortSettings,
  checkStpSettings,
  FORCE_VERSION,
  STP_PORT_SETTINGS_DEFAULT,
  StpSettingError,
} from '../../../src/stp/parameters.ts';
import { PATH_COSTS, type PathCostTable, pathCost } from '../../../src/stp/path-cost.ts';
import { bridgeId, settingsOf } from '../../support/stp.ts';

test('the defaults and the ends of each range are accepted', (t) => {
  checkStpSettings(settingsOf(1));
  checkStpSettings(settingsOf(1, { helloTime: 1, maxAge: 6, forwardDelay: 4, txHoldCount: 1, bridgeId: bridgeId(1, 0) }));
  checkStpSettings(settingsOf(1, { helloTime: 2, maxAge: 40, forwardDelay: 30, txHoldCount: 10, bridgeId: bridgeId(1, 61_440) }));
  checkStpSettings(settingsOf(1, { helloTime: 9, forceVersion: FORCE_VERSION.STP }));
  checkStpPortSettings(STP_PORT_SETTINGS_DEFAULT);
  checkStpPortSettings({ ...STP_PORT_SETTINGS_DEFAULT, priority: 240, pathCost: 200_000_000 });
  t.pass();
});

for (const [changes, message] of [
  [{ helloTime: 0 }, /hello_time is 0; it must be 1 to 2/],
  [{ helloTime: 3 }, /hello_time is 3; it must be 1 to 2/],
  [{ helloTime: 1.5 }, /hello_time is 1.5/],
  [{ maxAge: 41 }, /max_age is 41; it must be 6 to 40/],
  [{ forwardDelay: 3 }, /forward_delay is 3; it must be 4 to 30/],
  [{ txHoldCount: 11 }, /tx_hold_count is 11/],
  [{ bridgeId: bridgeId(1, 4095) }, /bridge priority is 4095; it must be 0 to 61440 in steps of 4096/],
  [{ forwardDelay: 10 }, /hello_time 2, max_age 20 and forward_delay 10 do not fit together/],
  [{ maxAge: 6, helloTime: 2 }, undefined],
  [{ maxAge: 6, helloTime: 3, forceVersion: FORCE_VERSION.STP }, /do not fit together/],
] as const) {
  test(`settings ${JSON.stringify(changes)}`, (t) => {
    const check = () => checkStpSettings(settingsOf(1, changes));
    if (message === undefined) t.notThrows(check);
    else t.throws(check, { instanceOf: StpSettingError, message });
  });
}

for (const changes of [{ priority: 8 }, { priority: 256 }, { priority: -16 }, { pathCost: 0 }, { pathCost: 200_000_001 }]) {
  test(`port settings ${JSON.stringify(changes)}`, (t) => {
    t.throws(() => checkStpPortSettings({ ...STP_PORT_SETTINGS_DEFAULT, ...changes }), { instanceOf: StpSettingError });
  });
}

const COSTS: readonly [PathCostTable, number, number][] = [
  ['2004', 10, 2_000_000],
  ['2004', 100, 200_000],
  ['2004', 1000, 20_000],
  ['2004', 2500, 20_000],
  ['2004', 10_000, 2000],
  ['2004', 100_000, 200],
  ['2004', 1_000_000, 20],
  ['2004', 10_000_000, 2],
  ['2004', 0.1, 200_000_000],
  ['1998', 4, 250],
  ['1998', 10, 100],
  ['1998', 16, 62],
  ['1998', 100, 19],
  ['1998', 1000, 4],
  ['1998', 40_000, 2],
  ['kernel', 10, 100],
  ['kernel', 100, 19],
  ['kernel', 1000, 5],
  ['kernel', 2500, 4],
  ['kernel', 5000, 3],
  ['kernel', 25_000, 1],
  ['kernel', 10_000, 2],
];

test('costs by speed', (t) => {
  t.deepEqual(
    COSTS.map(([table, speed]) => pathCost(table, speed)),
    COSTS.map(([, , cost]) => cost),
  );
  for (const rows of Object.values(PATH_COSTS)) {
    t.is(rows[rows.length - 1].speedMbit, 0, 'every speed has a row');
    t.deepEqual(
      rows.map(({ cost }) => cost),
      rows.map(({ cost }) => cost).sort((a, b) => a - b),
      'the slower, the dearer',
    );
  }
});
