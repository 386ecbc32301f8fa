// The commands of a bridge: what each changes, and the sentence each refusal is.

import test from 'ava';
import { Bridge } from '../../../src/bridge/bridge.ts';
import type { Command, PortSettings, SwitchSettings } from '../../../src/bridge/command.ts';
import { FDB_FLAG } from '../../../src/relay/fdb.ts';
import { PORT_NO_MAX } from '../../../src/relay/limits.ts';
import { relayFrames } from '../../support/bridge-frames.ts';

const A = '02:00:00:00:00:0a';
const B = '02:00:00:00:00:0b';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';

function bridgeOf(ports: number, fdbSize = 64): Bridge {
  const bridge = new Bridge({ name: 'br0', salt: 1, fdbSize });
  for (let n = 1; n <= ports; n++) {
    bridge.apply({ type: 'port_add', name: `p${n}`, kind: 'memory', target: '' }, 0);
    bridge.apply({ type: 'port_link', portNo: n, up: true }, 0);
  }
  return bridge;
}

const addStatic = (mac: string, portNo = 1): Command => ({ type: 'fdb_add', portNo, mac, flags: FDB_FLAG.STATIC });

/** Commands a bridge with ports p1 and p2 and an FDB of two entries refuses, and what it says. */
const REFUSED: readonly (readonly [string, Command, string])[] = [
  [
    'a name twice',
    { type: 'port_add', name: 'p1', kind: 'memory', target: '' },
    'br0 already has a port named p1; give the new one another name (name=…)',
  ],
  ['a number twice', { type: 'port_add', name: 'x', kind: 'memory', target: '', portNo: 2 }, 'port number 2 is taken by p2'],
  ['number 0', { type: 'port_add', name: 'x', kind: 'memory', target: '', portNo: 0 }, 'port number 0 is outside 1..2047'],
  [
    'number 2048',
    { type: 'port_add', name: 'x', kind: 'memory', target: '', portNo: 2048 },
    'port number 2048 is outside 1..2047',
  ],
  [
    'half a number',
    { type: 'port_add', name: 'x', kind: 'memory', target: '', portNo: 1.5 },
    'port number 1.5 is outside 1..2047',
  ],
  ['a missing port', { type: 'port_remove', portNo: 9 }, 'br0 has no port number 9'],
  ['a missing port', { type: 'port_set', portNo: 9, settings: {} }, 'br0 has no port number 9'],
  ['a missing port', { type: 'port_link', portNo: 9, up: true }, 'br0 has no port number 9'],
  ['a missing port', { type: 'port_state', portNo: 9, state: 'learning' }, 'br0 has no port number 9'],
  ['a missing port', { type: 'fdb_flush', portNo: 9 }, 'br0 has no port number 9'],
  ['a missing port', addStatic(A, 9), 'br0 has no port number 9'],
  ['no address', addStatic('nonsense'), "'nonsense' is not a MAC address; write it as 52:54:00:12:34:56"],
  ['a group', addStatic('01:00:5e:00:00:01'), '01:00:5e:00:00:01 is not the address of one station, so the FDB cannot hold it'],
  ['zero', addStatic('00:00:00:00:00:00'), '00:00:00:00:00:00 is not the address of one station, so the FDB cannot hold it'],
  ['an unknown address', { type: 'fdb_del', mac: A }, `${A} is not in the FDB`],
];

for (const [name, command, message] of REFUSED) {
  test(`${command.type}: ${name} is refused`, (t) => {
    const bridge = bridgeOf(2, 2);
    const before = bridge.save();
    t.throws(() => bridge.apply(command, 0), { name: 'CommandError', message });
    t.deepEqual(bridge.save(), before);
  });
}

for (const [settings, message] of [
  [{ mtu: 67 }, 'mtu is 67; it must be 68 to 65535'],
  [{ mtu: 65_536 }, 'mtu is 65536; it must be 68 to 65535'],
  [{ mtu: 1500.5 }, 'mtu is 1500.5; it must be 68 to 65535'],
  [{ group_fwd_mask: 0x10000 }, 'group_fwd_mask is 65536; it must be 0 to 65535'],
  [{ group_fwd_mask: 2 }, 'group_fwd_mask cannot hold bit 1: PAUSE frames (01-80-C2-00-00-01) are never relayed'],
  [{ flod: true }, 'a port has no setting named flod'],
  [{ flood: 1 }, 'flood is 1; it must be true or false'],
] as const) {
  test(`port setting ${JSON.stringify(settings)} is refused, at run time and with a new port`, (t) => {
    const bridge = bridgeOf(1);
    const wrong = settings as Partial<PortSettings>;
    t.throws(() => bridge.apply({ type: 'port_set', portNo: 1, settings: wrong }, 0), { name: 'CommandError', message });
    t.throws(() => bridge.apply({ type: 'port_add', name: 'x', kind: 'memory', target: '', settings: wrong }, 0), { message });
    t.is(bridge.snapshot().ports.length, 1);
  });
}

