// What the Linux bridge did with each of these frames when it was measured (6.18, three taps, MTU
// 1500, spanning tree off), as far as it depends on the bridge and not on its interfaces. Ports 1, 2
// and 3 are tap0, tap1 and tap2; every frame enters port 1 unless a test says otherwise.
//
// Where weft differs, and why, is in the tests of that name at the end.

import test from 'ava';
import { Bridge } from '../../../src/bridge/bridge.ts';
import type { PortSettings, SwitchSettings } from '../../../src/bridge/command.ts';
import { FDB_FLAG } from '../../../src/relay/fdb.ts';
import { batchOf, frameOctets, relayBatch, relayFrames, type TestFrame } from '../../support/bridge-frames.ts';

const A = '02:00:00:00:00:0a';
const B = '02:00:00:00:00:0b';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const UNKNOWN = '02:00:00:00:00:99';
const C_TAG = 0x81000005;
const S_TAG = 0x88a80005;

function threePorts(settings: Partial<SwitchSettings> = {}): Bridge {
  const bridge = new Bridge({ name: 'br0', salt: 1, fdbSize: 64, settings });
  for (const portNo of [1, 2, 3]) {
    bridge.apply({ type: 'port_add', name: `tap${portNo - 1}`, kind: 'memory', target: '', portNo }, 0);
    bridge.apply({ type: 'port_link', portNo, up: true }, 0);
  }
  return bridge;
}

function setPort(bridge: Bridge, portNo: number, settings: Partial<PortSettings>): void {
  bridge.apply({ type: 'port_set', portNo, settings }, 0);
}

function out(bridge: Bridge, frame: Partial<TestFrame>, port = 1): number[] {
  const [relayed] = relayFrames(bridge, port, [{ src: A, dst: BROADCAST, ...frame }], 0);
  return relayed.out;
}

function outcome(bridge: Bridge, frame: Partial<TestFrame>, port = 1): string {
  const [relayed] = relayFrames(bridge, port, [{ src: A, dst: BROADCAST, ...frame }], 0);
  return relayed.outcome;
}

const reserved = (n: number): string => `01:80:c2:00:00:0${n.toString(16)}`;

for (const [name, dst] of [
  ['broadcast', BROADCAST],
  ['unknown unicast', UNKNOWN],
  ['224.0.0.1', '01:00:5e:00:00:01'],
  ['239.255.255.255', '01:00:5e:7f:ff:ff'],
  ['ff02::1', '33:33:00:00:00:01'],
  ['BPDU address, spanning tree off', reserved(0)],
  ['all-LANs bridge management', '01:80:c2:00:00:10'],
  ['MMRP', '01:80:c2:00:00:20'],
  ['MVRP', '01:80:c2:00:00:21'],
  ['CDP', '01:00:0c:cc:cc:cc'],
  ['PVST+', '01:00:0c:cc:cc:cd'],
] as const) {
  test(`${name}: to every other port`, (t) => t.deepEqual(out(threePorts(), { dst }), [2, 3]));
}

test('PAUSE: never, whatever the masks', (t) => {
  const bridge = threePorts({ group_fwd_mask: 0xfff8 });
  setPort(bridge, 1, { group_fwd_mask: 0xfffd });
  t.is(outcome(bridge, { dst: reserved(1) }), 'reserved_group');
  t.deepEqual(bridge.fdbEntries(0), [], 'and its source is not learned');
  t.is(outcome(bridge, { dst: reserved(2) }), 'reserved');
  t.is(bridge.fdbEntries(0).length, 1, 'as that of the other reserved groups is');
});

test(':02 to :0f with no mask: not relayed', (t) => {
  const bridge = threePorts();
  for (let n = 2; n < 16; n++) t.is(outcome(bridge, { dst: reserved(n) }), 'reserved_group', reserved(n));
});

