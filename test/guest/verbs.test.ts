// `weft qemu`, `weft up` and `weft down` as users run them: the compiled program, real QEMUs, and what is
// left when one of them ends in whatever way.

import '../support/sandbox.ts';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { guestImage } from '../support/guest-image.ts';
import { ip, run, until } from '../support/netns.ts';
import { startWeft, type WeftRun, weft, weftJson } from '../support/weft-process.ts';

t.setTimeout(180_000);

const RUN_DIR = '/run/weft';
const BOOT_MS = 60_000;
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const { kernel, initrd } = await guestImage((line) => t.comment(line));

/** A weft in a process of its own, with what it prints. */
interface Running {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

function start(t: Test, ...args: string[]): Running {
  const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (octets: Buffer) => (output.stdout += octets.toString()));
  child.stderr.on('data', (octets: Buffer) => (output.stderr += octets.toString()));
  const ended = new Promise<number | string>((resolve) => {
    child.once('close', (status, signal) => resolve(status ?? signal ?? 'unknown'));
  });
  t.teardown(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return { child, stdout: () => output.stdout, stderr: () => output.stderr, ended };
}

async function startSwitch(t: Test, ...args: string[]): Promise<WeftRun> {
  const sw = await startWeft(...args);
  t.teardown(() => sw.end('SIGTERM'));
  return sw;
}

/** QEMU arguments of a user whose guest has a serial console and the address 192.168.76.N. */
function userArgs(name: string, n: number): string[] {
  const append = `console=ttyS0 quiet panic=-1 weft.name=${name} weft.ip=192.168.76.${n}/24`;
  return [...['-nographic', '-no-reboot', '-kernel', kernel, '-initrd', initrd], '-append', append];
}

/** As `until`, for as long as guests may take to boot on a busy machine. */
async function untilBooted(what: string, probe: () => boolean): Promise<void> {
  for (const deadline = performance.now() + BOOT_MS; !probe(); await sleep(100)) {
    if (performance.now() > deadline) throw new Error(`still waiting for ${what} after ${BOOT_MS} ms`);
  }
}

/** The process ids of all QEMUs; the sandbox has its own process ids, so these are ours. */
function qemuPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('qemu-system') &&
          !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

const portNames = () => weftJson('ports').map(({ ifname }: { ifname: string }) => ifname);
const hasLink = (name: string) => ip('-o link').includes(`: ${name}:`);

function reaches(address: string): boolean {
  try {
    run('ping', '-c', '1', '-W', '1', address);
    return true;
  } catch {
    return false;
  }
}

t.test('weft qemu connects a guest, passes on its status, and takes the port away', async (t) => {
  await startSwitch(t, '--switch', 'br0', '--host', 'br0,192.168.76.1/24');
  const byStream = start(t, 'qemu', '--', ...userArgs('first', 11));
  await until('the first port', () => portNames().includes('vm1'));
  const byTap = start(
    t,
    'qemu',
    '--model',
    'e1000',
    '--via',
    'tap',
    '--mac',
    '52:54:00:00:00:0A',
    '--',
    ...userArgs('second', 12),
  );
  await untilBooted('the second guest', () => /weft-guest second ready/.test(byTap.stdout()));
  await untilBooted('the first guest', () => /weft-guest first ready/.test(byStream.stdout()));
  t.same(portNames(), ['br0', 'vm1', 'vm2'], 'each took the first free name');
  await untilBooted('the guests to answer', () => reaches('192.168.76.11') && reaches('192.168.76.12'));
  const macs = weftJson('fdb').map(({ mac, ifname }: { mac: string; ifname: string }) => `${ifname} ${mac}`);
  t.ok(macs.includes('vm2 52:54:00:00:00:0a'), 'the card has the address asked for');

  const taken = weft('qemu', '--port', 'vm1', '--', '-S');
  t.equal(taken.status, 1);
  t.match(taken.stderr, /^weft: br0 already has a port named vm1; [^\n]+\n$/);

  byTap.child.kill('SIGTERM');
  t.equal(await byTap.ended, 0, 'QEMU ends well on SIGTERM');
  t.same(portNames(), ['br0', 'vm1']);
  t.notOk(hasLink('vm2'), 'its tap is gone');

  const [pid = 0] = qemuPids();
  process.kill(pid, 'SIGKILL');
  t.equal(await byStream.ended, 137, 'as a shell tells SIGKILL');
  t.match(byStream.stderr(), /weft: Guest vm1 died \(signal SIGKILL\)\.\n/);
  t.same(portNames(), ['br0']);
  t.same(weftJson('show').imbalances, []);
});

t.test('weft qemu that is killed leaves neither QEMU nor port', async (t) => {
  await startSwitch(t, '--switch', 'br0');
  for (const via of ['stream', 'dgram', 'tap']) {
    const { child, ended } = start(t, 'qemu', '--port', 'victim', '--via', via, '--', '-S', '-display', 'none');
    await until('the guest to connect', () => weftJson('ports').some(({ link }: { link: string }) => link === 'up'));
    t.equal(qemuPids().length, 1);
    child.kill('SIGKILL');
    t.equal(await ended, 'SIGKILL');
    await until('QEMU to end', () => qemuPids().length === 0);
    await until('the port to go', () => portNames().length === 0);
    t.notOk(hasLink('victim'));
    // Only `weft qemu` could remove QEMU's own path; the next QEMU there takes it over.
    const left = via === 'dgram' ? ['br0-victim.dgram-guest'] : [];
    t.same(readdirSync(RUN_DIR).sort(), [...left, 'br0.journal', 'br0.lock', 'br0.sock']);
    for (const name of left) rmSync(`${RUN_DIR}/${name}`);
  }
});

t.test('a guest outlives its switch, and says so', async (t) => {
  for (const via of ['stream', 'dgram', 'tap']) {
    const sw = await startSwitch(t, '--switch', 'br0');
    const { child, stderr, ended } = start(t, 'qemu', '--via', via, '--', '-S', '-display', 'none');
    await until('the guest to connect', () => weftJson('ports').some(({ link }: { link: string }) => link === 'up'));
    t.equal((await sw.end('SIGTERM')).status, 0);
    await until('the message', () => /weft: br0 has ended; guest vm1 runs on, without a network\n/.test(stderr()));
    t.equal(qemuPids().length, 1);
    t.equal(hasLink('vm1'), via === 'tap', 'a tap in use is not taken away');
    child.kill('SIGINT');
    t.equal(await ended, 0);
    t.equal(qemuPids().length, 0);
    t.notOk(hasLink('vm1'));
  }
});

t.test('a guest on a classic tap is on the switch again when that is started again', async (t) => {
  const args = ['--switch', 'br0', '--host', 'br0,192.168.76.1/24', '--port', 'netdev:tap0,create'];
  const sw = await startSwitch(t, ...args);
  const netdev = 'tap,id=n,ifname=tap0,script=no,downscript=no';
  const qemu = spawn('qemu-system-x86_64', [...userArgs('own', 11), '-netdev', netdev, '-device', 'e1000,netdev=n'], {
    stdio: 'ignore',
  });
  const qemuEnded = new Promise((resolve) => qemu.once('close', resolve));
  t.teardown(() => qemu.kill('SIGKILL'));
  await untilBooted('the guest to answer', () => reaches('192.168.76.11'));
  t.equal((await sw.end('SIGTERM')).status, 0);
  t.ok(hasLink('tap0'));
  await startSwitch(t, ...args);
  await until('the guest to answer again', () => reaches('192.168.76.11'));
  qemu.kill('SIGKILL');
  await qemuEnded;
  ip('link del tap0');
});

t.test('what cannot be is said in one line', async (t) => {
  const none = weft('qemu', '--', '-S');
  t.equal(none.status, 1);
  t.match(none.stderr, /^weft: no switch runs in \/run\/weft; start one with weft run\n$/);
  await startSwitch(t, '--switch', 'br0');
  const refused: [string[], number, RegExp][] = [
    [['--via', 'vhost-user'], 2, /weft has no vhost-user ports yet; use stream, dgram or tap/],
    [['--via', 'carrier-pigeon'], 2, /It is auto, stream, dgram or tap/],
    [['--model', 'e1001'], 1, /has no network card "e1001"; it has virtio-net-pci, e1000/],
    [['--mac', '01:00:00:00:00:00'], 1, /cannot be the MAC of a network card/],
    [['--port', 'a/b'], 1, /cannot be the name of a guest/],
    [['--port', 'a-name-too-long-for-a-tap', '--via', 'tap'], 1, /choose a shorter name/],
  ];
  for (const [args, status, line] of refused) {
    const outcome = weft('qemu', ...args, '--', '-S');
    t.equal(outcome.status, status, args.join(' '));
    t.match(outcome.stderr, /^weft: [^\n]+\n$/);
    t.match(outcome.stderr, line);
  }
  const nonsense = weft('qemu', '--', '-nonsense');
  t.equal(nonsense.status, 1);
  t.match(nonsense.stderr, /-nonsense: invalid option\nweft: Guest vm1 died \(exit status 1\)\.\n$/);
  t.same(portNames(), [], 'no port is left of any of them');
});

const LAB = `
switch: lab
host: { ifname: lab0, address: 192.168.76.1/24 }
guests:
  - name: alpha
    qemu: ${JSON.stringify(userArgs('alpha', 21))}
  - name: beta
    model: rtl8139
    via: tap
    mac: 52:54:00:00:00:0b
    qemu: ${JSON.stringify(userArgs('beta', 22))}
  - name: gamma
    via: dgram
    qemu: [-S, -display, none]
`;
const LAB_FILE = '/run/tmp/lab.yaml';

t.test('weft up runs a lab in the foreground, until its guests and then it are ended', async (t) => {
  writeFileSync(LAB_FILE, LAB);
  const { child, stdout, stderr, ended } = start(t, 'up', LAB_FILE);
  await until('the lab', () => stdout() === 'lab ready\nlab: alpha, beta, gamma are ready\n');
  await untilBooted('the guests to answer', () => reaches('192.168.76.21') && reaches('192.168.76.22'));
  t.match(readFileSync(`${RUN_DIR}/lab.lab/alpha.log`, 'latin1'), /weft-guest alpha ready/);

  const twice = weft('up', LAB_FILE);
  t.equal(twice.status, 1);
  t.match(twice.stderr, /weft: switch lab runs already \(process \d+, node\)/);
  t.ok(reaches('192.168.76.21'), 'the lab does not notice');

  const [first = 0] = qemuPids();
  const name = /guest=(\w+)/.exec(readFileSync(`/proc/${first}/cmdline`, 'latin1'))?.[1];
  process.kill(first, 'SIGKILL');
  const report = new RegExp(`Guest ${name} died \\(signal SIGKILL\\); the end of its log[^]*error   .*weft-guest ${name} ready`);
  await until('the report with the end of the log', () => report.test(stderr()));
  t.ok(reaches(name === 'alpha' ? '192.168.76.22' : '192.168.76.21'), 'the other goes on');
  t.same(weftJson('show').imbalances, []);

  child.kill('SIGINT');
  t.equal(await ended, 0);
  t.same(qemuPids(), []);
  t.notOk(hasLink('beta') || hasLink('lab0'));
  t.same(readdirSync(RUN_DIR), ['lab.lab'], 'only logs are left');
});

t.test('weft up --detach returns when all is ready, and weft down when all is gone', async (t) => {
  writeFileSync(LAB_FILE, LAB);
  t.teardown(() => weft('down', LAB_FILE));
  const up = weft('--json', 'up', LAB_FILE, '--detach');
  t.equal(up.stderr, '');
  t.equal(up.status, 0);
  const lab = JSON.parse(up.stdout);
  t.match(lab, {
    ...{ name: 'lab', ready: true, socket: `${RUN_DIR}/lab.sock` },
    guests: [
      { name: 'alpha', port: 'alpha', via: 'stream', ready: true, log: `${RUN_DIR}/lab.lab/alpha.log` },
      { name: 'beta', port: 'beta', via: 'tap', mac: '52:54:00:00:00:0b', ready: true },
      { name: 'gamma', port: 'gamma', via: 'dgram', ready: true },
    ],
  });
  t.equal(weftJson('show').pid, lab.pid);
  t.same(qemuPids().sort(), lab.guests.map(({ pid }: { pid: number }) => pid).sort());
  const down = weft('down', LAB_FILE);
  t.equal(down.stdout, 'lab is stopped\n');
  t.equal(down.status, 0);
  t.same(qemuPids(), []);
  t.notOk(existsSync(`/proc/${lab.pid}`));
  t.notOk(hasLink('beta') || hasLink('lab0'));
  t.same(readdirSync(RUN_DIR), ['lab.lab']);
  const again = weft('down', LAB_FILE);
  t.equal(again.stdout, 'lab does not run, so there is nothing to stop\n');
  t.equal(again.status, 0);
});

t.test('a detached lab that cannot be says why, and leaves nothing', async (t) => {
  const refused: [string, number, RegExp][] = [
    [`${LAB}stp: { mode: rstp }\n`, 2, /lab\.yaml:\d+:\d+: spanning tree \(rstp\) is not there yet/],
    [LAB.replace('rtl8139', 'rtl8140'), 1, /Guest beta: QEMU .* has no network card "rtl8140"/],
    [LAB.replace('name: beta', 'name: alpha'), 1, /Two guests have the name alpha/],
    [LAB.replace('  - name: beta', '  - name: beta\n    port: lab0'), 1, /already has a port named lab0/],
  ];
  for (const [text, status, line] of refused) {
    writeFileSync(LAB_FILE, text);
    const outcome = weft('up', LAB_FILE, '--detach');
    t.match(outcome.stderr, line);
    t.match(outcome.stderr, /^weft: [^\n]+\n$/);
    t.equal(outcome.status, status);
    t.same(qemuPids(), []);
    t.notOk(existsSync(`${RUN_DIR}/lab.lock`));
  }
  // A guest whose QEMU refuses its arguments is its own misfortune.
  writeFileSync(LAB_FILE, LAB.replace('"-nographic"', '"-nonsense"'));
  t.teardown(() => weft('down', LAB_FILE));
  const outcome = weft('up', LAB_FILE, '--detach');
  t.equal(outcome.status, 1);
  t.equal(outcome.stdout, 'lab: beta, gamma are ready; alpha is not\n');
  t.match(outcome.stderr, /^weft: not every guest of lab came up; .*weft\.log says why/);
  t.match(
    readFileSync(`${RUN_DIR}/lab.lab/weft.log`, 'utf8'),
    /Guest alpha died \(exit status 1\).*\n.*-nonsense: invalid option/,
  );
  t.equal(weft('down', '--switch', 'lab').status, 0);
  t.same(qemuPids(), []);
});

t.test('whoever gives up waiting for a detached lab leaves nothing', async (t) => {
  writeFileSync(LAB_FILE, LAB);
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    const { child, ended } = start(t, 'up', LAB_FILE, '--detach');
    await until('the lab to begin', () => existsSync(`${RUN_DIR}/lab.lock`));
    child.kill(signal);
    await ended;
    await until('the lab to end', () => !existsSync(`${RUN_DIR}/lab.lock`));
    t.same(qemuPids(), []);
    t.notOk(hasLink('beta') || hasLink('lab0'));
  }
});