for (const [settings, message] of [
  [{ ageing_time_s: -1 }, 'ageing_time_s is -1; it must be 0 to 1000000'],
  [{ ageing_time_s: 1_000_001 }, 'ageing_time_s is 1000001; it must be 0 to 1000000'],
  [{ fdb_max_learned: -1 }, 'fdb_max_learned is -1; it must be 0 to 4294967295'],
  [{ group_fwd_mask: -1 }, 'group_fwd_mask is -1; it must be 0 to 65535'],
  [
    { group_fwd_mask: 4 },
    'group_fwd_mask of a switch cannot hold bits 0 (STP), 1 (PAUSE) and 2 (LACP); a port may have bits 0 and 2',
  ],
] as const) {
  test(`switch setting ${JSON.stringify(settings)} is refused and changes nothing`, (t) => {
    const bridge = bridgeOf(1);
    const { settings: before } = bridge.snapshot();
    const wrong: Partial<SwitchSettings> = settings;
    t.throws(() => bridge.apply({ type: 'switch_set', settings: wrong }, 0), { name: 'CommandError', message });
    t.deepEqual(bridge.snapshot().settings, before);
  });
}

test('the extremes of every setting are accepted', (t) => {
  const bridge = bridgeOf(1);
  for (const settings of [
    { ageing_time_s: 0, fdb_max_learned: 0, group_fwd_mask: 0 },
    { ageing_time_s: 1_000_000, fdb_max_learned: 2 ** 32 - 1, group_fwd_mask: 0xfff8 },
  ]) {
    bridge.apply({ type: 'switch_set', settings }, 0);
    t.deepEqual(bridge.snapshot().settings, { ...settings, up: true });
  }
  for (const settings of [
    { mtu: 68, group_fwd_mask: 0 },
    { mtu: 65_535, group_fwd_mask: 0xfffd },
  ]) {
    bridge.apply({ type: 'port_set', portNo: 1, settings }, 0);
    t.like(bridge.snapshot().ports[0], settings);
  }
});

test('an FDB full of static entries says so', (t) => {
  const bridge = bridgeOf(1, 1);
  bridge.apply(addStatic(A), 0);
  t.throws(() => bridge.apply(addStatic(B), 0), {
    message: `cannot add ${B}: the FDB of 1 entries is full of entries that do not age; remove some first`,
  });
});

test('numbers are the lowest free, as the kernel bridge hands them out', (t) => {
  const bridge = bridgeOf(3);
  bridge.apply({ type: 'port_remove', portNo: 2 }, 0);
  t.is(bridge.apply({ type: 'port_add', name: 'again', kind: 'memory', target: '' }, 0), 2);
  t.is(bridge.portNoOf('again'), 2);
  t.is(bridge.portNoOf('p2'), 0);
});

test('a removed port takes its entries with it and its number starts at zero', (t) => {
  const bridge = bridgeOf(3);
  relayFrames(bridge, 2, [{ src: A, dst: BROADCAST }], 0);
  bridge.apply(addStatic(B, 2), 0);
  bridge.apply({ type: 'port_remove', portNo: 2 }, 0);
  t.deepEqual(bridge.fdbEntries(0), []);
  bridge.apply({ type: 'port_add', name: 'new', kind: 'memory', target: '', portNo: 2 }, 0);
  t.is(bridge.snapshot().ports[1].rx_frames, 0);
  t.deepEqual(bridge.imbalances(), []);
});

test('a port that loses its link forgets what was learned there and gets nothing', (t) => {
  const bridge = bridgeOf(3);
  relayFrames(bridge, 2, [{ src: A, dst: BROADCAST }], 0);
  bridge.apply(addStatic(B, 2), 0);
  bridge.apply({ type: 'port_link', portNo: 2, up: false }, 0);
  t.deepEqual(
    bridge.fdbEntries(0).map(({ mac }) => mac),
    [B],
  );
  const [flooded, blocked] = relayFrames(
    bridge,
    1,
    [
      { src: '02:00:00:00:00:01', dst: A },
      { src: '02:00:00:00:00:01', dst: B },
    ],
    0,
  );
  t.deepEqual(flooded.out, [3]);
  t.is(blocked.outcome, 'egress_blocked');
  t.is(bridge.snapshot().ports[1].state, 'disabled');
});

