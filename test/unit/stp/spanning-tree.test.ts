// Spanning tree from outside: what goes in, what comes out.

import test from 'ava';
import {
  FORCE_VERSION,
  STP_PORT_SETTINGS_DEFAULT,
  type StpPortSettings,
  StpSettingError,
  type StpSettings,
} from '../../../src/stp/parameters.ts';
import { SpanningTree } from '../../../src/stp/spanning-tree.ts';
import { BPDU_FLAG, type Bpdu, emitBpdu } from '../../../src/wire/bpdu.ts';
import { bpduOf, bridgeId, settingsOf, WrittenEffects } from '../../support/stp.ts';

/** Bridge 5 with ports 1 and 2 up. */
function start(changes: Partial<StpSettings> = {}, port: Partial<StpPortSettings> = {}) {
  const effects = new WrittenEffects();
  const tree = new SpanningTree(settingsOf(5, changes), effects);
  for (const portNo of [1, 2]) tree.addPort(portNo, { ...STP_PORT_SETTINGS_DEFAULT, ...port });
  effects.take();
  for (const portNo of [1, 2]) tree.portEnabled(portNo, true);
  return { tree, effects };
}

/** Ticks until `condition`; returns how many it took, at the most `limit`. */
function ticksUntil(tree: SpanningTree, condition: () => boolean, limit = 100): number {
  let count = 0;
  for (; !condition() && count < limit; count++) tree.tick();
  return count;
}

const states = (tree: SpanningTree) => tree.bridge.ports.map(({ role, PST }) => `${role} ${PST}`);
const forwards = (tree: SpanningTree, portNo: number) => () => tree.port(portNo)?.forwarding === true;

test('alone: root, designated everywhere, and a proposal at once', (t) => {
  const { tree, effects } = start();
  t.deepEqual(states(tree), ['DesignatedPort DISCARDING', 'DesignatedPort DISCARDING']);
  t.deepEqual(effects.sent, [
    { portNo: 1, bpdu: bpduOf(5, 0, 5, 1, { flags: 0x0e }) },
    { portNo: 2, bpdu: bpduOf(5, 0, 5, 2, { flags: 0x0e }) },
  ]);
  t.is(tree.bridge.RootPortId, 0);
});

test('nobody answers: an edge after MigrateTime, without a topology change', (t) => {
  const { tree, effects } = start();
  t.is(ticksUntil(tree, forwards(tree, 1)), 3);
  t.true(tree.port(1)?.operEdge);
  t.true(effects.sent.every(({ bpdu }) => bpdu.kind === 'rst' && (bpdu.flags & BPDU_FLAG.TC) === 0));
});

test('without AutoEdge it takes the timers', (t) => {
  const { tree } = start({}, { autoEdge: false });
  t.is(ticksUntil(tree, forwards(tree, 1)), 22, 'MaxAge, then HelloTime');
});

test('AdminEdge forwards before portEnabled returns, and a BPDU ends it', (t) => {
  const { tree, effects } = start({}, { adminEdge: true });
  t.deepEqual(states(tree), ['DesignatedPort FORWARDING', 'DesignatedPort FORWARDING']);
  t.deepEqual(
    effects.words.filter((word) => word.startsWith('1:')),
    ['1: learning true', '1: forwarding true', '1: rst'],
  );
  tree.receiveBpdu(1, emitBpdu(bpduOf(1, 0, 1, 1, { flags: 0x0e })));
  t.false(tree.port(1)?.operEdge);
  tree.portEnabled(1, false);
  t.true(tree.port(1)?.operEdge, 'again an edge when the link was down');
});

test('a link between two bridges forwards by proposal and agreement, without a tick', (t) => {
  const queue: { to: number; bpdu: Uint8Array }[] = [];
  const effects = [4, 5].map((_, n) =>
    Object.assign(new WrittenEffects(), {
      transmitBpdu: (_port: number, bpdu: Uint8Array) => void queue.push({ to: 1 - n, bpdu }),
    }),
  );
  const trees = [4, 5].map((n, k) => new SpanningTree(settingsOf(n), effects[k]));
  for (const tree of trees) {
    tree.addPort(1, STP_PORT_SETTINGS_DEFAULT);
    tree.portEnabled(1, true);
  }
  let count = 0;
  for (let next = queue.shift(); next !== undefined; next = queue.shift(), count++) trees[next.to].receiveBpdu(1, next.bpdu);
  t.deepEqual(trees.flatMap(states), ['DesignatedPort FORWARDING', 'RootPort FORWARDING']);
  t.true(count < 10, `${count} BPDUs`);
});

