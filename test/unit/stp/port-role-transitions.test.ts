// Port Role Transitions [17.29], figure by figure.

import test from 'ava';
import { enterPrt, stepPrt } from '../../../src/stp/port-role-transitions.ts';
import type { PortRole, StpPort } from '../../../src/stp/state.ts';
import { bridgeOf } from '../../support/stp.ts';

type Vars = Partial<StpPort>;

interface Row {
  name: string;
  from: string;
  vars: Vars;
  to: string;
  after?: Vars;
  unless?: readonly Vars[];
  /** Variables of the other port. */
  other?: Vars;
  /** What must be so of the other port. */
  otherAfter?: Vars;
  /** Changes of the other port that must keep the transition from happening. */
  unlessOther?: readonly Vars[];
  version?: 0 | 2;
}

const times = { messageAge: 0, maxAge: 20, helloTime: 2, forwardDelay: 15 };
const role = (name: PortRole): Vars => ({ role: name, selectedRole: name });
const DISABLED: Vars = { ...role('DisabledPort'), fdWhile: 20, synced: true };
/** A root port that forwards and has agreed. */
const ROOT: Vars = { ...role('RootPort'), rrWhile: 15, synced: true, agree: true, learn: true, forward: true };
/** The root port when it has just been chosen. */
const NEW_ROOT: Vars = { ...role('RootPort'), rrWhile: 15, agree: true, reRoot: true, fdWhile: 9 };
/** A designated port that forwards, agreed and synced. */
const DESIGNATED: Vars = {
  ...role('DesignatedPort'),
  learn: true,
  learning: true,
  forward: true,
  forwarding: true,
  agreed: true,
  synced: true,
};
/** A designated port that waits. */
const WAITING: Vars = { ...role('DesignatedPort'), proposing: true, synced: true, fdWhile: 9 };
/** Nothing that lets a designated port learn or forward. */
const UNCAUSED: Vars = { agreed: false, operEdge: false, fdWhile: 9 };
/** A port that blocks and has agreed. */
const ALTERNATE: Vars = { ...role('AlternatePort'), fdWhile: 15, synced: true, agree: true };
const BACKUP: Vars = { ...ALTERNATE, ...role('BackupPort'), rbWhile: 4 };