test('switch mask 0xfff8: :03 to :0f relayed, :02 not', (t) => {
  const bridge = threePorts({ group_fwd_mask: 0xfff8 });
  t.deepEqual(out(bridge, { dst: reserved(2) }), []);
  for (let n = 3; n < 16; n++) t.deepEqual(out(bridge, { dst: reserved(n) }), [2, 3], reserved(n));
});

test(':02 with mask 0x4 on the ingress port: relayed; the mask of an egress port has no say', (t) => {
  const bridge = threePorts();
  setPort(bridge, 1, { group_fwd_mask: 0x4 });
  t.deepEqual(out(bridge, { dst: reserved(2) }), [2, 3]);
  t.deepEqual(out(bridge, { dst: reserved(2), src: B }, 2), []);
});

test('switch mask 0x7 and port mask 0xffff: refused', (t) => {
  t.throws(() => threePorts({ group_fwd_mask: 7 }), { name: 'CommandError', message: /cannot hold bits 0 \(STP\)/ });
  t.throws(() => setPort(threePorts(), 1, { group_fwd_mask: 0xffff }), {
    name: 'CommandError',
    message: /cannot hold bit 1: PAUSE/,
  });
});

test('source group, broadcast or all zero: dropped and not learned', (t) => {
  const bridge = threePorts();
  t.is(outcome(bridge, { src: '01:00:5e:00:00:01' }), 'source_group');
  t.is(outcome(bridge, { src: BROADCAST }), 'source_group');
  t.is(outcome(bridge, { src: '00:00:00:00:00:00' }), 'source_zero');
  t.deepEqual(bridge.fdbEntries(0), []);
});

test('source is an address of the switch itself: relayed, and the entry stays', (t) => {
  const bridge = threePorts();
  bridge.apply({ type: 'fdb_add', portNo: 1, mac: A, flags: FDB_FLAG.PERMANENT }, 0);
  t.deepEqual(out(bridge, { src: A }, 2), [1, 3]);
  const [entry] = bridge.fdbEntries(0);
  t.is(entry.portNo, 1);
  t.is(entry.state, 'permanent');
});

for (const len of [14, 15, 20, 42, 59]) {
  test(`${len} octets: relayed`, (t) => t.deepEqual(out(threePorts(), { len }), [2, 3]));
}

test('13 octets: not a frame', (t) => t.is(outcome(threePorts(), { len: 13 }), 'runt'));

for (const [tags, fits, tooLong] of [
  [[], [1514, 1515, 1518], [1519, 1522, 2000, 9014]],
  [[C_TAG], [1518, 1519, 1522], [1523]],
  [[S_TAG], [1522], [1526]],
] as const) {
  const kind = tags.length === 0 ? 'untagged' : tags[0] === C_TAG ? 'with an 802.1Q tag' : 'with an 802.1ad tag';
  for (const len of fits) test(`${len} octets ${kind}: relayed`, (t) => t.deepEqual(out(threePorts(), { len, tags }), [2, 3]));
  for (const len of tooLong) {
    test(`${len} octets ${kind}: dropped at egress`, (t) => {
      const bridge = threePorts();
      t.deepEqual(out(bridge, { len, tags }), []);
      const [, second, third] = bridge.snapshot().ports;
      for (const port of [second, third])
        t.deepEqual(
          port.drops.map(({ reason, count }) => [reason, count]),
          [['too_big', 1]],
        );
    });
  }
}

test('unicast learned on another port: there only', (t) => {
  const bridge = threePorts();
  out(bridge, { src: B }, 2);
  t.deepEqual(out(bridge, { dst: B }), [2]);
});

test('unicast learned on the ingress port: filtered', (t) => {
  const bridge = threePorts();
  out(bridge, { src: B });
  t.is(outcome(bridge, { dst: B }), 'same_port');
});