test('STP: listening and learning by the timers, Config BPDUs, rapid ageing', (t) => {
  const { tree, effects } = start({ forceVersion: FORCE_VERSION.STP });
  t.true(effects.sent.every(({ bpdu }) => bpdu.kind === 'config' && bpdu.version === 0 && bpdu.flags === 0));
  t.is(
    ticksUntil(tree, () => tree.port(1)?.learning === true),
    20,
  );
  t.is(ticksUntil(tree, forwards(tree, 1)), 15);
  effects.take();
  tree.receiveBpdu(2, emitBpdu({ kind: 'tcn', version: 0 }));
  t.true(effects.words.includes('1: ageing 15'), 'the other port ages rapidly');
  t.false(effects.words.some((word) => word.endsWith('flush')));
  t.is(
    ticksUntil(tree, () => effects.sent.some(({ portNo }) => portNo === 2)),
    2,
    'at the next hello',
  );
  const { bpdu } = effects.sent.find(({ portNo }) => portNo === 2) as { bpdu: Bpdu };
  t.is(bpdu.kind === 'config' && bpdu.flags, BPDU_FLAG.TC | BPDU_FLAG.TC_ACK);
  ticksUntil(tree, () => effects.words.includes('1: ageing 0'), 15);
  t.true(effects.words.includes('1: ageing 0'));
});

test('STP: a root port sends TCNs until they are acknowledged', (t) => {
  const { tree, effects } = start({ forceVersion: FORCE_VERSION.STP });
  const root = (flags: number) => emitBpdu({ ...bpduOf(1, 0, 1, 7, { flags }), kind: 'config', version: 0 });
  const second = (flags: number) => {
    tree.receiveBpdu(1, root(flags));
    tree.tick();
  };
  for (let n = 0; n < 40; n++) second(0);
  t.deepEqual(states(tree)[0], 'RootPort FORWARDING');
  effects.take();
  for (let n = 0; n < 4; n++) second(0);
  t.is(effects.words.filter((word) => word === '1: tcn').length, 2, 'one each hello time');
  second(BPDU_FLAG.TC_ACK);
  effects.take();
  for (let n = 0; n < 4; n++) second(0);
  t.false(effects.words.includes('1: tcn'));
});

test('migration: an old bridge is answered in its own way, until it is gone', (t) => {
  const { tree, effects } = start();
  const config = emitBpdu({ ...bpduOf(9, 0, 9, 1, { flags: 0 }), kind: 'config', version: 0 });
  const kinds = () => {
    effects.take();
    ticksUntil(tree, () => effects.sent.some(({ portNo }) => portNo === 1), 5);
    return effects.sent.find(({ portNo }) => portNo === 1)?.bpdu.kind;
  };
  tree.receiveBpdu(1, config);
  t.is(kinds(), 'rst', 'not before MigrateTime');
  for (let n = 0; n < 3; n++) tree.tick();
  tree.receiveBpdu(1, config);
  t.is(kinds(), 'config');
  for (let n = 0; n < 3; n++) tree.tick();
  tree.receiveBpdu(1, emitBpdu(bpduOf(9, 0, 9, 1)));
  t.is(kinds(), 'rst', 'an RST BPDU was heard');
  for (let n = 0; n < 3; n++) tree.tick();
  tree.receiveBpdu(1, config);
  t.is(kinds(), 'config');
  tree.mcheck(1);
  t.is(kinds(), 'rst', 'management wants to know');
});

test('what was heard dies with three hello times', (t) => {
  const { tree } = start();
  tree.receiveBpdu(1, emitBpdu(bpduOf(1, 0, 1, 1, { helloTime: 2 })));
  t.is(tree.port(1)?.role, 'RootPort');
  t.is(
    ticksUntil(tree, () => tree.port(1)?.role === 'DesignatedPort'),
    6,
  );
  t.is(tree.bridge.RootPortId, 0);
});

test('what becomes of a BPDU', (t) => {
  const { tree, effects } = start();
  effects.take();
  t.is(tree.receiveBpdu(1, emitBpdu(bpduOf(9, 0, 9, 1))), 'processed');
  t.is(tree.receiveBpdu(1, emitBpdu(bpduOf(5, 0, 5, 1))), 'own');
  t.is(tree.receiveBpdu(1, emitBpdu(bpduOf(5, 0, 5, 2))), 'processed', 'our other port on the same LAN');
  t.deepEqual(states(tree), ['DesignatedPort DISCARDING', 'DesignatedPort DISCARDING']);
  t.is(tree.receiveBpdu(2, emitBpdu(bpduOf(5, 0, 5, 1))), 'processed');
  t.deepEqual(states(tree), ['DesignatedPort DISCARDING', 'BackupPort DISCARDING']);
  t.is(tree.receiveBpdu(1, new Uint8Array(3)), 'too_short');
  tree.portEnabled(1, false);
  t.is(tree.receiveBpdu(1, emitBpdu(bpduOf(9, 0, 9, 1))), 'port_disabled');
});

