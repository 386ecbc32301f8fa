// A switch with hundreds of ports ends as fast as one with two, and takes along what it made, wherever
// that is by then, and nothing else.

import '../../support/sandbox.ts';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { inNetns } from '../../../src/sys/netns.ts';
import { listLinks } from '../../../src/sys/rtnetlink.ts';
import { addNetns, ip, run } from '../../support/netns.ts';
import { startWeft, type WeftRun } from '../../support/weft-process.ts';

/** What users are promised: from the signal to the end. */
const END_MS_MAX = 2000;

// A thousand frames of IPv6 for each interface that comes up are not what is tested here.
writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1');

function ifnames(): string[] {
  return readdirSync('/sys/class/net')
    .filter((ifname) => ifname !== 'lo')
    .sort();
}

/** What a port changes on interfaces, of all that are in a namespace. */
function state(netns?: string): string[] {
  return inNetns(netns, () => {
    const disciplines = run('tc', 'qdisc', 'show').split('\n');
    return listLinks().map(({ name, flags, mtu }) => {
      const clsact = disciplines.some((line) => line.includes(` dev ${name} `) && line.startsWith('qdisc clsact'));
      return `${name} ${flags.toString(16)} ${mtu} ${clsact}`;
    });
  });
}

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, k) => `${prefix}${k}`);
}

function configFile(ports: readonly string[]): string {
  const file = path.join(mkdtempSync('/run/tmp/config-'), 'lab.yaml');
  writeFileSync(file, `switch: lab\nports:\n${ports.map((port) => `  - ${port}\n`).join('')}`);
  return file;
}

async function endsInTime(t: Test, weft: WeftRun): Promise<void> {
  const { status, ms } = await weft.end('SIGTERM');
  t.equal(status, 0, weft.stderr);
  t.ok(ms < END_MS_MAX, `it took ${Math.round(ms)} ms`);
  t.notMatch(weft.stderr, /closing|as it was/);
  t.same(readdirSync('/run/weft'), []);
}

t.test('200 taps go with the switch, moved and renamed ones too; others stay', async (t) => {
  const ns = addNetns();
  ip('tuntap add found mode tap');
  ip('link set found group 7');
  const taps = numbered('t', 200);
  const weft = await startWeft('--config', configFile([...taps, 'found'].map((ifname) => `tap: ${ifname}`)));
  t.equal(ifnames().length, 201);
  // In their places stand others, made by somebody else.
  ip(`link set t17 netns ${ns}`);
  ip(`-n ${ns} link set t17 name eth0`);
  ip('link set t18 down');
  ip('link set t18 name other');
  for (const ifname of ['t18', 'foreign']) ip(`tuntap add ${ifname} mode tap`);
  ip(`-n ${ns} tuntap add t17 mode tap`);
  ip('link del t19');
  await endsInTime(t, weft);
  t.same(ifnames(), ['foreign', 'found', 't18']);
  t.match(ip('-d link show found'), /group 7 .*persist on/s);
  t.same(
    ip(`-n ${ns} -br link`)
      .match(/^\w+/gm)
      ?.filter((ifname) => ifname !== 'lo'),
    ['t17'],
  );
  for (const ifname of ifnames()) ip(`link del ${ifname}`);
});

t.test('200 interfaces are put back as they were, and those that were made are deleted', async (t) => {
  const found = numbered('v', 100);
  const made = numbered('m', 100);
  const commands = found.map((ifname, k) => `link add ${ifname} type veth peer name p${k}`);
  execFileSync('ip', ['-batch', '-'], { input: commands.join('\n') });
  const before = state();
  const ports = [...found.map((ifname) => `netdev: ${ifname}`), ...made.map((ifname) => `{ netdev: ${ifname}, create: on }`)];
  const weft = await startWeft('--config', configFile(ports));
  t.equal(ifnames().length, 300);
  t.notSame(state().slice(0, before.length), before);
  await endsInTime(t, weft);
  t.same(state(), before);
});

t.test('a switch that has hardly a descriptor left puts everything back as well', async (t) => {
  const ns = addNetns();
  const found = numbered('v', 50);
  const commands = found.map((ifname, k) => `link add ${ifname} type veth peer name p${k}`);
  execFileSync('ip', ['-n', ns, '-batch', '-'], { input: commands.join('\n') });
  const before = state(ns);
  // Too few for a duplicate of each descriptor, and just enough for that and nothing else.
  for (const room of [10, 52]) {
    const weft = await startWeft('--config', configFile(found.map((ifname) => `{ netdev: ${ifname}, netns: ${ns} }`)));
    const used = readdirSync(`/proc/${weft.pid}/fd`).length;
    execFileSync('prlimit', ['--pid', String(weft.pid), `--nofile=${used + room}`]);
    const { status } = await weft.end('SIGTERM');
    t.equal(status, 0, weft.stderr);
    t.match(weft.stderr, /closing takes longer: cannot duplicate descriptor \d+: .*EMFILE/);
    t.notMatch(weft.stderr, /as it was/);
    t.same(state(ns), before);
  }
});