const ROWS: readonly Row[] = [
  // Disabled Port [17.29.1]
  {
    name: 'any role to disabled',
    from: 'DESIGNATED_PORT',
    vars: { ...DESIGNATED, selectedRole: 'DisabledPort' },
    to: 'DISABLE_PORT',
    after: { role: 'DisabledPort', learn: false, forward: false },
    unless: [{ selected: false }, { updtInfo: true }],
  },
  {
    name: 'disabled when nothing is relayed any more',
    from: 'DISABLE_PORT',
    vars: { ...role('DisabledPort'), rrWhile: 3, sync: true, reRoot: true },
    to: 'DISABLED_PORT',
    after: { fdWhile: 20, synced: true, rrWhile: 0, sync: false, reRoot: false },
    unless: [{ learning: true }, { forwarding: true }],
  },
  {
    name: 'fdWhile is held',
    from: 'DISABLED_PORT',
    vars: { ...DISABLED, fdWhile: 19 },
    to: 'DISABLED_PORT',
    after: { fdWhile: 20 },
    unless: [DISABLED],
  },
  {
    name: 'sync is answered',
    from: 'DISABLED_PORT',
    vars: { ...DISABLED, sync: true },
    to: 'DISABLED_PORT',
    after: { sync: false },
  },
  {
    name: 'reRoot is answered',
    from: 'DISABLED_PORT',
    vars: { ...DISABLED, reRoot: true },
    to: 'DISABLED_PORT',
    after: { reRoot: false },
  },
  {
    name: 'synced is kept',
    from: 'DISABLED_PORT',
    vars: { ...DISABLED, synced: false },
    to: 'DISABLED_PORT',
    after: { synced: true },
  },
  // Root Port [17.29.2]
  {
    name: 'a new root port',
    from: 'ALTERNATE_PORT',
    vars: { ...ALTERNATE, selectedRole: 'RootPort' },
    to: 'ROOT_PORT',
    after: { role: 'RootPort', rrWhile: 15 },
    unless: [{ selected: false }, { updtInfo: true }],
  },
  {
    name: 'proposed: all ports sync',
    from: 'ROOT_PORT',
    vars: { ...ROOT, agree: false, proposed: true },
    other: DESIGNATED,
    to: 'ROOT_PORT',
    after: { proposed: false, sync: true, agree: false },
    otherAfter: { sync: true },
  },
  {
    name: 'all synced: agree',
    from: 'ROOT_PORT',
    vars: { ...ROOT, agree: false, sync: true },
    other: WAITING,
    to: 'ROOT_PORT',
    after: { agree: true, newInfo: true, sync: false, proposed: false },
    unless: [{ agree: true }],
    unlessOther: [{ synced: false }, { selected: false }, { selectedRole: 'AlternatePort' }],
  },
  {
    name: 'proposed again: agree again',
    from: 'ROOT_PORT',
    vars: { ...ROOT, proposed: true },
    other: { ...DESIGNATED, synced: false },
    to: 'ROOT_PORT',
    after: { agree: true, newInfo: true, proposed: false },
    unless: [{ proposed: false }],
  },
  {
    name: 'others that were the root port retire',
    from: 'ROOT_PORT',
    vars: { ...NEW_ROOT, reRoot: false },
    other: DESIGNATED,
    to: 'ROOT_PORT',
    after: { reRoot: true },
    otherAfter: { reRoot: true },
  },
  {
    name: 'rrWhile is held',
    from: 'ROOT_PORT',
    vars: { ...ROOT, rrWhile: 14 },
    to: 'ROOT_PORT',
    after: { rrWhile: 15 },
    unless: [ROOT],
  },
  {
    name: 'rerooted',
    from: 'ROOT_PORT',
    vars: { ...ROOT, reRoot: true },
    to: 'ROOT_PORT',
    after: { reRoot: false },
    unless: [{ reRoot: false }],
  },
  {
    name: 'no other port was the root port of late: learn',
    from: 'ROOT_PORT',
    vars: NEW_ROOT,
    to: 'ROOT_PORT',
    after: { learn: true, fdWhile: 2, forward: false },
    unless: [{ rbWhile: 1 }],
    unlessOther: [{ rrWhile: 1 }],
  },
  {
    name: 'time has passed: learn',
    from: 'ROOT_PORT',
    vars: { ...NEW_ROOT, fdWhile: 0, sendRSTP: false },
    version: 0,
    to: 'ROOT_PORT',
    after: { learn: true, fdWhile: 15, forward: false },
    unless: [{ fdWhile: 1 }],
  },
  {
    name: 'no other port was the root port of late: forward',
    from: 'ROOT_PORT',
    vars: { ...NEW_ROOT, learn: true, fdWhile: 2 },
    to: 'ROOT_PORT',
    after: { forward: true, fdWhile: 0 },
    unless: [{ rbWhile: 1 }],
    unlessOther: [{ rrWhile: 1 }],
  },
  {
    name: 'time has passed: forward',
    from: 'ROOT_PORT',
    vars: { ...NEW_ROOT, learn: true, fdWhile: 0 },
    other: { rrWhile: 3 },
    to: 'ROOT_PORT',
    after: { forward: true },
    unless: [{ fdWhile: 1 }],
  },
  // Designated Port [17.29.3]
  {
    name: 'a new designated port',
    from: 'ALTERNATE_PORT',
    vars: { ...ALTERNATE, selectedRole: 'DesignatedPort' },
    to: 'DESIGNATED_PORT',
    after: { role: 'DesignatedPort' },
    unless: [{ selected: false }, { updtInfo: true }],
  },
  {
    name: 'propose',
    from: 'DESIGNATED_PORT',
    vars: { ...WAITING, proposing: false, edgeDelayWhile: 0 },
    to: 'DESIGNATED_PORT',
    after: { proposing: true, newInfo: true, edgeDelayWhile: 3 },
    unless: [{ forward: true }, { agreed: true }, { operEdge: true }, { proposing: true }],
  },
  {
    name: 'propose on a shared LAN',
    from: 'DESIGNATED_PORT',
    vars: { ...WAITING, proposing: false, operPointToPointMAC: false },
    to: 'DESIGNATED_PORT',
    after: { proposing: true, edgeDelayWhile: 20 },
  },
  {
    name: 'what relays nothing is synced',
    from: 'DESIGNATED_PORT',
    vars: { ...WAITING, synced: false, sync: true, rrWhile: 5 },
    to: 'DESIGNATED_PORT',
    after: { synced: true, sync: false, rrWhile: 0 },
    unless: [{ learning: true }, { forwarding: true }],
  },
  {
    name: 'what is agreed is synced',
    from: 'DESIGNATED_PORT',
    vars: { ...DESIGNATED, synced: false, sync: true },
    to: 'DESIGNATED_PORT',
    after: { synced: true, sync: false, forward: true },
    unless: [{ agreed: false, operEdge: false }],
  },
  {
    name: 'an edge is synced',
    from: 'DESIGNATED_PORT',
    vars: { ...DESIGNATED, agreed: false, operEdge: true, synced: false },
    to: 'DESIGNATED_PORT',
    after: { synced: true },
    unless: [{ operEdge: false }],
  },
  {
    name: 'synced already',
    from: 'DESIGNATED_PORT',
    vars: { ...DESIGNATED, sync: true },
    to: 'DESIGNATED_PORT',
    after: { sync: false, forward: true },
  },
  {
    name: 'retired',
    from: 'DESIGNATED_PORT',
    vars: { ...DESIGNATED, reRoot: true },
    to: 'DESIGNATED_PORT',
    after: { reRoot: false, forward: true },
    unless: [{ rrWhile: 1 }],
  },
  {
    name: 'discard to sync',
    from: 'DESIGNATED_PORT',
    vars: { ...DESIGNATED, agreed: false, synced: false, sync: true },
    to: 'DESIGNATED_PORT',
    after: { learn: false, forward: false, fdWhile: 2 },
    unless: [{ operEdge: true }, { sync: false }],
  },
  {
    name: 'discard because it was the root port of late',
    from: 'DESIGNATED_PORT',
    vars: { ...DESIGNATED, reRoot: true, rrWhile: 7 },
    to: 'DESIGNATED_PORT',
    after: { learn: false, forward: false, fdWhile: 2 },
    unless: [{ reRoot: false }, { operEdge: true }],
  },
  {
    name: 'discard because it is disputed',
    from: 'DESIGNATED_PORT',
    vars: { ...DESIGNATED, disputed: true, sendRSTP: false },
    to: 'DESIGNATED_PORT',
    after: { learn: false, forward: false, disputed: false, fdWhile: 15 },
    unless: [{ disputed: false }, { operEdge: true }, { learn: false, forward: false, agreed: false, proposing: true }],
  },
  ...([{ agreed: true }, { operEdge: true }, { fdWhile: 0 }] as const).flatMap((cause): Row[] => [
    {
      name: `learn with ${JSON.stringify(cause)}`,
      from: 'DESIGNATED_PORT',
      vars: { ...WAITING, ...cause },
      to: 'DESIGNATED_PORT',
      after: { learn: true, forward: false, fdWhile: 2 },
      unless: [UNCAUSED, { reRoot: true, rrWhile: 1 }, { disputed: true, learn: true }],
    },
    {
      name: `forward with ${JSON.stringify(cause)}`,
      from: 'DESIGNATED_PORT',
      vars: { ...WAITING, learn: true, learning: true, ...cause },
      to: 'DESIGNATED_PORT',
      after: { forward: true, fdWhile: 0, agreed: true },
      unless: [UNCAUSED, { disputed: true, operEdge: false }],
    },
  ]),
  {
    name: 'forward among STP bridges leaves nothing agreed',
    from: 'DESIGNATED_PORT',
    vars: { ...WAITING, learn: true, learning: true, fdWhile: 0, sendRSTP: false },
    to: 'DESIGNATED_PORT',
    after: { forward: true, agreed: false },
  },
  // Alternate and Backup Port [17.29.4]
  {
    name: 'a designated port that must block',
    from: 'DESIGNATED_PORT',
    vars: { ...DESIGNATED, selectedRole: 'BackupPort' },
    to: 'BLOCK_PORT',
    after: { role: 'BackupPort', learn: false, forward: false },
    unless: [{ selected: false }, { updtInfo: true }],
  },
  {
    name: 'blocked when nothing is relayed any more',
    from: 'BLOCK_PORT',
    vars: { ...role('AlternatePort'), rrWhile: 3, sync: true, reRoot: true },
    to: 'ALTERNATE_PORT',
    after: { fdWhile: 15, synced: true, rrWhile: 0, sync: false, reRoot: false },
    unless: [{ learning: true }, { forwarding: true }],
  },
  {
    name: 'proposed: all ports sync',
    from: 'ALTERNATE_PORT',
    vars: { ...ALTERNATE, agree: false, proposed: true },
    other: DESIGNATED,
    to: 'ALTERNATE_PORT',
    after: { proposed: false, agree: false },
    otherAfter: { sync: true },
  },
  {
    name: 'all synced: agree',
    from: 'ALTERNATE_PORT',
    vars: { ...ALTERNATE, agree: false },
    to: 'ALTERNATE_PORT',
    after: { agree: true, newInfo: true },
    unlessOther: [{ synced: false }],
  },
  {
    name: 'proposed again: agree again',
    from: 'ALTERNATE_PORT',
    vars: { ...ALTERNATE, proposed: true },
    to: 'ALTERNATE_PORT',
    after: { agree: true, newInfo: true, proposed: false },
    unless: [{ proposed: false }],
  },
  {
    name: 'fdWhile is held',
    from: 'ALTERNATE_PORT',
    vars: { ...ALTERNATE, fdWhile: 14 },
    to: 'ALTERNATE_PORT',
    after: { fdWhile: 15 },
    unless: [ALTERNATE],
  },
  {
    name: 'sync is answered',
    from: 'ALTERNATE_PORT',
    vars: { ...ALTERNATE, sync: true },
    to: 'ALTERNATE_PORT',
    after: { sync: false },
  },
  {
    name: 'reRoot is answered',
    from: 'ALTERNATE_PORT',
    vars: { ...ALTERNATE, reRoot: true },
    to: 'ALTERNATE_PORT',
    after: { reRoot: false },
  },
  {
    name: 'a backup port remembers',
    from: 'ALTERNATE_PORT',
    vars: { ...BACKUP, rbWhile: 3 },
    to: 'ALTERNATE_PORT',
    after: { rbWhile: 4 },
    unless: [{ rbWhile: 4 }, role('AlternatePort')],
  },
];

