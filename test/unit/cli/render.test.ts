// What people see: the tables of every verb, character by character.

import test from 'ava';
import { renderDrops } from '../../../src/cli/drops.ts';
import { renderFdb } from '../../../src/cli/fdb.ts';
import { renderPorts } from '../../../src/cli/ports.ts';
import { renderShow } from '../../../src/cli/show.ts';
import { renderStats, statsJson } from '../../../src/cli/stats.ts';
import { durationText, renderTable, withUnit } from '../../../src/cli/table.ts';
import { dropsJson, portJson, showJson, statsSampleJson } from '../../../src/control/json.ts';
import type { PortView, SwitchView } from '../../../src/loop/view.ts';

const PLAIN: PortView = {
  portNo: 1,
  name: 'tap0',
  kind: 'tap',
  target: 'tap0',
  up: true,
  state: 'forwarding',
  flags: { learning: true, flood: true, mcast_flood: true, bcast_flood: true, isolated: false, hairpin: false },
  mtu: 1500,
  group_fwd_mask: 0,
  learned: 2,
  rx_frames: 1200,
  rx_bytes: 120_000,
  relayed: 1199,
  consumed: 0,
  chosen: 17,
  originated: 0,
  tx_frames: 15,
  tx_bytes: 900,
  queued: 0,
  drops: [
    {
      reason: 'runt',
      text: 'shorter than an Ethernet header (14 octets)',
      count: 1,
      last: { src: '52:54:00:00:00:01', dst: 'ff:ff:ff:ff:ff:ff', ethertype: 0x806, len: 13, at_ms: 3_000 },
    },
    { reason: 'tx_full', text: 'the egress queue was full: the receiver reads too slowly', count: 2 },
  ],
  role: 'plain',
  mac: '02:00:00:00:00:07',
  reason: undefined,
};

const GUEST: PortView = {
  ...PLAIN,
  portNo: 12,
  name: 'vm1',
  kind: 'stream',
  target: '/run/vm1.sock',
  up: false,
  state: 'disabled',
  flags: { ...PLAIN.flags, isolated: true, learning: false },
  learned: 0,
  rx_frames: 0,
  rx_bytes: 0,
  tx_frames: 0,
  tx_bytes: 0,
  drops: [],
  mac: undefined,
  reason: 'waiting for a guest to connect',
};

const VIEW: SwitchView = {
  name: 'br0',
  settings: { ageing_time_s: 300, group_fwd_mask: 0x4000, fdb_max_learned: 0, up: true },
  fdb: {
    size: 65_536,
    learned: 2,
    lasting: 1,
    learned_total: 5,
    moved_total: 1,
    expired_total: 3,
    evicted_total: 0,
    refused_total: 0,
  },
  ports: [PLAIN, GUEST],
  pid: 4711,
  uptime_s: 93_784,
  now_ms: 68_000,
  loop: { backend: 'epoll', turns: 0, wakeups: 0, imbalances: [] },
};

test('ports', (t) => {
  t.is(
    renderPorts(VIEW.ports.map(portJson), false),
    [
      'PORT  NO  KIND    LINK  STATE        MTU  MAC                RX FRAMES  TX FRAMES  DROPS  LEARNED  NOTE',
      'tap0   1  tap     up    forwarding  1500  02:00:00:00:00:07       1200         15      3        2',
      'vm1   12  stream  down  disabled    1500  -                          0          0      0        0  ' +
        '/run/vm1.sock, isolated, learning off, waiting for a guest to connect',
    ].join('\n'),
  );
  t.is(renderPorts([], false), 'no ports; add one with weft port add SPEC');
});

test('a port as JSON has exactly the keys that are promised', (t) => {
  t.deepEqual(portJson(PLAIN), {
    ifname: 'tap0',
    kind: 'tap',
    target: 'tap0',
    port_no: 1,
    link: 'up',
    down_reason: null,
    state: 'forwarding',
    role: null,
    path_cost: null,
    priority: null,
    mtu: 1500,
    mac: '02:00:00:00:00:07',
    rx_frames: 1200,
    rx_bytes: 120_000,
    tx_frames: 15,
    tx_bytes: 900,
    drops: { runt: 1, tx_full: 2 },
    purpose: 'plain',
    settings: {
      learning: true,
      flood: true,
      mcast_flood: true,
      bcast_flood: true,
      isolated: false,
      hairpin: false,
      group_fwd_mask: 0,
    },
    learned: 2,
  });
});

test('fdb', (t) => {
  t.is(
    renderFdb(
      [
        { mac: '52:54:00:00:00:01', ifname: 'tap0', state: 'dynamic', age_s: 12, flags: [] },
        { mac: '52:54:00:00:00:02', ifname: 'vm1', state: 'static', age_s: 0, flags: ['sticky'] },
      ],
      false,
    ),
    [
      'MAC                PORT  STATE     AGE  FLAGS',
      '52:54:00:00:00:01  tap0  dynamic  12 s',
      '52:54:00:00:00:02  vm1   static      -  sticky',
    ].join('\n'),
  );
  t.regex(
    renderFdb([{ mac: '52:54:00:00:00:01', ifname: 'tap0', vlan: 7, state: 'dynamic', age_s: 12, flags: [] }], false),
    /VLAN/,
  );
  t.is(renderFdb([], false), 'the FDB is empty');
});

