// Guests on dgram ports, and what this kind of port is for: after the switch was stopped or killed and
// started again its guests talk again by themselves, with a QEMU whose stream cards never would. And a
// guest that is started anew is heard at once, though nobody told the switch that the old one had gone.
//
//   virtio-net-pci, e1000 ── dgram ──┐ br0
//   host (br0's own port) ───────────┘

import '../support/sandbox.ts';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { callSwitch } from '../../src/control/client.ts';
import { guestPort } from '../../src/launch/guest-port.ts';
import { type LabGuest, type LabOptions, startLab } from '../../src/launch/lab.ts';
import { findQemu } from '../../src/launch/qemu-probe.ts';
import { guestImage } from '../support/guest-image.ts';
import {
  guestStation,
  hostStation,
  iperf,
  type LabStation,
  makeData,
  pingAll,
  sendData,
  serveDigests,
  serveIperf,
} from '../support/lab-station.ts';
import { until } from '../support/netns.ts';
import { startWeft, weftJson } from '../support/weft-process.ts';

t.setTimeout(180_000);

const RUN_DIR = '/run/weft';
const HOST_ADDRESS = '192.168.76.1';
const MODELS = ['virtio-net-pci', 'e1000'];
const DATA_SIZE = 4 << 20;

const image = await guestImage((line) => t.comment(line));
const qemu = await findQemu();
const logDir = '/run/tmp/logs';
mkdirSync(logDir);

const guests: LabGuest[] = [];
const specs = MODELS.map((model, i) => {
  const { spec, link } = guestPort(model, 'dgram', qemu.version, { runDir: RUN_DIR, switchName: 'br0' });
  guests.push({ name: model, model, link, addresses: [`192.168.76.${11 + i}/24`] });
  return spec;
});
const addresses = MODELS.map((_, i) => `192.168.76.${11 + i}`);
const host = hostStation('host', HOST_ADDRESS);

async function startSwitch() {
  const sw = await startWeft('--switch', 'br0', '--host', `br0,${HOST_ADDRESS}/24`);
  for (const spec of specs) await callSwitch(`${RUN_DIR}/br0.sock`, 'port_add', { spec });
  return sw;
}

let weft = await startSwitch();
const options: LabOptions = { qemu, accel: 'tcg', switchName: 'br0', image, logDir };
const lab = await startLab(guests, options);
t.teardown(() => lab.stop());
await lab.ready();
const stations = [...lab.guests.map((guest, i) => guestStation(guest, addresses[i] as string)), host];

interface PortJson {
  ifname: string;
  link: string;
  down_reason: string | null;
}

const portOf = (name: string) => (weftJson('ports') as PortJson[]).find(({ ifname }) => ifname === name);

async function allReach(t: Test, message: string): Promise<void> {
  await Promise.all(
    stations.map(async (station) => {
      const others = stations.filter((other) => other !== station).map(({ address }) => address);
      t.same(await pingAll(station, others), others, `from ${station.name}, ${message}`);
      t.same(await pingAll(station, others, '-s 1472'), others, `from ${station.name}, frames of full length, ${message}`);
    }),
  );
  t.same(weftJson('show').imbalances, []);
}

t.test('guests come up on their ports, and every station reaches every other', (t) => allReach(t, 'at first'));

t.test('TCP carries data unharmed, though a guest takes eleven frames at once', async (t) => {
  const digests = await Promise.all(stations.map((station) => makeData(station, `/tmp/data${station.address}`, DATA_SIZE)));
  await Promise.all(stations.map(serveDigests));
  for (let step = 1; step < stations.length; step++) {
    for (const [i, station] of stations.entries()) {
      const to = stations[(i + step) % stations.length] as LabStation;
      t.equal(await sendData(station, `/tmp/data${station.address}`, to.address), digests[i], `${station.name} to ${to.name}`);
    }
  }
  const [first, second] = stations as [LabStation, LabStation];
  await serveIperf(first);
  for (const from of [host, second]) {
    const { sum_received: sum } = (await iperf(from, first.address)).end;
    t.ok((sum?.bytes ?? 0) > 0, `${from.name} to ${first.name}: ${Math.round((sum?.bits_per_second ?? 0) / 1e6)} Mbit/s`);
  }
  t.comment(JSON.stringify(weftJson('drops')));
  t.same(weftJson('show').imbalances, []);
});

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  t.test(`the switch ends by ${signal} and is started again: the guests talk again by themselves`, async (t) => {
    await weft.end(signal);
    t.equal(existsSync(`${RUN_DIR}/br0-e1000.dgram`), signal === 'SIGKILL', 'only a killed switch leaves its paths');
    weft = await startSwitch();
    await allReach(t, 'again');
  });
}

t.test('a guest that is killed and started again talks again, without a frame having been sent to it meanwhile', async (t) => {
  const old = lab.guests[1];
  if (old === undefined) throw new Error('no guest');
  process.kill(old.pid, 'SIGKILL');
  await old.exited;
  t.notOk(existsSync(`${RUN_DIR}/br0-e1000.dgram-guest`), 'the path given to QEMU is removed');
  const again = await startLab(guests.slice(1), options);
  t.teardown(() => again.stop());
  await again.ready();
  stations[1] = guestStation(again.guests[0] as (typeof again.guests)[0], addresses[1] as string);
  await allReach(t, 'after the guest came again');
  await again.stop();
  // Now somebody sends: that is how it shows that it has gone.
  await host.sh(`ping -c 1 -W 1 ${addresses[1]}`).catch(() => {});
  await until('the port to go down', () => portOf('e1000')?.link === 'down');
  t.match(portOf('e1000')?.down_reason ?? '', /^waiting for a guest at \/run\/weft\/br0-e1000\.dgram-guest/);
  t.notOk(
    weftJson('fdb').some(({ ifname }: { ifname: string }) => ifname === 'e1000'),
    'its addresses are flushed',
  );
  t.same(weftJson('show').imbalances, []);
});

t.test('nothing is left', async (t) => {
  await lab.stop();
  t.equal((await weft.end('SIGTERM')).status, 0);
  t.notMatch(weft.stderr, /error|fault/);
  t.same(readdirSync(RUN_DIR), []);
});
