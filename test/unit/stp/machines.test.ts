// The transitions of each machine as a table, in the order of its figure: where from, under which
// variables, where to, what is so then, and each single change that must keep it from happening.

import test from 'ava';
import { stepBdm } from '../../../src/stp/bridge-detection.ts';
import { stepPpm } from '../../../src/stp/port-protocol-migration.ts';
import { stepPrx } from '../../../src/stp/port-receive.ts';
import { stepPrs } from '../../../src/stp/port-role-selection.ts';
import { stepPst } from '../../../src/stp/port-state-transition.ts';
import { tickPort } from '../../../src/stp/port-timers.ts';
import { stepPtx } from '../../../src/stp/port-transmit.ts';
import { stepTcm } from '../../../src/stp/topology-change.ts';
import { bpduOf, bridgeOf } from '../../support/stp.ts';
import { type TransitionRow, testTransitions } from '../../support/stp-transitions.ts';

const STEPS = { PRX: stepPrx, PPM: stepPpm, BDM: stepBdm, PTX: stepPtx, PST: stepPst, TCM: stepTcm };

const TCN = { kind: 'tcn', version: 0 } as const;

const TABLES: Readonly<Record<keyof typeof STEPS, readonly TransitionRow[]>> = {
  PRX: [
    {
      from: 'RECEIVE',
      vars: { portEnabled: false, rcvdBPDU: true, edgeDelayWhile: 3, rcvdMsg: true, rcvdRSTP: true, rcvdSTP: true },
      to: 'DISCARD',
      after: { rcvdBPDU: false, rcvdRSTP: false, rcvdSTP: false, rcvdMsg: false, edgeDelayWhile: 3 },
      unless: [{ portEnabled: true }, { rcvdBPDU: false }],
    },
    {
      from: 'DISCARD',
      vars: { portEnabled: false, edgeDelayWhile: 2 },
      to: 'DISCARD',
      after: { edgeDelayWhile: 3 },
      unless: [{ portEnabled: true }, { edgeDelayWhile: 3 }],
    },
    {
      from: 'DISCARD',
      vars: { rcvdBPDU: true, msg: TCN, operEdge: true, edgeDelayWhile: 1 },
      to: 'RECEIVE',
      after: { rcvdBPDU: false, rcvdMsg: true, operEdge: false, edgeDelayWhile: 3, rcvdSTP: true, rcvdRSTP: false },
      unless: [{ rcvdBPDU: false }],
    },
    {
      from: 'RECEIVE',
      vars: { rcvdBPDU: true, msg: bpduOf(1, 0, 1, 1) },
      to: 'RECEIVE',
      after: { rcvdBPDU: false, rcvdMsg: true, rcvdSTP: false, rcvdRSTP: true },
      unless: [{ rcvdBPDU: false }, { rcvdMsg: true }],
    },
  ],
  PPM: [
    {
      from: 'CHECKING_RSTP',
      vars: { mdelayWhile: 2, portEnabled: false, sendRSTP: false, mcheck: true },
      to: 'CHECKING_RSTP',
      after: { mcheck: false, sendRSTP: true, mdelayWhile: 3 },
      unless: [{ mdelayWhile: 3 }, { portEnabled: true }],
    },
    {
      from: 'CHECKING_RSTP',
      vars: { mdelayWhile: 2, portEnabled: false },
      version: 0,
      to: 'CHECKING_RSTP',
      after: { sendRSTP: false },
    },
    {
      from: 'CHECKING_RSTP',
      vars: { mdelayWhile: 0, rcvdSTP: true, rcvdRSTP: true },
      to: 'SENSING',
      after: { rcvdSTP: false, rcvdRSTP: false },
      unless: [{ mdelayWhile: 1 }],
    },
    {
      from: 'SENSING',
      vars: { portEnabled: false },
      to: 'CHECKING_RSTP',
      after: { mdelayWhile: 3 },
      unless: [{ portEnabled: true }],
    },
    { from: 'SENSING', vars: { mcheck: true }, to: 'CHECKING_RSTP', after: { mcheck: false }, unless: [{ mcheck: false }] },
    {
      from: 'SENSING',
      vars: { sendRSTP: false, rcvdRSTP: true },
      to: 'CHECKING_RSTP',
      after: { sendRSTP: true },
      unless: [{ sendRSTP: true }, { rcvdRSTP: false }],
    },
    {
      from: 'SENSING',
      vars: { sendRSTP: true, rcvdSTP: true },
      to: 'SELECTING_STP',
      after: { sendRSTP: false, mdelayWhile: 3 },
      unless: [{ sendRSTP: false }, { rcvdSTP: false }],
    },
    { from: 'SELECTING_STP', vars: { mdelayWhile: 0 }, to: 'SENSING', unless: [{ mdelayWhile: 1 }] },
    { from: 'SELECTING_STP', vars: { mdelayWhile: 3, portEnabled: false }, to: 'SENSING' },
    { from: 'SELECTING_STP', vars: { mdelayWhile: 3, mcheck: true }, to: 'SENSING', after: { mcheck: true } },
  ],
  BDM: [
    {
      from: 'EDGE',
      vars: { operEdge: true, portEnabled: false },
      to: 'NOT_EDGE',
      after: { operEdge: false },
      unless: [{ portEnabled: true }, { adminEdge: true }],
    },
    { from: 'EDGE', vars: { operEdge: false, adminEdge: true }, to: 'NOT_EDGE', unless: [{ operEdge: true }] },
    {
      from: 'NOT_EDGE',
      vars: { portEnabled: false, adminEdge: true },
      to: 'EDGE',
      after: { operEdge: true },
      unless: [{ portEnabled: true }, { adminEdge: false }],
    },
    {
      from: 'NOT_EDGE',
      vars: { edgeDelayWhile: 0, autoEdge: true, sendRSTP: true, proposing: true },
      to: 'EDGE',
      after: { operEdge: true },
      unless: [{ edgeDelayWhile: 1 }, { autoEdge: false }, { sendRSTP: false }, { proposing: false }],
    },
  ],
  PTX: [
    {
      from: 'IDLE',
      vars: { role: 'DesignatedPort', helloWhen: 0 },
      to: 'IDLE',
      after: { newInfo: true, helloWhen: 2 },
      unless: [{ helloWhen: 1 }, { selected: false }, { updtInfo: true }],
    },
    { from: 'IDLE', vars: { role: 'RootPort', helloWhen: 0 }, to: 'IDLE', after: { newInfo: false, helloWhen: 2 } },
    { from: 'IDLE', vars: { role: 'RootPort', helloWhen: 0, tcWhile: 1 }, to: 'IDLE', after: { newInfo: true } },
    { from: 'IDLE', vars: { role: 'AlternatePort', helloWhen: 0, tcWhile: 1 }, to: 'IDLE', after: { newInfo: false } },
    {
      from: 'IDLE',
      vars: { role: 'DesignatedPort', sendRSTP: false, newInfo: true, txCount: 5, tcAck: true, helloWhen: 1 },
      to: 'IDLE',
      after: { newInfo: false, txCount: 6, tcAck: false, helloWhen: 2 },
      words: ['1: config'],
      unless: [{ newInfo: false }, { txCount: 6 }, { role: 'AlternatePort' }, { selected: false }, { updtInfo: true }],
    },
    {
      from: 'IDLE',
      vars: { role: 'RootPort', sendRSTP: false, newInfo: true, tcAck: true },
      to: 'IDLE',
      after: { newInfo: false, txCount: 1, tcAck: true },
      words: ['1: tcn'],
      unless: [{ newInfo: false }, { txCount: 6 }, { role: 'BackupPort' }, { selected: false }, { updtInfo: true }],
    },
    {
      from: 'IDLE',
      vars: { role: 'AlternatePort', newInfo: true, tcAck: true },
      to: 'IDLE',
      after: { newInfo: false, txCount: 1, tcAck: false },
      words: ['1: rst'],
      unless: [{ newInfo: false }, { txCount: 6 }, { sendRSTP: false }, { role: 'DisabledPort' }, { updtInfo: true }],
    },
  ],
  PST: [
    {
      from: 'DISCARDING',
      vars: { learn: true },
      to: 'LEARNING',
      after: { learning: true },
      unless: [{ learn: false }],
      words: ['1: learning true'],
    },
    {
      from: 'LEARNING',
      vars: { learning: true },
      to: 'DISCARDING',
      after: { learning: false, forwarding: false },
      words: ['1: learning false', '1: forwarding false'],
      unless: [{ learn: true }],
    },
    {
      from: 'LEARNING',
      vars: { learn: true, forward: true },
      to: 'FORWARDING',
      after: { forwarding: true },
      words: ['1: forwarding true'],
      unless: [{ forward: false }, { learn: false }],
    },
    {
      from: 'FORWARDING',
      vars: { learn: true, learning: true, forwarding: true },
      to: 'DISCARDING',
      after: { learning: false, forwarding: false },
      unless: [{ forward: true }],
    },
  ],
  TCM: [
    {
      from: 'INACTIVE',
      vars: { learn: true, rcvdTc: true, rcvdTcn: true, rcvdTcAck: true, tcProp: true },
      to: 'LEARNING',
      after: { rcvdTc: false, rcvdTcn: false, rcvdTcAck: false, tcProp: false },
      unless: [{ learn: false }, { fdbFlush: true }],
    },
    {
      from: 'LEARNING',
      vars: { role: 'RootPort', forward: true },
      to: 'ACTIVE',
      after: { tcWhile: 3, newInfo: true },
      unless: [{ role: 'AlternatePort', learn: true }, { forward: false }, { operEdge: true }],
    },
    {
      from: 'LEARNING',
      vars: { role: 'DesignatedPort', forward: true, sendRSTP: false },
      to: 'ACTIVE',
      after: { tcWhile: 35, newInfo: true },
    },
    {
      from: 'LEARNING',
      vars: { role: 'DesignatedPort', rcvdTc: true },
      to: 'LEARNING',
      after: { rcvdTc: false },
      unless: [{ rcvdTc: false }],
    },
    { from: 'LEARNING', vars: { role: 'BackupPort', rcvdTcn: true }, to: 'LEARNING', after: { rcvdTcn: false } },
    { from: 'LEARNING', vars: { role: 'BackupPort', rcvdTcAck: true }, to: 'LEARNING', after: { rcvdTcAck: false } },
    { from: 'LEARNING', vars: { role: 'BackupPort', tcProp: true }, to: 'LEARNING', after: { tcProp: false } },
    {
      from: 'LEARNING',
      vars: { role: 'AlternatePort', tcWhile: 3, tcAck: true },
      to: 'INACTIVE',
      after: { tcWhile: 0, tcAck: false, fdbFlush: false },
      words: ['1: flush'],
      unless: [{ role: 'DesignatedPort' }, { role: 'RootPort' }, { learn: true }, { learning: true }, { rcvdTc: true }],
    },
    {
      from: 'LEARNING',
      vars: { role: 'AlternatePort' },
      version: 0,
      to: 'INACTIVE',
      after: { ageingWhile: 15 },
      words: ['1: ageing 15'],
    },
    { from: 'ACTIVE', vars: { role: 'AlternatePort', tcProp: true }, to: 'LEARNING', after: { tcProp: false } },
    { from: 'ACTIVE', vars: { role: 'DesignatedPort', operEdge: true }, to: 'LEARNING', unless: [{ operEdge: false }] },
    {
      from: 'ACTIVE',
      vars: { role: 'DesignatedPort', rcvdTcn: true, sendRSTP: false },
      to: 'ACTIVE',
      after: { tcWhile: 35, rcvdTcn: false, tcAck: true, newInfo: false },
      unless: [{ rcvdTcn: false }],
    },
    {
      from: 'ACTIVE',
      vars: { role: 'RootPort', rcvdTc: true },
      to: 'ACTIVE',
      after: { rcvdTc: false, tcAck: false, tcWhile: 0 },
    },
    {
      from: 'ACTIVE',
      vars: { role: 'RootPort', tcProp: true },
      to: 'ACTIVE',
      after: { tcProp: false, tcWhile: 3, newInfo: true },
      words: ['1: flush'],
      unless: [{ tcProp: false }],
    },
    {
      from: 'ACTIVE',
      vars: { role: 'RootPort', tcProp: true, tcWhile: 2 },
      to: 'ACTIVE',
      after: { tcWhile: 2, newInfo: false },
      words: ['1: flush'],
    },
    {
      from: 'ACTIVE',
      vars: { role: 'RootPort', rcvdTcAck: true, tcWhile: 2 },
      to: 'ACTIVE',
      after: { tcWhile: 0, rcvdTcAck: false },
    },
  ],
};

