// Real guests on a real switch: every network card QEMU is used with, each connected by stream and by
// classic tap, beside the host's own port and a "PC" behind a veth pair, with every offload at its default.
//
//   virtio-net-pci, e1000, rtl8139 ── stream ──┐
//   virtio-net-pci, e1000, rtl8139 ── tap ─────┤ br0
//   host (br0's own port) ─────────────────────┤
//   pc (veth, in a namespace) ── netdev ───────┘
//
// The guests boot once, side by side; the tests follow each other on the same network. The accounts
// of the switch are looked at after each. Guests are emulated here, so nothing is said about speed.

import '../support/sandbox.ts';
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { callSwitch } from '../../src/control/client.ts';
import { guestPort } from '../../src/launch/guest-port.ts';
import { type LabGuest, type LabOptions, startLab } from '../../src/launch/lab.ts';
import { findQemu } from '../../src/launch/qemu-probe.ts';
import type { Guest, GuestExit } from '../../src/launch/supervisor.ts';
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
import { addNetns, addVeth, DEADLINE_MS, ip, until } from '../support/netns.ts';
import { startWeft, weftJson } from '../support/weft-process.ts';

t.setTimeout(300_000);

const RUN_DIR = '/run/weft';
const SOCKET = `${RUN_DIR}/br0.sock`;
const DATA = '/tmp/weft-data';
const DATA_SIZE = 2 << 20;
const HOST_ADDRESS = '192.168.76.1';
const PC_ADDRESS = '192.168.76.2';
const KINDS = [
  ...(['virtio-net-pci', 'e1000', 'rtl8139'] as const).map((model) => ({ model, via: 'stream' as const })),
  ...(['virtio-net-pci', 'e1000', 'rtl8139'] as const).map((model) => ({ model, via: 'tap' as const })),
].map(({ model, via }, i) => ({ model, via, name: `${model.split('-')[0]}-${via}`, address: `192.168.76.${11 + i}` }));

const image = await guestImage((line) => t.comment(line));
const qemu = await findQemu();
const logDir = '/run/tmp/logs';
mkdirSync(logDir);
const linksBefore = linkNames();
const exits: GuestExit[] = [];

const pcNetns = addNetns('pc');
addVeth('veth0', 'pc0', pcNetns);
ip(`-n ${pcNetns} address add ${PC_ADDRESS}/24 brd 192.168.76.255 dev pc0`);
const weft = await startWeft('--switch', 'br0', '--host', `br0,${HOST_ADDRESS}/24`, '--port', 'netdev:veth0,name=pc');
const guests: LabGuest[] = [];
for (const { name, model, via, address } of KINDS) {
  const { spec, link } = guestPort(name, via, qemu.version, { runDir: RUN_DIR, switchName: 'br0' });
  await callSwitch(SOCKET, 'port_add', { spec });
  guests.push({ name, model, link, addresses: [`${address}/24`] });
}
const options: LabOptions = { qemu, accel: 'tcg', switchName: 'br0', image, logDir, onExit: (exit) => exits.push(exit) };
const startedMs = performance.now();
const lab = await startLab(guests, options);
t.teardown(() => lab.stop());
await lab.ready();
t.comment(`${guests.length} guests ready after ${Math.round(performance.now() - startedMs)} ms`);

const guestStations = lab.guests.map((guest, i) => guestStation(guest, KINDS[i]?.address ?? ''));
const stations = [...guestStations, hostStation('host', HOST_ADDRESS), hostStation('pc', PC_ADDRESS, pcNetns)];

function linkNames(): string[] {
  return (JSON.parse(ip('-j link')) as { ifname: string }[]).map(({ ifname }) => ifname).sort();
}

/** Whether every frame is accounted for, and none was lost for a reason that no test gave. */
function accountsHold(t: Test): void {
  t.same(weftJson('show').imbalances, []);
}

function isRunning({ pid }: Guest): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** The port of the switch with this name. */
function portOf(name: string) {
  return weftJson('ports').find((port: { ifname: string }) => port.ifname === name);
}

t.test('every station reaches every other', async (t) => {
  await Promise.all(
    stations.map(async (station) => {
      const others = stations.filter((other) => other !== station).map(({ address }) => address);
      t.same(await pingAll(station, others), others, `from ${station.name}`);
      t.same(await pingAll(station, others, '-s 1472'), others, `from ${station.name}, frames of full length`);
    }),
  );
  const fdb = weftJson('fdb') as { mac: string; ifname: string }[];
  for (const guest of lab.guests) {
    t.equal(fdb.find(({ mac }) => mac === guest.mac)?.ifname, guest.name, `${guest.name} is learned where it is`);
  }
  accountsHold(t);
});