for (const {
  name,
  from,
  vars,
  to,
  after = {},
  unless = [],
  other = {},
  otherAfter = {},
  unlessOther = [],
  version = 2,
} of ROWS) {
  test(`${from}: ${name}`, (t) => {
    const start = { designatedTimes: times, ...vars, PRT: from } as Vars;
    const peer: Vars = { ...WAITING, ...other, PRT: 'DESIGNATED_PORT' };
    const { bridge, port } = bridgeOf([start, peer], { ForceProtocolVersion: version });
    const holds = (one: StpPort): boolean =>
      one.PRT === to && Object.entries(after).every(([key, value]) => one[key as keyof StpPort] === value);
    t.true(stepPrt(bridge, port), 'a transition is due');
    t.is(port.PRT as string, to);
    for (const [key, value] of Object.entries(after)) t.is(port[key as keyof StpPort], value, key);
    for (const [key, value] of Object.entries(otherAfter)) t.is(bridge.ports[1][key as keyof StpPort], value, `other: ${key}`);
    for (const change of unless) {
      const changed = bridgeOf([{ ...start, ...change, PRT: from } as Vars, peer], { ForceProtocolVersion: version });
      t.false(stepPrt(changed.bridge, changed.port) && holds(changed.port), `not with ${JSON.stringify(change)}`);
    }
    for (const change of unlessOther) {
      const changed = bridgeOf([start, { ...peer, ...change }], { ForceProtocolVersion: version });
      t.false(stepPrt(changed.bridge, changed.port) && holds(changed.port), `not when the other has ${JSON.stringify(change)}`);
    }
  });
}

test('INIT_PORT', (t) => {
  const { bridge, port } = bridgeOf([{ ...DESIGNATED, selectedRole: 'DisabledPort', designatedTimes: times }]);
  enterPrt(bridge, port, 'INIT_PORT');
  t.like(port, { PRT: 'DISABLE_PORT', role: 'DisabledPort', learn: false, forward: false, synced: false, sync: true });
  t.like(port, { reRoot: true, rrWhile: 15, fdWhile: 20, rbWhile: 0 });
});
