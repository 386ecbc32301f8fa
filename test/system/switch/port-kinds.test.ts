// Three real switches and a station behind every kind of port, everything at its default: TCP and UDP
// pass whole between every ordered pair, a broadcast reaches all of them with a good checksum, DHCP's
// checksums are finished, and all switches account for every frame.
//
//   n1 ── tap ──┐
//   n2 ── veth ─┤ netdev
//   n5 ── veth ─┤ macvtap
//   host ─ tap ─┤ br1 ── stream ── br2 ── tap ── n3
//               └──── dgram ── br3 ── tap ── n4

import '../../support/sandbox.ts';
import { type ChildProcess, spawn } from 'node:child_process';
import t from 'tap';
import { addNetns, addVeth, DEADLINE_MS, ip } from '../../support/netns.ts';
import { Station } from '../../support/station.ts';
import { startWeft, weftJson } from '../../support/weft-process.ts';

const TCP_OCTETS = 4 << 20;
const UDP_COUNT = 20;

const [n1, n2, n3, n4, n5] = [addNetns('n'), addNetns('n'), addNetns('n'), addNetns('n'), addNetns('n')];
addVeth('v2', 'eth0', n2);
addVeth('v5', 'eth0', n5);
const br1 = await startWeft(
  ...['--switch', 'br1', '--host', 'h0,10.9.0.4/24'],
  ...['--port', `tap:t1,netns=${n1}`, '--port', 'netdev:v2', '--port', 'macvtap:v5'],
  ...['--port', 'stream:cable.sock', '--port', 'dgram:near.sock:far.sock'],
);
const br2 = await startWeft('--switch', 'br2', '--port', `tap:t3,netns=${n3}`, '--port', 'stream:cable.sock,connect');
const br3 = await startWeft('--switch', 'br3', '--port', `tap:t4,netns=${n4}`, '--port', 'dgram:far.sock:near.sock');

const stations = [
  new Station('tap', n1, '10.9.0.1', 'fd09::1'),
  new Station('netdev', n2, '10.9.0.2', 'fd09::2'),
  new Station('stream', n3, '10.9.0.3', 'fd09::3'),
  new Station('dgram', n4, '10.9.0.5', 'fd09::5'),
  new Station('macvtap', n5, '10.9.0.6', 'fd09::6'),
  new Station('host', undefined, '10.9.0.4', 'fd09::4'),
] as const;
for (const [k, ifname] of ['t1', 'eth0', 't3', 't4', 'eth0', 'h0'].entries()) {
  const { netns, address, address6 } = stations[k] as Station;
  const inside = netns === undefined ? '' : `-n ${netns} `;
  if (netns !== undefined) ip(`${inside}addr add ${address}/24 brd 10.9.0.255 dev ${ifname}`);
  ip(`${inside}addr add ${address6}/64 dev ${ifname} nodad`);
  ip(`${inside}link set dev ${ifname} up`);
}
ip('link set dev lo up');
await Promise.all(stations.map((station) => station.serve()));

function pairs(): [Station, Station][] {
  return stations.flatMap((from) => stations.filter((to) => to !== from).map((to): [Station, Station] => [from, to]));
}

for (const [from, to] of pairs()) {
  t.test(`TCP from ${from.label} to ${to.label}`, async (t) => {
    t.equal(await from.transfer(to.address, TCP_OCTETS), 'same', 'IPv4');
    t.equal(await from.transfer(to.address6, TCP_OCTETS), 'same', 'IPv6');
  });
}

t.test('UDP between every pair, in one frame and in fragments', async (t) => {
  for (const [k, [from, to]] of pairs().entries()) {
    await from.send(to.address, `whole${k}`, 1400, UDP_COUNT);
    await from.send(to.address, `parts${k}`, 20_000, UDP_COUNT);
    const heard = await to.heard();
    t.equal(heard.get(`whole${k}`.padEnd(8)), UDP_COUNT, `${from.label} to ${to.label}, whole`);
    t.equal(heard.get(`parts${k}`.padEnd(8)), UDP_COUNT, `${from.label} to ${to.label}, in fragments`);
  }
});

t.test('a broadcast reaches every kind of port once', async (t) => {
  for (const from of stations) {
    await from.send('10.9.0.255', `all ${from.label}`.slice(0, 8), 600, 1);
    for (const to of stations) {
      if (to === from) continue;
      t.equal((await to.heard()).get(`all ${from.label}`.slice(0, 8).padEnd(8)), 1, `${from.label} to ${to.label}`);
    }
  }
});

t.test('DHCP leaves with a finished checksum, which raw sockets look at', async (t) => {
  for (const from of stations) {
    const listeners = stations.filter((to) => to !== from).map((to) => ({ to, dump: listen(to) }));
    await Promise.all(listeners.map(({ dump }) => dump.ready));
    await sendDhcp(from);
    for (const { to, dump } of listeners) t.match(await dump.line, /udp sum ok/, `${from.label} to ${to.label}`);
  }
});

t.test('all switches account for every frame', async (t) => {
  for (const name of ['br1', 'br2', 'br3']) {
    t.same(weftJson('--switch', name, 'show').imbalances, []);
    for (const port of weftJson('--switch', name, 'ports')) {
      const reasons = Object.keys(port.drops).filter((reason) => reason !== 'no_egress' && reason !== 'same_port');
      t.same(reasons, [], `${name} ${port.ifname} dropped nothing but what had nowhere to go`);
    }
  }
});

// Not a teardown: the root of a tap file ends only when nothing runs any more.
t.test('and end', async (t) => {
  for (const station of stations) station.stop();
  t.equal((await br3.end('SIGTERM')).status, 0);
  t.equal((await br2.end('SIGTERM')).status, 0);
  t.equal((await br1.end('SIGTERM')).status, 0);
});

const ASK = `
const udp = require('dgram').createSocket('udp4');
udp.bind(68, '0.0.0.0', () => { udp.setBroadcast(true); udp.send(Buffer.alloc(300, 1), 67, '10.9.0.255', () => udp.close()); });
`;

function command(station: Station, ...args: string[]): [string, string[]] {
  const [program, ...rest] = station.netns === undefined ? args : ['ip', 'netns', 'exec', station.netns, ...args];
  return [program as string, rest];
}

async function sendDhcp(from: Station): Promise<void> {
  const child = spawn(...command(from, 'env', '-u', 'NODE_OPTIONS', process.execPath, '-e', ASK), { stdio: 'inherit' });
  await new Promise((resolve) => child.once('close', resolve));
}

/** tcpdump at a station: when it listens, and what it says of the first frame to UDP port 67 from elsewhere. */
function listen(station: Station): { ready: Promise<void>; line: Promise<string> } {
  const ifname = { tap: 't1', netdev: 'eth0', stream: 't3', dgram: 't4', macvtap: 'eth0', host: 'h0' }[station.label] as string;
  const args = ['tcpdump', '-l', '-n', '-vv', '-c', '1', '-Q', 'in', '-i', ifname, 'udp dst port 67'];
  const child: ChildProcess = spawn(...command(station, ...args), {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
  });
  let [said, printed] = ['', ''];
  child.stdout?.on('data', (data) => {
    printed += data;
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.stderr?.on('data', (data) => {
      said += data;
      if (said.includes('listening on')) resolve();
    });
    child.once('close', () => reject(new Error(`tcpdump at ${station.label}: ${said}`)));
  });
  return { ready, line: new Promise((resolve) => child.once('close', () => resolve(printed))) };
}