t.test('TCP carries data unharmed between every two stations', async (t) => {
  const digests = await Promise.all(stations.map((station) => makeData(station, DATA + station.address, DATA_SIZE)));
  await Promise.all(stations.map(serveDigests));
  // Each round every station sends to another one, and hears from a third.
  for (let step = 1; step < stations.length; step++) {
    await Promise.all(
      stations.map(async (station, i) => {
        const to = stations[(i + step) % stations.length] as LabStation;
        t.equal(await sendData(station, DATA + station.address, to.address), digests[i], `${station.name} to ${to.name}`);
      }),
    );
  }
  accountsHold(t);
});

t.test('iperf3 by TCP and UDP between different kinds', async (t) => {
  await Promise.all(guestStations.map(serveIperf));
  const measure = async (station: LabStation, to: LabStation) => {
    const tcp = (await iperf(station, to.address)).end.sum_received;
    t.ok((tcp?.bytes ?? 0) > 0, `TCP ${station.name} to ${to.name}: ${Math.round((tcp?.bits_per_second ?? 0) / 1e6)} Mbit/s`);
    for (const len of [1400, 8000]) {
      const udp = (await iperf(station, to.address, `-u -b 2M -l ${len}`)).end.sum;
      const { packets = 0, lost_packets: lost = 0 } = udp ?? {};
      t.ok(packets - lost > packets / 2, `UDP of ${len} octets ${station.name} to ${to.name}: ${lost} of ${packets} lost`);
    }
  };
  // Neighbours in a ring, each guest in one pair at a time.
  for (const parity of [0, 1]) {
    await Promise.all(
      guestStations.map(async (station, i) => {
        if (i % 2 === parity) await measure(station, guestStations[(i + 1) % guestStations.length] as LabStation);
      }),
    );
  }
  accountsHold(t);
});

t.test('DHCP from the host reaches a client behind every kind of port', async (t) => {
  const args = ['--no-daemon', '--conf-file=/dev/null', '--port=0', '--interface=br0', '--bind-interfaces', '--no-ping'];
  const range = '--dhcp-range=192.168.76.100,192.168.76.199,255.255.255.0';
  const server = spawn('dnsmasq', [...args, range, '--dhcp-leasefile=/run/tmp/leases', '--user=root'], { stdio: 'pipe' });
  let said = '';
  server.stderr.on('data', (octets: Buffer) => (said += octets.toString()));
  t.teardown(() => server.kill('SIGKILL'));
  await until('the DHCP server', () => /DHCP, IP range/.test(said));
  // The client takes replies from a packet socket, and looks at their UDP checksum itself.
  const script = 'printf \'#!/bin/sh\\n[ "$1" != bound ] || echo "got $ip"\\n\' > /tmp/dhcp.sh; chmod 755 /tmp/dhcp.sh';
  const pc = stations.at(-1) as LabStation;
  await Promise.all(
    [...guestStations, pc].map(async ({ name, sh }) => {
      await sh(script);
      const client = `busybox udhcpc -i ${name === 'pc' ? 'pc0' : 'eth0'} -f -q -n -t 5 -T 3 -s /tmp/dhcp.sh 2>&1`;
      t.match(await sh(client), /got 192\.168\.76\.1\d\d/, `${name}, the reply sent to it alone`);
      t.match(await sh(`${client} -B`), /got 192\.168\.76\.1\d\d/, `${name}, the reply broadcast`);
    }),
  );
  accountsHold(t);
});

/** Echo requests that arrived whole at a station: a field of its row Icmp, under the header of that row. */
async function echoRequests({ sh }: LabStation): Promise<number> {
  const [names = [], values = []] = (await sh('grep ^Icmp: /proc/net/snmp')).split('\n').map((line) => line.split(' '));
  return Number(values[names.indexOf('InEchos')]);
}

t.test('a broadcast reaches every station, in one frame and in fragments', async (t) => {
  await Promise.all(stations.map(({ sh }) => sh('echo 0 > /proc/sys/net/ipv4/icmp_echo_ignore_broadcasts')));
  for (const station of guestStations) {
    const others = stations.filter((other) => other !== station);
    for (const size of [1400, 4000]) {
      const before = await Promise.all(others.map(echoRequests));
      // It ends with the first answer, which is its own.
      await station.sh(`ping -c 1 -W 5 -s ${size} 192.168.76.255`);
      let after = before;
      for (const deadline = performance.now() + DEADLINE_MS; performance.now() < deadline; ) {
        after = await Promise.all(others.map(echoRequests));
        if (after.every((count, i) => count > (before[i] as number))) break;
      }
      const once = before.map((count) => count + 1);
      t.same(after, once, `from ${station.name}, ${size} octets, once to each other station`);
    }
  }
  accountsHold(t);
});

