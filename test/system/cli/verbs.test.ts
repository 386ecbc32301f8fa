// The verbs against a switch that forwards between network namespaces.

import '../../support/sandbox.ts';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import t from 'tap';
import { addNetns, addVeth, ip, run, until } from '../../support/netns.ts';
import { startWeft, weft, weftJson } from '../../support/weft-process.ts';

interface Station {
  ns: string;
  ifname: string;
  address: string;
}

/** Puts a tap that the switch holds into use inside its namespace. */
function configure({ ns, ifname, address }: Station): void {
  ip(`-n ${ns} addr add ${address}/24 dev ${ifname}`);
  ip(`-n ${ns} link set ${ifname} up`);
}

function ping(from: Station, address: string, ...args: string[]): string {
  return run('ip', 'netns', 'exec', from.ns, 'ping', '-n', '-W', '2', ...args, address);
}

function reaches(from: Station, address: string): boolean {
  try {
    ping(from, address, '-c', '1');
    return true;
  } catch {
    return false;
  }
}

/** Pings every 10 ms beside a test. Answers are counted by the kernel: ping itself does not wait for late ones at its end. */
class SteadyPing {
  static readonly COUNT = 200;
  readonly #from: Station;
  readonly #answeredBefore: number;

  constructor(from: Station, address: string) {
    this.#from = from;
    this.#answeredBefore = this.#answered();
    const args = ['ping', '-n', '-q', '-i', '0.01', '-c', String(SteadyPing.COUNT), address];
    spawn('ip', ['netns', 'exec', from.ns, ...args], { stdio: 'ignore' });
  }