test('entries are shown sorted, with age and flags', (t) => {
  const bridge = bridgeOf(2);
  relayFrames(bridge, 2, [{ src: B, dst: BROADCAST }], 0);
  bridge.apply({ type: 'fdb_add', portNo: 1, mac: A, flags: FDB_FLAG.STATIC | FDB_FLAG.STICKY }, 0);
  bridge.apply({ type: 'fdb_add', portNo: 1, mac: '02:00:00:00:00:0c', flags: FDB_FLAG.EXTERN }, 0);
  bridge.apply({ type: 'fdb_add', portNo: 2, mac: '02:00:00:00:00:0d', flags: FDB_FLAG.PERMANENT }, 0);
  const common = { fid: 0 };
  t.deepEqual(bridge.fdbEntries(12_500), [
    { ...common, mac: A, portNo: 1, ifname: 'p1', state: 'static', age_s: 0, flags: ['sticky'] },
    { ...common, mac: B, portNo: 2, ifname: 'p2', state: 'dynamic', age_s: 12, flags: [] },
    { ...common, mac: '02:00:00:00:00:0c', portNo: 1, ifname: 'p1', state: 'dynamic', age_s: 12, flags: ['extern_learn'] },
    { ...common, mac: '02:00:00:00:00:0d', portNo: 2, ifname: 'p2', state: 'permanent', age_s: 0, flags: [] },
  ]);
});

test('stations age, are collected by the tick, and are counted', (t) => {
  const bridge = bridgeOf(2);
  bridge.apply({ type: 'switch_set', settings: { ageing_time_s: 10 } }, 0);
  relayFrames(bridge, 1, [{ src: A, dst: BROADCAST }], 0);
  bridge.tick(9_999);
  t.is(bridge.snapshot().fdb.learned, 1);
  bridge.tick(10_000);
  t.like(bridge.snapshot().fdb, { learned: 0, learned_total: 1, expired_total: 1 });
});

test('one tick collects a bounded number; what is too old is a miss all the same', (t) => {
  const bridge = bridgeOf(2, 8192);
  const frames = Array.from({ length: 6000 }, (_, n) => ({
    src: `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`,
    dst: BROADCAST,
  }));
  for (let n = 0; n < frames.length; n += 200) relayFrames(bridge, 1, frames.slice(n, n + 200), 0);
  bridge.tick(300_000);
  t.like(bridge.snapshot().fdb, { learned: 6000 - 4096, expired_total: 4096 });
  t.deepEqual(bridge.fdbEntries(300_000), []);
  bridge.tick(301_000);
  t.like(bridge.snapshot().fdb, { learned: 0, expired_total: 6000 });
});

test('ageing time 0: nothing is learned, everything floods', (t) => {
  const bridge = bridgeOf(3);
  bridge.apply({ type: 'switch_set', settings: { ageing_time_s: 0 } }, 0);
  relayFrames(bridge, 2, [{ src: A, dst: BROADCAST }], 0);
  t.is(bridge.snapshot().fdb.learned_total, 0);
  t.deepEqual(relayFrames(bridge, 1, [{ src: B, dst: A }], 0)[0].out, [2, 3]);
});

test('the frame dropped last is shown with its reason', (t) => {
  const bridge = bridgeOf(2);
  relayFrames(bridge, 1, [{ src: BROADCAST, dst: A, len: 77, etherType: 0x86dd }], 1234);
  t.deepEqual(bridge.snapshot().ports[0].drops, [
    {
      reason: 'source_group',
      text: 'the source address is a group address',
      count: 1,
      last: { src: BROADCAST, dst: A, ethertype: 0x86dd, len: 77, at_ms: 1234 },
    },
  ]);
});

test('a switch takes 2,047 ports and no more; a broadcast reaches all the others', (t) => {
  const bridge = bridgeOf(PORT_NO_MAX);
  t.throws(() => bridge.apply({ type: 'port_add', name: 'one more', kind: 'memory', target: '' }, 0), {
    message: 'br0 has all 2047 ports a switch can have; remove one first',
  });
  const [broadcast] = relayFrames(bridge, 1500, [{ src: A, dst: BROADCAST }], 0);
  t.is(broadcast.out.length, PORT_NO_MAX - 1);
  t.false(broadcast.out.includes(1500));
  const [known] = relayFrames(bridge, 2047, [{ src: B, dst: A }], 0);
  t.deepEqual(known.out, [1500]);
  t.deepEqual(bridge.imbalances(), []);
});

test('a time of day is no clock for a bridge', (t) => {
  t.throws(() => bridgeOf(1).tick(1_763_629_200_000), { message: /a clock that started less than 8 years ago/ });
  t.throws(() => bridgeOf(1).tick(-1), { message: /a clock/ });
});