test('unicast to an address of the switch itself: to that port only', (t) => {
  const bridge = threePorts();
  bridge.apply({ type: 'fdb_add', portNo: 3, mac: B, flags: FDB_FLAG.PERMANENT }, 0);
  t.deepEqual(out(bridge, { dst: B }), [3]);
});

test('the same source on another port: the entry moves at once', (t) => {
  const bridge = threePorts();
  out(bridge, { src: B }, 2);
  out(bridge, { src: B }, 3);
  t.deepEqual(out(bridge, { dst: B }), [3]);
});

test('two isolated ports: a broadcast from one reaches the third only', (t) => {
  const bridge = threePorts();
  setPort(bridge, 2, { isolated: true });
  setPort(bridge, 3, { isolated: true });
  t.deepEqual(out(bridge, {}, 2), [1]);
  t.deepEqual(out(bridge, {}), [2, 3]);
});

test('hairpin: a broadcast comes back too', (t) => {
  const bridge = threePorts();
  setPort(bridge, 1, { hairpin: true });
  t.deepEqual(out(bridge, {}), [1, 2, 3]);
});

test('hairpin on an isolated port: it is isolated from itself', (t) => {
  const bridge = threePorts();
  setPort(bridge, 1, { hairpin: true, isolated: true });
  t.deepEqual(out(bridge, {}), [2, 3]);
  t.deepEqual(out(bridge, { dst: A }), []);
});

test('flood off on a port: no unknown unicast there, multicast yes', (t) => {
  const bridge = threePorts();
  setPort(bridge, 2, { flood: false });
  t.deepEqual(out(bridge, { dst: UNKNOWN }), [3]);
  t.deepEqual(out(bridge, { dst: '01:00:5e:00:00:01' }), [2, 3]);
});

test('a listening port: data is dropped and teaches nothing', (t) => {
  const bridge = threePorts();
  bridge.apply({ type: 'port_state', portNo: 1, state: 'listening' }, 0);
  t.is(outcome(bridge, {}), 'not_forwarding');
  t.deepEqual(bridge.fdbEntries(0), []);
});

test('1,500 broadcasts to a guest that does not read: what does not fit is a counted drop', (t) => {
  const bridge = threePorts();
  for (let n = 0; n < 15; n++) {
    const frames = Array.from({ length: 100 }, () => frameOctets({ src: A, dst: BROADCAST }));
    relayBatch(bridge, batchOf(1, frames), 0, 4);
  }
  const dropped = bridge.snapshot().ports.flatMap(({ drops }) => drops);
  t.deepEqual([...new Set(dropped.map(({ reason }) => reason))], ['tx_full']);
  t.is(
    dropped.reduce((sum, { count }) => sum + count, 0),
    750,
  );
  t.deepEqual(bridge.imbalances(), []);
});

test('switch down: nothing relayed, and what was learned is forgotten', (t) => {
  const bridge = threePorts();
  out(bridge, { src: B }, 2);
  bridge.apply({ type: 'switch_set', settings: { up: false } }, 0);
  t.is(outcome(bridge, {}), 'port_down');
  t.deepEqual(bridge.fdbEntries(0), []);
  bridge.apply({ type: 'switch_set', settings: { up: true } }, 0);
  t.deepEqual(out(bridge, {}), [2, 3]);
});

test('different: every frame the kernel drops in silence has a reason and a counter here', (t) => {
  const bridge = threePorts();
  out(bridge, { src: BROADCAST });
  out(bridge, { len: 13 });
  out(bridge, { dst: A });
  const [port] = bridge.snapshot().ports;
  t.deepEqual(port.drops.map(({ reason }) => reason).sort(), ['runt', 'same_port', 'source_group']);
});

test('different: a static entry does not roam', (t) => {
  const bridge = threePorts();
  bridge.apply({ type: 'fdb_add', portNo: 2, mac: B, flags: FDB_FLAG.STATIC }, 0);
  out(bridge, { src: B }, 3);
  t.deepEqual(out(bridge, { dst: B }), [2]);
});