test('TxHoldCount bounds what a port says, whatever it hears', (t) => {
  const { tree, effects } = start({ txHoldCount: 3 });
  const propose = () => tree.receiveBpdu(1, emitBpdu(bpduOf(1, 0, 1, 1, { flags: 0x0e })));
  const sent = () => effects.sent.filter(({ portNo }) => portNo === 1).length;
  for (let n = 0; n < 50; n++) propose();
  t.is(sent(), 3);
  tree.tick();
  for (let n = 0; n < 50; n++) propose();
  t.is(sent(), 4);
});

test('management', (t) => {
  const { tree, effects } = start();
  tree.receiveBpdu(1, emitBpdu(bpduOf(1, 0, 1, 1)));
  t.is(tree.port(1)?.role, 'RootPort');
  effects.take();
  tree.configurePort(1, { pathCost: 7, priority: 16 });
  t.is(tree.bridge.RootPriority.RootPathCost, 7);
  t.is(tree.bridge.RootPortId, 0x1001);
  tree.configurePort(1, { restrictedRole: true });
  t.is(tree.port(1)?.role, 'AlternatePort');
  t.is(tree.bridge.RootPortId, 0);
  tree.configurePort(1, { restrictedRole: false });
  tree.configure({ bridgeId: bridgeId(5, 4096), helloTime: 1, maxAge: 10, forwardDelay: 6 });
  t.is(tree.port(1)?.role, 'DesignatedPort');
  const { bpdu } = effects.sent[effects.sent.length - 1];
  t.like(bpdu, { rootId: bridgeId(5, 4096), helloTime: 1, maxAge: 10, forwardDelay: 6 });
  tree.configure({ forceVersion: FORCE_VERSION.STP });
  t.is(effects.sent[effects.sent.length - 1].bpdu.kind, 'config');
  t.throws(() => tree.configure({ helloTime: 20 }), { instanceOf: StpSettingError });
  t.throws(() => tree.configurePort(1, { pathCost: 0 }), { instanceOf: StpSettingError });
  t.throws(() => tree.addPort(4096, STP_PORT_SETTINGS_DEFAULT), { instanceOf: StpSettingError });
  t.is(tree.settings.helloTime, 1, 'what was refused changed nothing');
});

test('a bridge without ports takes a new identifier', (t) => {
  const tree = new SpanningTree(settingsOf(5), new WrittenEffects());
  tree.configure({ bridgeId: bridgeId(6) });
  t.deepEqual(tree.bridge.RootPriority.RootBridgeID, bridgeId(6));
});

test('the root port is removed: the alternate port takes over at once', (t) => {
  const { tree, effects } = start();
  tree.receiveBpdu(1, emitBpdu(bpduOf(1, 0, 1, 1, { flags: 0x3c })));
  tree.receiveBpdu(2, emitBpdu(bpduOf(1, 0, 1, 2, { flags: 0x3c })));
  t.deepEqual(states(tree), ['RootPort FORWARDING', 'AlternatePort DISCARDING']);
  effects.take();
  tree.removePort(1);
  t.deepEqual(states(tree), ['RootPort FORWARDING']);
  t.deepEqual(effects.words.slice(0, 2), ['1: learning false', '1: forwarding false']);
  t.true(effects.words.includes('2: forwarding true'));
});

test('ports are kept in order of number', (t) => {
  const { tree } = start();
  for (const portNo of [9, 3, 4095, 5]) tree.addPort(portNo, STP_PORT_SETTINGS_DEFAULT);
  t.deepEqual(
    tree.bridge.ports.map(({ portNo }) => portNo),
    [1, 2, 3, 5, 9, 4095],
  );
});

test('a restored tree goes on as the saved one does', (t) => {
  const { tree, effects } = start();
  tree.receiveBpdu(1, emitBpdu(bpduOf(1, 0, 1, 1, { flags: 0x0e })));
  tree.tick();
  const saved = tree.save();
  const frozen = JSON.stringify(saved);
  const otherEffects = new WrittenEffects();
  const other = SpanningTree.restore(JSON.parse(frozen), otherEffects);
  t.deepEqual(otherEffects.words.slice(0), [], 'no effect is repeated');
  effects.take();
  for (const one of [tree, other]) {
    one.receiveBpdu(2, emitBpdu(bpduOf(1, 0, 1, 2, { flags: 0x0e })));
    for (let n = 0; n < 30; n++) one.tick();
  }
  t.deepEqual(otherEffects.words, effects.words);
  t.deepEqual(other.save(), tree.save());
  t.is(JSON.stringify(saved), frozen, 'what was saved does not change');
});