test('drops', (t) => {
  const drops = dropsJson(VIEW);
  t.deepEqual(drops[0]?.last, { src: '52:54:00:00:00:01', dst: 'ff:ff:ff:ff:ff:ff', ethertype: 0x806, len: 13, age_s: 65 });
  t.is(
    renderDrops(drops, false),
    [
      'PORT  COUNT  REASON   MEANING                                                   LAST FRAME',
      'tap0      1  runt     shorter than an Ethernet header (14 octets)               ' +
        '52:54:00:00:00:01 > ff:ff:ff:ff:ff:ff, type 0x0806, 13 octets, 00:01:05 ago',
      'tap0      2  tx_full  the egress queue was full: the receiver reads too slowly  -',
    ].join('\n'),
  );
  t.is(renderDrops([], false), 'nothing was dropped');
});

test('show', (t) => {
  const setup = {
    host: { ifname: 'br0', address: '10.0.0.1/24' },
    uplink: { ifname: 'eth0', mode: 'shared' as const },
  };
  const host: PortView = { ...PLAIN, name: 'br0', role: 'host' };
  t.is(
    renderShow(showJson({ ...VIEW, ports: [host, GUEST] }, setup)),
    [
      'switch          br0',
      'state           up',
      'process         4711',
      'uptime          1 d 02:03:04',
      'waits with      epoll',
      'spanning tree   off',
      'ports           1 up, 1 down',
      'host port       br0 10.0.0.1/24 02:00:00:00:00:07',
      'uplink          eth0, shared with the host',
      'ageing time     300 s',
      'group fwd mask  0x4000',
      'FDB             2 learned, 1 lasting, room for 65536',
      'FDB so far      5 learned, 1 moved, 3 expired, 0 evicted, 0 refused',
    ].join('\n'),
  );
});

test('stats: rates are over the time on the clock of the switch', (t) => {
  const before = statsSampleJson(VIEW);
  const later: PortView = { ...PLAIN, rx_frames: 1200 + 25_000, rx_bytes: 120_000 + 2_500_000 };
  const after = statsSampleJson({ ...VIEW, now_ms: VIEW.now_ms + 2500, ports: [later, { ...GUEST, name: 'new', tx_frames: 5 }] });
  const stats = statsJson(before, after);
  t.is(stats.interval_s, 2.5);
  t.like(stats.ports[0], {
    ifname: 'tap0',
    rx_frames: 26_200,
    rx_frames_per_s: 10_000,
    rx_bits_per_s: 8_000_000,
    tx_frames_per_s: 0,
  });
  t.like(stats.ports[1], { ifname: 'new', tx_frames_per_s: 2 });
  t.like(stats.switch, { rx_frames: 26_200, drops: 3 });
  const lines = renderStats(stats, false).split('\n');
  t.is(lines.length, 4);
  t.regex(lines[1] ?? '', /^tap0 +10\.0 k +8\.00 Mbit\/s /);
  t.regex(lines[3] ?? '', /^all ports +10\.0 k /);
});

test('stats: counters that start over give no negative rate', (t) => {
  const before = statsSampleJson(VIEW);
  const after = statsSampleJson({ ...VIEW, now_ms: VIEW.now_ms, ports: [{ ...PLAIN, rx_frames: 3 }] });
  const { ports, interval_s } = statsJson(before, after);
  t.is(ports[0]?.rx_frames_per_s, 0);
  t.true(interval_s > 0);
});

test('tables emphasise titles on a terminal only, and pass no control characters on', (t) => {
  const columns = [{ title: 'A', cell: (row: string) => row }];
  t.is(renderTable(['x\x1b[31m\n'], columns, false), 'A\nx?[31m?');
  t.is(renderTable(['x'], columns, true), '\x1b[1mA\x1b[22m\nx');
});

test('numbers for people', (t) => {
  const texts = [0, 1, 999, 999.6, 1000, 9994, 9996, 99_940, 99_960, 999_499, 999_500, 1e9, 1e15].map((value) =>
    withUnit(value, 'B'),
  );
  t.deepEqual(texts, [
    '0 B',
    '1 B',
    '999 B',
    '1.00 kB',
    '1.00 kB',
    '9.99 kB',
    '10.0 kB',
    '99.9 kB',
    '100 kB',
    '999 kB',
    '1.00 MB',
    '1.00 GB',
    '1000 TB',
  ]);
  t.deepEqual([0, 61, 86_399, 86_400].map(durationText), ['00:00:00', '00:01:01', '23:59:59', '1 d 00:00:00']);
});
