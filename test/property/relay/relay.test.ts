// The relay against a description of a bridge in a few lines, on random ports, flags and frames.

import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import { Bridge } from '../../../src/bridge/bridge.ts';
import { FDB_FLAG } from '../../../src/relay/fdb.ts';
import type { PortFlags, PortState } from '../../../src/relay/port-table.ts';
import { FDB_ACTION, fdbActionOf, unicastPortOf } from '../../../src/relay/verdict.ts';
import { batchOf, frameOctets, type Relayed, relayBatch, type TestFrame } from '../../support/bridge-frames.ts';

const STATIONS = ['02:00:00:00:00:01', '02:00:00:00:00:02', '02:00:00:00:00:03', '02:00:00:00:00:04', '52:54:00:12:34:56'];
const STATIC_STATION = '02:00:00:00:00:aa';
const ZERO = '00:00:00:00:00:00';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const RESERVED = Array.from({ length: 16 }, (_, n) => `01:80:c2:00:00:0${n.toString(16)}`);
/** Not even learned from. */
const PAUSE = RESERVED[1];
const GROUPS = ['01:00:5e:00:00:01', '33:33:00:00:00:01', '01:80:c2:00:00:10', '01:80:c2:00:01:00', '03:00:00:00:00:00'];

interface PortSetup {
  up: boolean;
  state: PortState;
  flags: PortFlags;
  mtu: number;
  groupFwdMask: number;
}

interface Setup {
  ports: PortSetup[];
  groupFwdMask: number;
  ageingS: number;
  up: boolean;
  staticPort: number;
}

const mostly = (value: boolean): fc.Arbitrary<boolean> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: fc.boolean() });
const portSetup: fc.Arbitrary<PortSetup> = fc.record({
  up: mostly(true),
  state: fc.oneof(
    { weight: 6, arbitrary: fc.constant<PortState>('forwarding') },
    { weight: 1, arbitrary: fc.constantFrom<PortState>('disabled', 'discarding', 'listening', 'learning') },
  ),
  flags: fc.record({
    learning: mostly(true),
    flood: mostly(true),
    mcast_flood: mostly(true),
    bcast_flood: mostly(true),
    isolated: mostly(false),
    hairpin: mostly(false),
  }),
  mtu: fc.constantFrom(68, 576, 1500, 9000, 65_535),
  groupFwdMask: fc.nat(0xffff).map((mask) => mask & ~2),
});
const setup: fc.Arbitrary<Setup> = fc.record({
  ports: fc.array(portSetup, { minLength: 1, maxLength: 6 }),
  groupFwdMask: fc.oneof(fc.constant(0), fc.nat(0xffff)).map((mask) => mask & ~7),
  ageingS: fc.constantFrom(0, 10, 300),
  up: mostly(true),
  staticPort: fc.nat(5),
});
const frame: fc.Arbitrary<TestFrame> = fc.record({
  dst: fc.oneof(
    fc.constantFrom(...STATIONS, STATIC_STATION, ZERO),
    fc.constantFrom(...GROUPS, BROADCAST),
    fc.constantFrom(...RESERVED),
  ),
  src: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...STATIONS) },
    { weight: 1, arbitrary: fc.constantFrom(...GROUPS, BROADCAST, ZERO, STATIC_STATION) },
  ),
  len: fc.oneof(
    fc.constant(60),
    fc.integer({ min: 0, max: 100 }),
    fc.constantFrom(86, 87, 90, 91, 1514, 1518, 1519, 1522, 1523, 9018, 9019, 20_000),
  ),
  tags: fc.oneof(fc.constant([]), fc.array(fc.constantFrom(0x81000001, 0x88a80fff, 0x81006005), { maxLength: 3 })),
});
interface Turn {
  port: number;
  frames: TestFrame[];
  waitMs: number;
}
const turns: fc.Arbitrary<Turn[]> = fc.array(
  fc.record({ port: fc.nat(5), frames: fc.array(frame, { maxLength: 12 }), waitMs: fc.constantFrom(0, 1, 500, 5000, 20_000) }),
  { maxLength: 8 },
);

