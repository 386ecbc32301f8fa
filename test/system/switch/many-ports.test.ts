// A switch with 1,024 ports: taps, and stream ports of which some have a guest. A broadcast from one
// station reaches every other one exactly once, all ports are listed, and SIGTERM still ends the
// switch in time with nothing left.

import '../../support/sandbox.ts';
import { readdirSync } from 'node:fs';
import t from 'tap';
import type { PortJson } from '../../../src/control/json.ts';
import { openPacketSocket } from '../../../src/sys/packet-socket.ts';
import { getLink } from '../../../src/sys/rtnetlink.ts';
import { FrameDevice } from '../../support/frame-device.ts';
import { testFrame } from '../../support/frames.ts';
import { until } from '../../support/netns.ts';
import { quiet } from '../../support/real-ports.ts';
import { StreamGuest } from '../../support/stream-guest.ts';
import { WeftRun, weftJson } from '../../support/weft-process.ts';

const RUN_DIR = '/run/weft';
const TAPS = 128;
const STREAMS = 896;
const GUESTS = 200;
const PACKET_VNET_HDR_SIZE = 10;
/** What users are promised: from the signal to the end. */
const END_MS_MAX = 2000;

const ALL = 'ffffffffffff';
const source = (n: number): string => `02000000${n.toString(16).padStart(4, '0')}`;
const taps = Array.from({ length: TAPS }, (_, k) => `t${k}`);
const streams = Array.from({ length: STREAMS }, (_, k) => `g${k}`);

quiet('default');
const specs = [...taps.map((name) => `tap:${name}`), ...streams.map((name) => `stream:${name}.sock`)];
const sw = await new WeftRun(['--switch', 'br0', '--log-level', 'warn', ...specs.flatMap((spec) => ['--port', spec])]).ready();

t.test('all of them are listed', (t) => {
  const ports: PortJson[] = weftJson('ports');
  t.same(
    ports.map(({ ifname, link }) => `${ifname} ${link}`),
    [...taps.map((name) => `${name} up`), ...streams.map((name) => `${name} down`)],
  );
  t.same(new Set(ports.map(({ port_no }) => port_no)).size, TAPS + STREAMS);
  t.match(weftJson('show'), { ports: { count: TAPS + STREAMS, up: TAPS } });
  t.end();
});

t.test('a broadcast reaches everyone once, and an answer one', async (t) => {
  const stations = taps.map(
    (name) => new FrameDevice(openPacketSocket({ ifindex: getLink(name).ifindex }), PACKET_VNET_HDR_SIZE),
  );
  const guests: StreamGuest[] = [];
  for (const name of streams.slice(0, GUESTS)) guests.push(await StreamGuest.connect(`${RUN_DIR}/${name}.sock`));
  await until('every guest to be up', () => weftJson('show').ports.up === TAPS + GUESTS);

  const heard = (): Buffer[][] => [
    ...stations.map((station) => station.receiveAll()),
    ...guests.map(({ frames }) => frames.splice(0)),
  ];
  const seen: Buffer[][] = Array.from({ length: TAPS + GUESTS }, () => []);
  const listen = () => {
    for (const [k, frames] of heard().entries()) seen[k]?.push(...frames);
    return seen;
  };
  /** Has everyone heard all of `frames`, each once, the senders excepted? */
  const expectHeard = async (what: string, frames: readonly Buffer[], isListener: (k: number) => boolean) => {
    await until(what, () => listen().every((got, k) => !isListener(k) || got.length >= frames.length));
    for (const [k, got] of seen.entries()) t.same(got.splice(0), isListener(k) ? frames : [], `${what}: station ${k}`);
  };

  const first = testFrame(ALL, source(0), 300);
  stations[0]?.send(first);
  await expectHeard('the broadcast of a tap', [first], (k) => k !== 0);
  const second = testFrame(ALL, source(TAPS), 1514);
  guests[0]?.send(second);
  await expectHeard('the broadcast of a guest', [second], (k) => k !== TAPS);
  // An unknown address behind it shows that a known one reached nobody else: order is kept.
  const answer = testFrame(source(0), source(TAPS + GUESTS - 1), 60);
  const behind = testFrame('0200000000ff', source(TAPS + GUESTS - 1), 61);
  guests.at(-1)?.send(answer);
  guests.at(-1)?.send(behind);
  await until('what comes behind the answer', () => listen().every((got, k) => k === TAPS + GUESTS - 1 || got.length > 0));
  for (const [k, got] of seen.entries()) {
    const isSender = k === TAPS + GUESTS - 1;
    t.same(got, k === 0 ? [answer, behind] : isSender ? [] : [behind], `an answer and what follows: station ${k}`);
  }
  for (const station of stations) station.close();
});

t.test('every frame is accounted for, and it ends in time with nothing left', async (t) => {
  t.same(weftJson('show').imbalances, []);
  const { status, ms } = await sw.end('SIGTERM');
  t.equal(status, 0, sw.stderr);
  t.ok(ms < END_MS_MAX, `took ${Math.round(ms)} ms`);
  t.same(readdirSync(RUN_DIR), []);
  t.same(readdirSync('/sys/class/net'), ['lo']);
});
