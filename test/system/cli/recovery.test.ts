// A switch that is killed leaves nothing for long: the next one undoes what it changed on the host,
// wherever that is by now, and nothing that weft did not make or change is touched.

import '../../support/sandbox.ts';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { addNetns, addVeth, ip, run, until } from '../../support/netns.ts';
import { startWeft, WeftRun, weft, weftJson } from '../../support/weft-process.ts';

const RUN_DIR = '/run/weft';
const KILLS = 20;
/** Longest time until a kill, on a machine that is busy. */
const KILL_MS_MAX = 2000;
const HOLDER = fileURLToPath(new URL('../../support/hold-tap.js', import.meta.url));

const far = addNetns('far');
// Others' interfaces: a veth, one of its ends with all that a port takes from it, and taps.
addVeth('v0', 'w0', far);
ip('link set v0 down');
ip('link set v0 mtu 1400');
addVeth('v1', 'w1', far);
addVeth('v2', 'w2', far);
ip('tuntap add f0 mode tap');
ip('tuntap add f1 mode tap');
ip('link set f1 alias weft');
ip('link set f1 up');
ip(`-n ${far} tuntap add t9 mode tap`);
const FOREIGN = ['v0', 'v1', 'v2', 'f0', 'f1'];

const ARGS = [
  ...['--switch', 'br0', '--host', 'h0,192.0.2.1/24', '--port', 'tap:t0', '--port', 'tap:t1', '--port', 'tap:f0,mtu=1300'],
  ...['--port', 'netdev:v0,mtu=1450', '--port', 'netdev:v1', '--port', 'netdev:q0,create'],
  ...['--port', 'macvtap:v2'],
];

/** All there is, as text; left out is what follows from the other side, or has no way back (the root qdisc). */
function hostState(): string {
  const volatile = / (state|mode|qdisc|qlen|vnet_hdr) \w+|M-DOWN|NO-CARRIER|LOWER_UP|,|(valid|preferred)_lft \w+| tentative/g;
  const details = FOREIGN.map((name) => {
    const filters = run('tc', 'filter', 'show', 'dev', name, 'ingress');
    const clsact = run('tc', 'qdisc', 'show', 'dev', name).includes('clsact');
    const ipv6 = readFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, 'utf8').trim();
    const addresses = ip(`-o addr show dev ${name} scope global`).replaceAll(volatile, '');
    return `${ip(`-d -o link show ${name}`).replaceAll(volatile, '')}${filters}clsact ${clsact}, disable_ipv6 ${ipv6}\n${addresses}`;
  });
  const names = readdirSync('/sys/class/net').sort();
  const away = [...ip(`-n ${far} -o link`).matchAll(/^\d+: ([^:@]+)/gm)].map(([, name]) => name);
  return [names.join(' '), away.sort().join(' '), ...details].join('\n');
}

const before = hostState();

async function startedHolder(name: string): Promise<ChildProcess> {
  const holder = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, HOLDER, name], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  return holder;
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

t.test('the next start of the same switch begins with the host as it was', async (t) => {
  const killed = await startWeft(...ARGS);
  ip(`link set t1 netns ${far}`);
  ip(`-n ${far} link set t1 name away`);
  await killed.end('SIGKILL');
  t.match(hostState(), /away/);
  t.not(hostState(), before);

  const next = await startWeft('--switch', 'br0');
  for (const text of [
    ...[
      'removed tap t0',
      'removed tap t1',
      'removed tap h0',
      'removed tap q0',
      'gave v1 back to the host',
      'gave v2 back to the host',
      'took v0 down again',
    ],
    ...['gave v0 its MTU of 1400 back', 'gave f0 its MTU of 1500 back'],
  ]) {
    t.match(next.stderr, `left by an earlier switch br0: ${text}\n`);
  }
  t.equal(hostState(), before);
  await next.end('SIGTERM');
  t.equal(hostState(), before);
  t.same(readdirSync(RUN_DIR), []);
});