t.test('super-segments that are flooded arrive cut to what each port takes', async (t) => {
  const host = stations.find(({ name }) => name === 'host') as LabStation;
  const digest = await makeData(host, '/run/tmp/large', 8 << 20);
  const before = portOf('pc');
  for (const to of guestStations) {
    let isOver = false;
    const transfer = sendData(host, '/run/tmp/large', to.address).finally(() => {
      isOver = true;
    });
    // Whatever is learned is forgotten at once: the frames to the guest go everywhere.
    while (!isOver) await callSwitch(SOCKET, 'fdb_flush', {});
    t.equal(await transfer, digest, `host to ${to.name}`);
  }
  const after = portOf('pc');
  const octets = after.tx_bytes - before.tx_bytes;
  t.ok(octets > 1 << 20, `a port that had no part in it was sent ${octets} octets`);
  t.ok(octets / (after.tx_frames - before.tx_frames) > 1514, 'among them frames longer than any on a cable');
  accountsHold(t);
});

t.test('frames with a VLAN tag pass between the guests', async (t) => {
  const tagged = (address: string) => address.replace('192.168.76', '10.5.0');
  for (const { sh, address } of guestStations) {
    await sh('ip link add link eth0 name eth0.5 type vlan id 5 && ip link set eth0.5 up');
    await sh(`ip address add ${tagged(address)}/24 dev eth0.5`);
  }
  await Promise.all(
    guestStations.map(async (station) => {
      const others = guestStations.filter((other) => other !== station).map(({ address }) => tagged(address));
      t.same(await pingAll(station, others), others, `from ${station.name}`);
      t.same(await pingAll(station, others, '-s 1472'), others, `from ${station.name}, frames of full length`);
    }),
  );
  const digests = await Promise.all(guestStations.map((station) => makeData(station, '/tmp/tagged', DATA_SIZE)));
  for (let step = 1; step < guestStations.length; step++) {
    await Promise.all(
      guestStations.map(async (station, i) => {
        const to = guestStations[(i + step) % guestStations.length] as LabStation;
        t.equal(await sendData(station, '/tmp/tagged', tagged(to.address)), digests[i], `TCP ${station.name} to ${to.name}`);
      }),
    );
  }
  accountsHold(t);
});

t.test('guests that are killed are reported, and their ports go down, while the others go on', async (t) => {
  const [host, pc] = stations.slice(-2) as [LabStation, LabStation];
  const bystander = guestStations[0] as LabStation;
  const steady = host.sh(`ping -q -i 0.05 -c 60 ${pc.address}`);
  const steadyGuest = host.sh(`ping -q -i 0.05 -c 60 ${bystander.address}`);
  const victims = lab.guests.filter(({ name }) => name === 'e1000-stream' || name === 'e1000-tap');
  for (const victim of victims) process.kill(victim.pid, 'SIGKILL');
  for (const victim of victims) {
    await until(`${victim.name} to be reported`, () => exits.some(({ name }) => name === victim.name));
    t.match(
      exits.find(({ name }) => name === victim.name),
      { expected: false, signal: 'SIGKILL', message: /died \(signal SIGKILL\); the end of its log/ },
    );
    await until(`port ${victim.name} to go down`, () => portOf(victim.name).link === 'down');
    t.ok(['waiting for a guest to connect', 'no carrier'].includes(portOf(victim.name).down_reason));
    t.equal(portOf(victim.name).learned, 0);
    t.notOk(
      weftJson('fdb').some(({ ifname }: { ifname: string }) => ifname === victim.name),
      'its addresses are flushed',
    );
  }
  t.match(await steady, / 0% packet loss/, 'host and pc noticed nothing');
  t.match(await steadyGuest, / 0% packet loss/, 'a guest noticed nothing');

  // Both come back on the ports they had.
  const again = await startLab(
    guests.filter(({ name }) => victims.some((victim) => victim.name === name)),
    options,
  );
  t.teardown(() => again.stop());
  await again.ready();
  const addresses = KINDS.filter(({ model }) => model === 'e1000').map(({ address }) => address);
  t.same(await pingAll(pc, addresses), addresses);
  accountsHold(t);
  await again.stop();
});

t.test('guests outlive the switch, which leaves nothing behind but what they use', async (t) => {
  const survivors = lab.guests.filter(isRunning);
  t.equal(survivors.length, 4);
  t.equal((await weft.end('SIGTERM')).status, 0);
  t.notMatch(weft.stderr, /error|fault/);
  const taps = survivors.map(({ name }) => name).filter((name) => name.endsWith('-tap'));
  t.same(linkNames(), [...linksBefore, 'veth0', ...taps].sort(), 'no interface is left but taps that are open');
  t.same(readdirSync(RUN_DIR), ['br0.journal'], 'no socket is left, but a note of those taps');
  for (const guest of survivors) {
    t.equal((await guest.agent?.run('echo alive'))?.output, 'alive\n', `${guest.name} runs on`);
  }
  await lab.stop();
  t.notOk(lab.guests.some(isRunning), 'no guest is left');
  for (const tap of taps) ip(`link del ${tap}`);
});