const config = { name: 'br0', salt: 7, fdbSize: 64 };

function bridgeOf({ ports, groupFwdMask, ageingS, up, staticPort }: Setup): Bridge {
  const bridge = new Bridge({ ...config, settings: { group_fwd_mask: groupFwdMask, ageing_time_s: ageingS, up } });
  for (const [n, port] of ports.entries()) {
    const settings = { ...port.flags, mtu: port.mtu, group_fwd_mask: port.groupFwdMask };
    bridge.apply({ type: 'port_add', name: `p${n + 1}`, kind: 'memory', target: '', settings }, 0);
    bridge.apply({ type: 'port_link', portNo: n + 1, up: port.up }, 0);
    bridge.apply({ type: 'port_state', portNo: n + 1, state: port.state }, 0);
  }
  const portNo = 1 + (staticPort % ports.length);
  bridge.apply({ type: 'fdb_add', portNo, mac: STATIC_STATION, flags: FDB_FLAG.STATIC }, 0);
  return bridge;
}

const isGroup = (mac: string): boolean => (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;

/** A bridge as one would explain it. */
class Reference {
  readonly #setup: Setup;
  readonly fdb = new Map<string, { port: number; at: number; isStatic: boolean }>();

  constructor(given: Setup) {
    this.#setup = given;
    this.fdb.set(STATIC_STATION, { port: 1 + (given.staticPort % given.ports.length), at: 0, isStatic: true });
  }

  #forwards(port: PortSetup): boolean {
    return this.#setup.up && port.up && port.state === 'forwarding';
  }

  #isKnown({ at, isStatic }: { at: number; isStatic: boolean }, now: number): boolean {
    return isStatic || Math.floor(now * 0.016) - Math.floor(at * 0.016) < this.#setup.ageingS * 16;
  }

  /** Ports a copy of `sent` goes to; undefined when the source is not fit to be learned either. */
  relay(portNo: number, sent: TestFrame, now: number): number[] {
    const { ports, groupFwdMask, ageingS, up } = this.#setup;
    const ingress = ports[portNo - 1];
    const { len = 60, tags = [] } = sent;
    if (len < 14 || isGroup(sent.src) || sent.src === ZERO) return [];
    if (!up || !ingress.up || ingress.state === 'disabled') return [];
    const known = this.fdb.get(sent.src);
    const learns = ingress.flags.learning && (ingress.state === 'learning' || ingress.state === 'forwarding') && ageingS !== 0;
    if (learns && sent.dst !== PAUSE && known?.isStatic !== true)
      this.fdb.set(sent.src, { port: portNo, at: now, isStatic: false });
    const reserved = RESERVED.indexOf(sent.dst);
    if (reserved >= 0 && ((groupFwdMask | ingress.groupFwdMask | 1) & (1 << reserved)) === 0) return [];
    if (!this.#forwards(ingress)) return [];
    const entry = this.fdb.get(sent.dst);
    const target = entry !== undefined && this.#isKnown(entry, now) ? entry.port : 0;
    const hasTag = tags.length > 0 && len >= 18;
    return ports.flatMap((egress, n) => {
      if (!this.#forwards(egress)) return [];
      if (n + 1 === portNo && !egress.flags.hairpin) return [];
      if (ingress.flags.isolated && egress.flags.isolated) return [];
      if (target !== 0 && n + 1 !== target) return [];
      if (target === 0 && sent.dst === BROADCAST && !egress.flags.bcast_flood) return [];
      if (target === 0 && sent.dst !== BROADCAST && isGroup(sent.dst) && !egress.flags.mcast_flood) return [];
      if (target === 0 && !isGroup(sent.dst) && !egress.flags.flood) return [];
      return len - (hasTag ? 4 : 0) <= egress.mtu + 18 ? [n + 1] : [];
    });
  }
}

function play(bridge: Bridge, given: Setup, plan: readonly Turn[], size: number): Relayed[] {
  const relayed: Relayed[] = [];
  let now = 0;
  for (const { port, frames, waitMs } of plan) {
    now += waitMs;
    const portNo = 1 + (port % given.ports.length);
    for (let from = 0; from < frames.length; from += size) {
      relayed.push(...relayBatch(bridge, batchOf(portNo, frames.slice(from, from + size).map(frameOctets)), now));
    }
  }
  return relayed;
}

const numRuns = Number(process.env['RUNS'] ?? 200);

test('relays exactly to the ports it should', (t) => {
  const run = fc.property(setup, turns, (given, plan) => {
    const bridge = bridgeOf(given);
    const reference = new Reference(given);
    let now = 0;
    for (const { port, frames, waitMs } of plan) {
      now += waitMs;
      const portNo = 1 + (port % given.ports.length);
      const relayed = relayBatch(bridge, batchOf(portNo, frames.map(frameOctets)), now);
      for (const [i, sent] of frames.entries()) {
        t.deepEqual(relayed[i].out, reference.relay(portNo, sent, now), JSON.stringify(sent));
        if (!given.ports[portNo - 1].flags.hairpin) t.false(relayed[i].out.includes(portNo), 'back out of its ingress');
        if (relayed[i].outcome === 'known_unicast') {
          t.true(relayed[i].out.length <= 1, 'a known unicast more than once');
          t.true(relayed[i].out.every((out) => out === unicastPortOf(relayed[i].verdict)));
        }
        if (isGroup(sent.src) || sent.src === ZERO) t.is(fdbActionOf(relayed[i].verdict), FDB_ACTION.NONE);
      }
      t.deepEqual(bridge.imbalances(), []);
    }
    const learned = bridge.fdbEntries(now).filter(({ state }) => state === 'dynamic');
    t.true(learned.every(({ mac }) => STATIONS.includes(mac)));
  });
  t.notThrows(() => fc.assert(run, { numRuns }));
});

test('a batch gives what its frames give one by one', (t) => {
  const run = fc.property(setup, turns, fc.integer({ min: 2, max: 12 }), (given, plan, size) => {
    const whole = bridgeOf(given);
    const single = bridgeOf(given);
    t.deepEqual(play(whole, given, plan, size), play(single, given, plan, 1));
    t.true(isDeepStrictEqual(whole.save(), single.save()), 'the states differ');
  });
  t.notThrows(() => fc.assert(run, { numRuns: Math.ceil(numRuns / 4) }));
});

test('a bridge restored in mid-life goes on as the one it was saved from', (t) => {
  const run = fc.property(setup, turns, turns, (given, before, after) => {
    const bridge = bridgeOf(given);
    play(bridge, given, before, 5);
    const restored = Bridge.restore(structuredClone(bridge.save()));
    t.deepEqual(restored.snapshot(), bridge.snapshot());
    t.deepEqual(play(restored, given, after, 5), play(bridge, given, after, 5));
    t.true(isDeepStrictEqual(restored.save(), bridge.save()), 'the states differ');
  });
  t.notThrows(() => fc.assert(run, { numRuns: Math.ceil(numRuns / 4) }));
});

test('copies lost on the way out are accounted for', (t) => {
  const run = fc.property(setup, turns, fc.integer({ min: 1, max: 4 }), (given, plan, lostEvery) => {
    const bridge = bridgeOf(given);
    for (const { port, frames } of plan) {
      relayBatch(bridge, batchOf(1 + (port % given.ports.length), frames.map(frameOctets)), 0, lostEvery);
      t.deepEqual(bridge.imbalances(), []);
    }
  });
  t.notThrows(() => fc.assert(run, { numRuns: Math.ceil(numRuns / 4) }));
});