t.test('killed at any moment, it starts again, and in the end nothing is left', async (t) => {
  let readyMs = 0;
  for (let n = 0; n < KILLS; n++) {
    const startedMs = performance.now();
    const killed = new WeftRun(ARGS);
    if (n === 0) {
      await killed.ready();
      readyMs = Math.min(performance.now() - startedMs, KILL_MS_MAX);
      ip(`link set t0 netns ${far}`);
    } else {
      // From before anything is made to some time after it is ready, and in the middle of cleaning up after the one before.
      const killMs = readyMs * (0.3 + 0.9 * ((n * 7) % KILLS) * (1 / KILLS));
      await until('the moment', () => performance.now() - startedMs > killMs);
    }
    await killed.end('SIGKILL');
  }
  const run = await startWeft(...ARGS);
  const links = weftJson('ports').map(({ ifname, link }: { ifname: string; link: string }) => `${ifname} ${link}`);
  t.same(links, ['h0 up', 't0 up', 't1 up', 'f0 down', 'v0 up', 'v1 up', 'q0 down', 'v2 up']);
  const { status } = await run.end('SIGTERM');
  t.equal(status, 0, run.stderr);
  t.equal(hostState(), before);
  t.same(readdirSync(RUN_DIR), []);
});

t.test('killed while it stops', async (t) => {
  for (let n = 0; n < 5; n++) {
    const run = await startWeft(...ARGS);
    run.child.kill('SIGTERM');
    const stoppingMs = performance.now();
    await until('the moment', () => performance.now() - stoppingMs > n * 8);
    await run.end('SIGKILL');
    weft('doctor', '--clean');
    t.equal(hostState(), before, `${n * 8} ms`);
  }
});

t.test('doctor --clean says what it did, and leaves running switches alone', async (t) => {
  t.match(weft('doctor'), { status: 2, stderr: /--clean/ });
  t.match(weft('doctor', '--clean'), { status: 0, stderr: '' });
  const alive = await startWeft('--switch', 'br1', '--port', 'tap:t5');
  const killed = await startWeft('--switch', 'br0', '--port', 'tap:t0', '--port', 'netdev:v1');
  await killed.end('SIGKILL');
  t.same(weft('doctor', '--clean'), { status: 0, stdout: 'br0: gave v1 back to the host\nbr0: removed tap t0\n', stderr: '' });
  t.same(weft('doctor', '--clean').stdout, 'nothing to clean\n');
  t.match(weftJson('ports'), [{ ifname: 't5', link: 'up' }]);

  const second = await startWeft('--switch', 'br0', '--port', 'tap:t0');
  await second.end('SIGKILL');
  t.same(weftJson('doctor', '--clean'), [{ switch: 'br0', ifname: 't0', outcome: 'undone', text: 'removed tap t0' }]);

  // Any start does the same.
  const third = await startWeft('--switch', 'br0', '--port', 'tap:t0');
  await third.end('SIGKILL');
  const other = await startWeft('--switch', 'br2', '--port', 'tap:t0');
  t.match(other.stderr, 'left by another switch br0: removed tap t0\n');
  await other.end('SIGTERM');
  await alive.end('SIGTERM');
  t.equal(hostState(), before);
});

t.test('a tap that a program has open stays for as long', async (t) => {
  const killed = await startWeft('--switch', 'br0', '--port', 'netdev:q0,create');
  const holder = await startedHolder('q0');
  const ifindex = readFileSync('/sys/class/net/q0/ifindex', 'utf8');
  await killed.end('SIGKILL');
  const stays = new RegExp(`tap q0 stays while \\S+ \\(pid ${holder.pid}\\) has it open`);
  t.match(weft('doctor', '--clean'), { status: 0, stdout: stays });
  const next = await startWeft('--switch', 'br0', '--port', 'netdev:q0,create');
  t.match(next.stderr, stays);
  t.equal(readFileSync('/sys/class/net/q0/ifindex', 'utf8'), ifindex);
  await next.end('SIGTERM');
  t.ok(existsSync('/sys/class/net/q0'));
  t.same(readdirSync(RUN_DIR), ['br0.journal']);
  await ended(holder);
  t.same(weft('doctor', '--clean').stdout, 'br0: removed tap q0\n');
  t.equal(hostState(), before);
  t.same(readdirSync(RUN_DIR), []);
});

t.test('what is a port of another switch by now stays as it is', async (t) => {
  const killed = await startWeft('--switch', 'br0', '--port', 'tap:t0');
  const other = await startWeft('--switch', 'br1');
  await killed.end('SIGKILL');
  t.equal(weft('--switch', 'br1', 'port', 'add', 'netdev:v1').status, 0);
  t.equal(weft('--switch', 'br1', 'port', 'add', 'netdev:t0').status, 0);
  t.match(weft('doctor', '--clean').stdout, 'br0: t0 stays as it is: it is a port of a running switch\n');
  t.match(weftJson('ports'), [{ ifname: 'v1' }, { ifname: 't0', link: 'down' }]);
  await other.end('SIGTERM');
  t.same(weft('doctor', '--clean').stdout, 'br0: removed tap t0\n');
  t.equal(hostState(), before);
});