for (const [machine, rows] of Object.entries(TABLES) as [keyof typeof STEPS, readonly TransitionRow[]][])
  testTransitions(machine, STEPS[machine], rows);

test('PTI: every timer that runs loses a second', (t) => {
  const timers = [
    'helloWhen',
    'tcWhile',
    'fdWhile',
    'rcvdInfoWhile',
    'rrWhile',
    'rbWhile',
    'mdelayWhile',
    'edgeDelayWhile',
    'txCount',
  ] as const;
  const { bridge, port, effects } = bridgeOf([Object.fromEntries(timers.map((name, n) => [name, n]))]);
  tickPort(bridge, port);
  t.deepEqual(
    timers.map((name) => port[name]),
    [0, 0, 1, 2, 3, 4, 5, 6, 7],
  );
  t.deepEqual(effects.words, []);
});

test('PTI: rapid ageing ends with its period', (t) => {
  const { bridge, port, effects } = bridgeOf([{ ageingWhile: 2 }]);
  tickPort(bridge, port);
  t.deepEqual(effects.words, []);
  tickPort(bridge, port);
  t.deepEqual(effects.words, ['1: ageing 0']);
  tickPort(bridge, port);
  t.deepEqual(effects.words, ['1: ageing 0']);
});

test('PRS: a port that asks for it has the roles of all selected', (t) => {
  const { bridge } = bridgeOf([{}, { reselect: true, selected: false }, { infoIs: 'Disabled', selected: false }]);
  t.true(stepPrs(bridge));
  t.deepEqual(
    bridge.ports.map(({ reselect, selected, selectedRole }) => [reselect, selected, selectedRole]),
    [
      [false, true, 'DesignatedPort'],
      [false, true, 'DesignatedPort'],
      [false, true, 'DisabledPort'],
    ],
  );
  t.false(stepPrs(bridge));
});

test('TCM: a change is told to all other ports, unless it comes from a restricted one', (t) => {
  for (const [restrictedTcn, expected] of [
    [false, [false, true, true]],
    [true, [false, false, false]],
  ] as const) {
    const { bridge, port } = bridgeOf([{ TCM: 'ACTIVE', role: 'DesignatedPort', rcvdTc: true, restrictedTcn }, {}, {}]);
    t.true(stepTcm(bridge, port));
    t.deepEqual(
      bridge.ports.map(({ tcProp }) => tcProp),
      expected,
    );
  }
});