  /** Resolves when every ping was answered. */
  async allAnswered(): Promise<void> {
    await until('every ping to be answered', () => this.#answered() - this.#answeredBefore === SteadyPing.COUNT);
  }

  #answered(): number {
    const [names, values] = run('ip', 'netns', 'exec', this.#from.ns, 'grep', '^Icmp:', '/proc/net/snmp').trim().split('\n');
    return Number(values?.split(' ')[names?.split(' ').indexOf('InEchoReps') ?? -1]);
  }
}

function macOf({ ns, ifname }: Station): string {
  return run('ip', 'netns', 'exec', ns, 'cat', `/sys/class/net/${ifname}/address`).trim();
}

const a: Station = { ns: addNetns(), ifname: 'ta', address: '10.9.0.2' };
const b: Station = { ns: addNetns(), ifname: 'tb', address: '10.9.0.3' };
const specOf = ({ ns, ifname }: Station) => `tap:${ifname},netns=${ns}`;

t.test('stations reach each other, and the verbs show it', async (t) => {
  const sw = await startWeft('--switch', 'br0', '--port', specOf(a), '--port', specOf(b));
  configure(a);
  configure(b);
  await until('the stations to reach each other', () => reaches(a, b.address));

  const ports = weftJson('ports');
  t.match(ports, [
    { ifname: 'ta', kind: 'tap', target: 'ta', port_no: 1, link: 'up', state: 'forwarding', role: null, mtu: 1500 },
    { ifname: 'tb', port_no: 2 },
  ]);
  t.ok(ports[0].rx_frames > 0 && ports[0].tx_frames > 0);
  const fdb = weftJson('fdb');
  t.match(
    fdb.find((entry: { mac: string }) => entry.mac === macOf(a)),
    { ifname: 'ta', state: 'dynamic', age_s: Number, flags: [] },
  );
  t.match(
    fdb.find((entry: { mac: string }) => entry.mac === macOf(b)),
    { ifname: 'tb', state: 'dynamic' },
  );
  t.match(weftJson('show'), {
    name: 'br0',
    pid: sw.pid,
    backend: String,
    stp: 'off',
    ports: { count: 2, up: 2 },
    imbalances: [],
  });
  const stats = weftJson('stats', '--interval', '0.1');
  t.ok(stats.switch.rx_frames >= ports[0].rx_frames);
  t.match(stats.ports, [{ ifname: 'ta', rx_frames_per_s: Number }, { ifname: 'tb' }]);
  t.match(weft('ports').stdout, /^PORT +NO +KIND.*\nta +1 +tap +up +forwarding.*\ntb +2 /);

  await t.test('settings of a port: isolated stations no longer reach each other, and the drops say why', async (t) => {
    t.equal(weft('port', 'set', 'ta', 'isolated=on').status, 0);
    t.ok(reaches(a, b.address), 'one isolated port still reaches the others');
    t.equal(weft('port', 'set', 'tb', 'isolated=on').status, 0);
    t.notOk(reaches(a, b.address));
    const drop = weftJson('drops').find(
      ({ ifname, reason }: { ifname: string; reason: string }) => ifname === 'ta' && reason === 'isolated',
    );
    t.match(drop, {
      text: String,
      count: Number,
      last: { src: macOf(a), dst: macOf(b), ethertype: Number, len: Number, age_s: Number },
    });
    t.match(weft('drops').stdout, /ta .*isolated .*the destination is on an isolated port/);
    t.equal(weft('port', 'set', 'ta', 'isolated=off').status, 0);
    t.equal(weft('port', 'set', 'tb', 'isolated=off').status, 0);
    t.ok(reaches(a, b.address));
  });

  await t.test('a static entry sends frames where it says', async (t) => {
    ip('-n ns1 neigh replace 10.9.0.77 lladdr 52:54:00:00:00:77 dev ta');
    t.equal(weft('fdb', 'add', '52:54:00:00:00:77', 'tb', '--static').status, 0);
    const before = weftJson('ports')[1].tx_frames;
    reaches(a, '10.9.0.77');
    t.ok(weftJson('ports')[1].tx_frames > before);
    t.equal(weft('fdb', 'flush').status, 0);
    t.match(
      weftJson('fdb').find(({ mac }: { mac: string }) => mac === '52:54:00:00:00:77'),
      { ifname: 'tb', state: 'static', age_s: 0 },
    );
    t.equal(weft('fdb', 'del', '52:54:00:00:00:77').status, 0);
    t.match(weft('fdb', 'del', '52:54:00:00:00:77'), { status: 1, stderr: 'weft: 52:54:00:00:00:77 is not in the FDB\n' });
    t.match(weft('fdb', 'add', '01:00:5e:00:00:01', 'tb'), { status: 1, stderr: /not the address of one station/ });
    t.match(weft('fdb', 'add', '52:54:00:00:00:77', 'nope'), { status: 1, stderr: /no port named nope; its ports are ta, tb/ });
  });

  await t.test('ports come and go while the others forward', async (t) => {
    const c: Station = { ns: addNetns(), ifname: 'tc', address: '10.9.0.4' };
    const pings = new SteadyPing(a, b.address);
    for (let round = 0; round < 3; round++) {
      t.match(weftJson('port', 'add', specOf(c)), { ifname: 'tc', port_no: 3 });
      configure(c);
      await until('the new port to forward', () => reaches(c, a.address));
      t.match(weft('port', 'add', 'tap:tc'), { status: 1, stderr: /already has a port named tc/ });
      t.equal(weft('port', 'del', 'tc').status, 0);
      t.notOk(weftJson('fdb').some(({ ifname }: { ifname: string }) => ifname === 'tc'));
    }
    t.match(weft('port', 'del', 'tc'), { status: 1, stderr: 'weft: br0 has no port named tc; its ports are ta, tb\n' });
    t.match(weft('port', 'set', 'tc', 'mtu=1400'), { status: 1, stderr: /no port named tc/ });
    t.match(weft('port', 'set', 'ta', 'mtuu=1400'), { status: 2, stderr: /did you mean mtu\?/ });
    t.match(weft('port', 'add', 'netdev:nope0'), { status: 1, stderr: /nope0/ });
    t.match(weft('port', 'add', 'fd:3'), { status: 1, stderr: /weft run --port/ });
    await pings.allAnswered();
  });

  await t.test('garbage on the control socket: it forwards and answers on', async (t) => {
    const pings = new SteadyPing(a, b.address);
    const garbage = [
      'hello\n',
      '{"id": 1, "method": "ports"',
      '{"id": 1, "method": "port_add", "params": {"spec": {"kind": "tap", "target": "../../x", "name": "\\u0000", "settings": {}}}}\n',
      `{"id": 1e999, "method": "ports"}\n`,
      `${'['.repeat(200_000)}\n`,
      Buffer.alloc(3 << 20, 0xff),
      readFileSync(process.execPath).subarray(0, 1 << 20),
    ];
    for (let round = 0; round < 5; round++) {
      await Promise.all(garbage.map((octets) => send('/run/weft/br0.sock', octets)));
      t.equal(weftJson('show').pid, sw.pid);
    }
    await pings.allAnswered();
    t.same(weftJson('show').imbalances, []);
  });

  await sw.end('SIGTERM');
});

/** Writes octets to a socket, hangs up, and waits until the other side has too. */
async function send(socketPath: string, octets: string | Buffer): Promise<void> {
  const socket = net.connect(socketPath);
  socket.on('error', () => {});
  socket.resume();
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.end(octets);
  await closed;
}

t.test("the host port: reachable, and its address is nobody else's", async (t) => {
  const args = ['--switch', 'br0', '--host', 'h0,10.9.0.1/24', '--port', specOf(a)];
  const first = await startWeft(...args);
  configure(a);
  await until('the host to be reached', () => reaches(a, '10.9.0.1'));
  const mac = readFileSync('/sys/class/net/h0/address', 'utf8').trim();
  t.match(weftJson('show').host, { ifname: 'h0', address: '10.9.0.1/24', mac });
  t.match(weftJson('ports')[0], { ifname: 'h0', purpose: 'host', mac });
  const hostEntry = () => weftJson('fdb').find((entry: { mac: string }) => entry.mac === mac);
  t.match(hostEntry(), { ifname: 'h0', state: 'permanent' });

  ip(`-n ${a.ns} link set ta address ${mac}`);
  reaches(a, '10.9.0.99');
  t.match(
    hostEntry(),
    { ifname: 'h0', state: 'permanent' },
    'a guest that takes the address of the host does not get its frames',
  );
  weft('fdb', 'flush');
  t.match(hostEntry(), { ifname: 'h0', state: 'permanent' });
  await first.end('SIGTERM');

  const second = await startWeft(...args);
  t.equal(readFileSync('/sys/class/net/h0/address', 'utf8').trim(), mac, 'the same address after a restart');
  await second.end('SIGTERM');
});

t.test('an uplink is shared when the host lives on it, and says so', async (t) => {
  const pc: Station = { ns: addNetns(), ifname: 'eth1', address: '10.8.0.2' };
  addVeth('up0', pc.ifname, pc.ns);
  ip(`-n ${pc.ns} addr add ${pc.address}/24 dev eth1`);

  const alone = await startWeft('--switch', 'br0', '--uplink', 'up0', '--port', specOf(a));
  t.match(weftJson('show').uplink, { ifname: 'up0', mode: 'macvtap' });
  t.match(alone.stderr, /uplink up0 is the switch's alone: the host has no address on it/);
  ip(`-n ${a.ns} addr add 10.8.0.3/24 dev ta`);
  ip(`-n ${a.ns} link set ta up`);
  await until('the station behind the uplink to be reached', () => reaches(a, pc.address));
  t.match(weft('show').stdout, /uplink +up0, the switch's alone \(macvtap\)/);
  await alone.end('SIGKILL');

  // Another run directory has another journal: it finds the macvtap of the killed switch.
  const after = await startWeft('--run-dir', '/run/other', '--uplink', 'up0');
  t.match(weftJson('--run-dir', '/run/other', 'show').uplink, { ifname: 'up0', mode: 'macvtap' });
  await after.end('SIGTERM');
  weft('doctor', '--clean');
  t.notMatch(ip('-o link'), /weft-mvt/);

  ip('link add link up0 name mv0 type macvlan mode bridge');
  const unfit = await startWeft('--switch', 'br0', '--uplink', 'mv0');
  t.match(weftJson('show').uplink, { ifname: 'mv0', mode: 'netdev' });
  t.match(unfit.stderr, /uplink mv0 is used by packet socket and not by macvtap: .*mv0 is itself a macvlan/);
  await unfit.end('SIGTERM');
  ip('link del mv0');

  ip('addr add 10.8.0.1/24 dev up0');
  const shared = await startWeft('--switch', 'br0', '--uplink', 'up0', '--host', 'h0,10.7.0.1/24', '--port', specOf(a));
  t.match(weftJson('show').uplink, { ifname: 'up0', mode: 'shared' });
  t.match(
    shared.stderr,
    /uplink up0 is shared with the host: .*10\.8\.0\.1\/24.*; guests and host reach each other through the host port h0 only/,
  );
  t.match(weft('show').stdout, /uplink +up0, shared with the host/);
  await until('the host to be reached on its own interface', () => reaches(pc, '10.8.0.1'));
  await shared.end('SIGTERM');
  t.match(ip('-br addr show up0'), /10\.8\.0\.1\/24/, 'the interface keeps its address');
});