t.test('a tap without our mark is not deleted, whatever the journal says', async (t) => {
  const killed = await startWeft('--switch', 'br0', '--port', 'tap:t0', '--port', 'netdev:v0');
  await killed.end('SIGKILL');
  // Somebody has replaced the tap, and changed the other interface.
  ip('link del t0');
  ip('tuntap add t0 mode tap');
  ip('link set v0 mtu 1300');
  t.equal(weft('doctor', '--clean').status, 0);
  t.match(ip('link show v0'), /mtu 1300/);
  t.ok(existsSync('/sys/class/net/t0'));
  ip('link set v0 mtu 1400');
  ip('link del t0');
  t.equal(hostState(), before);
});

t.test('a journal that is garbage, cut off or of an earlier boot', async (t) => {
  const file = `${RUN_DIR}/br0.journal`;
  const killed = await startWeft('--switch', 'br0', '--port', 'tap:t0', '--port', 'tap:t1');
  await killed.end('SIGKILL');
  const whole = readFileSync(file, 'utf8');
  writeFileSync(file, whole.slice(0, -20));
  const cut = await startWeft('--switch', 'br0', '--port', 'tap:t2');
  t.match(cut.stderr, 'removed tap t0\n');
  t.match(cut.stderr, 'br0.journal: line 3 cannot be read and is passed over\n');
  await cut.end('SIGTERM');
  ip('link del t1');

  writeFileSync(file, Buffer.alloc(1000, 0xaa));
  const garbage = await startWeft('--switch', 'br0', '--port', 'tap:t2');
  t.match(garbage.stderr, 'br0.journal is not a journal of weft and is emptied');
  await garbage.end('SIGTERM');

  ip('tuntap add t1 mode tap');
  const [, alias = ''] = /"name":"t1","mark":"([^"]+)"/.exec(whole) ?? [];
  run('ip', 'link', 'set', 't1', 'alias', alias);
  writeFileSync(file, whole.replace(/^(weft journal 1 )\S+/, '$1another'));
  const booted = await startWeft('--switch', 'br0', '--port', 'tap:t2');
  t.notMatch(booted.stderr, 'left by');
  await booted.end('SIGTERM');
  ip('link del t1');
  t.equal(hostState(), before);
  t.same(readdirSync(RUN_DIR), []);
});

t.test('two switches that were killed start at once', async (t) => {
  const specs = ['a', 'b'].map((each) => ['--switch', `br${each}`, '--port', `tap:t${each}`, '--port', `tap:u${each}`]);
  const killed = await Promise.all(specs.map((spec) => startWeft(...spec)));
  await Promise.all(killed.map((each) => each.end('SIGKILL')));
  const doctor = weft('doctor', '--clean');
  t.equal(doctor.status, 0);
  for (let n = 0; n < 3; n++) {
    const next = await Promise.all(specs.map((spec) => startWeft(...spec)));
    for (const each of next) t.match(each.stdout, /ready/);
    await Promise.all(next.map((each) => each.end(n === 2 ? 'SIGTERM' : 'SIGKILL')));
  }
  t.equal(hostState(), before);
  t.same(readdirSync(RUN_DIR), []);
});

t.test('where nothing can be noted nothing is changed', async (t) => {
  const dir = '/run/small';
  mkdirSync(dir);
  run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir);
  const sw = await startWeft('--run-dir', dir, '--switch', 'br0');
  t.throws(() => writeFileSync(`${dir}/fill`, Buffer.alloc(1 << 20)), { code: 'ENOSPC' });
  for (const spec of ['tap:t0', 'netdev:v0', 'netdev:q0,create', 'tap:f0,mtu=1300']) {
    const refused = weft('--run-dir', dir, 'port', 'add', spec);
    t.equal(refused.status, 1, spec);
    t.match(
      refused.stderr,
      /cannot note in \/run\/small\/br0\.journal what is to be undone later: no space left on device \(ENOSPC\)/,
    );
    t.equal(hostState(), before, spec);
  }
  rmSync(`${dir}/fill`);
  t.equal(weft('--run-dir', dir, 'port', 'add', 'netdev:v0').status, 0);
  await sw.end('SIGTERM');
  t.same(readdirSync(dir), []);
  run('umount', dir);
  t.equal(hostState(), before);
});

t.test('nobody else is touched', (t) => {
  t.match(ip(`-n ${far} -br link show t9`), /^t9/);
  t.equal(hostState(), before);
  t.end();
});
