// The roles that follow from what the ports have heard [17.21.25].

import test from 'ava';
import { updtRolesTree } from '../../../src/stp/roles.ts';
import type { PortRole, StpPort } from '../../../src/stp/state.ts';
import { bridgeId, bridgeOf, vector } from '../../support/stp.ts';

type Vars = Partial<StpPort>;

const times = { messageAge: 0, maxAge: 20, helloTime: 2, forwardDelay: 15 };

/** Roles for what the ports of bridge 5 have heard. */
const SELECTIONS: readonly [string, readonly Vars[], readonly PortRole[], { cost: number; root: number; age: number }][] = [
  [
    'nothing heard',
    [{}, { infoIs: 'Aged' }, { infoIs: 'Disabled' }],
    ['DesignatedPort', 'DesignatedPort', 'DisabledPort'],
    { cost: 0, root: 5, age: 0 },
  ],
  [
    'one way to the root',
    [{ infoIs: 'Received', portPriority: vector(1, 100, 2, 1), pathCost: 10 }, {}],
    ['RootPort', 'DesignatedPort'],
    { cost: 110, root: 1, age: 4 },
  ],
  [
    'the cheaper way',
    [
      { infoIs: 'Received', portPriority: vector(1, 100, 2, 1), pathCost: 20 },
      { infoIs: 'Received', portPriority: vector(1, 109, 3, 1), pathCost: 10 },
    ],
    ['AlternatePort', 'RootPort'],
    { cost: 119, root: 1, age: 4 },
  ],
  [
    'two ways that cost the same: the better port decides',
    [
      { infoIs: 'Received', portPriority: vector(1, 100, 2, 2), pathCost: 10 },
      { infoIs: 'Received', portPriority: vector(1, 100, 2, 1), pathCost: 10 },
    ],
    ['AlternatePort', 'RootPort'],
    { cost: 110, root: 1, age: 4 },
  ],
  [
    'the same port heard twice: our own port decides',
    [
      { infoIs: 'Received', portPriority: vector(1, 100, 2, 1), pathCost: 10 },
      { infoIs: 'Received', portPriority: vector(1, 100, 2, 1), pathCost: 10 },
    ],
    ['RootPort', 'AlternatePort'],
    { cost: 110, root: 1, age: 4 },
  ],
  [
    'our own better port on the same LAN',
    [{ infoIs: 'Mine' }, { infoIs: 'Received', portPriority: vector(5, 0, 5, 1) }],
    ['DesignatedPort', 'BackupPort'],
    { cost: 0, root: 5, age: 0 },
  ],
  [
    'a LAN where we are better',
    [{ infoIs: 'Received', portPriority: vector(5, 10, 7, 1) }],
    ['DesignatedPort'],
    { cost: 0, root: 5, age: 0 },
  ],
  [
    'a restricted port is no way to the root',
    [{ infoIs: 'Received', portPriority: vector(1, 0, 1, 1), restrictedRole: true }, {}],
    ['AlternatePort', 'DesignatedPort'],
    { cost: 0, root: 5, age: 0 },
  ],
  [
    'costs end where 32 bits do',
    [{ infoIs: 'Received', portPriority: vector(1, 0xffffffff, 2, 1), pathCost: 10 }],
    ['RootPort'],
    { cost: 0xffffffff, root: 1, age: 4 },
  ],
];

for (const [name, ports, roles, { cost, root, age }] of SELECTIONS) {
  test(`roles: ${name}`, (t) => {
    const { bridge } = bridgeOf(ports.map((vars) => ({ portTimes: { ...times, messageAge: 3, helloTime: 1 }, ...vars })));
    updtRolesTree(bridge);
    t.deepEqual(
      bridge.ports.map(({ selectedRole }) => selectedRole),
      roles,
    );
    t.is(bridge.RootPriority.RootPathCost, cost);
    t.deepEqual(bridge.RootPriority.RootBridgeID, bridgeId(root));
    t.is(bridge.RootTimes.messageAge, age);
    for (const port of bridge.ports) {
      t.is(port.updtInfo, port.selectedRole === 'DesignatedPort', 'designated ports say something new here');
      t.like(port.designatedTimes, { messageAge: age, helloTime: 2 });
      t.deepEqual(port.designatedPriority.DesignatedPortID, port.portId);
    }
  });
}
