// weft's guest image in real QEMUs: that it boots with each card, speaks Ethernet over `-netdev stream`
// and does what its agent is told; and that no QEMU dies unnoticed or is left behind. No switch takes part, and
// nothing here needs root.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { bootsUnder, probeAccel } from '../../src/launch/kvm-probe.ts';
import { type LabGuest, type LabOptions, startLab } from '../../src/launch/lab.ts';
import type { GuestLink } from '../../src/launch/qemu-args.ts';
import { findQemu } from '../../src/launch/qemu-probe.ts';
import type { GuestExit } from '../../src/launch/supervisor.ts';
import { guestImage } from '../support/guest-image.ts';
import { StreamPeer } from '../support/stream-peer.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const ETHERTYPE_ARP = 0x0806;
const PEER_MAC = '525400000001';
const PEER_IP = 'c0a84c01';

const image = await guestImage((line) => t.comment(line));
const qemu = await findQemu();
const dir = makeTempDir();
const options: LabOptions = { qemu, accel: 'tcg', switchName: 'br0', image, logDir: dir };

/** Waits until `condition` holds; fails after `timeoutMs`. */
async function until(what: string, condition: () => boolean, timeoutMs = 30_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await sleep(20);
  }
}

/** Whether process `pid` still runs; one that has ended and was not yet waited for does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** A broadcast ARP request for `ip` from the peer. */
function arpRequest(ip: string): Buffer {
  return Buffer.from(`ffffffffffff${PEER_MAC}08060001080006040001${PEER_MAC}${PEER_IP}000000000000${ip}`, 'hex');
}

t.test('the image is made once, and again by nobody', async (t) => {
  const lines: string[] = [];
  const again = await Promise.all([guestImage((line) => lines.push(line)), guestImage((line) => lines.push(line))]);
  t.same(again, [image, image]);
  t.same(lines, []);
  t.ok(existsSync(image.kernel));
  t.ok(existsSync(image.initrd));
});

t.test('three cards boot, speak and obey', async (t) => {
  const models = ['virtio-net-pci', 'e1000', 'rtl8139'];
  const drivers = ['virtio_net', 'e1000', '8139cp'];
  const peers = models.map(() => new StreamPeer());
  const guests: LabGuest[] = [];
  for (const [index, model] of models.entries()) {
    const socketPath = path.join(dir, `${model}.sock`);
    await peers[index]?.listen(socketPath);
    guests.push({
      name: `vm${index + 1}`,
      model,
      link: { via: 'stream', socketPath },
      addresses: [`192.168.76.${11 + index}/24`],
      mtu: 1400,
    });
  }
  const exits: GuestExit[] = [];
  const lab = await startLab(guests, { ...options, onExit: (exit) => exits.push(exit) });
  t.teardown(async () => {
    await lab.stop();
    for (const peer of peers) peer.close();
  });

  const progress: number[] = [];
  const started = performance.now();
  await lab.ready({ onProgress: (each) => progress.push(each.elapsedMs) });
  t.comment(`three guests ready after ${Math.round(performance.now() - started)} ms`);
  t.ok(progress.length > 0, 'progress was told');

  await Promise.all(
    lab.guests.map(async (guest, index) => {
      const peer = peers[index];
      const { agent } = guest;
      if (peer === undefined || agent === undefined) throw new Error('every guest has a peer and an agent');
      const say = async (command: string) => (await agent.run(command)).output.trim();
      t.equal(await say('cat /sys/class/net/eth0/address'), guest.mac);
      t.equal(await say('cat /sys/class/net/eth0/mtu'), '1400');
      t.equal(await say('hostname'), guest.name);
      t.equal(path.basename(await say('readlink /sys/class/net/eth0/device/driver')), drivers[index]);
      t.match(await say('iperf3 --version'), /^iperf 3/);
      t.same(await agent.run('echo out; echo err >&2; exit 7'), { status: 7, output: 'out\nerr\n' });
      await t.rejects(agent.run('echo before; sleep 60 & wait', { timeoutMs: 1000 }), {
        name: 'LaunchError',
        message: /was killed after 1 s; it had printed: before/,
      });
      t.equal(await say('pidof sleep'), '', 'what a killed command started is killed too');

      // Both directions: the peer asks who has the guest's address, the guest answers the peer.
      const ip = `c0a84c${(11 + index).toString(16).padStart(2, '0')}`;
      peer.send(arpRequest(ip));
      const mac = guest.mac.replaceAll(':', '');
      const isReply = (frame: Buffer) => {
        return frame.readUInt16BE(12) === ETHERTYPE_ARP && frame.toString('hex', 0, 6) === PEER_MAC && frame[21] === 2;
      };
      await until(`the ARP reply of ${guest.name}`, () => peer.frames.some(isReply));
      const reply = peer.frames.find(isReply) ?? Buffer.alloc(0);
      t.equal(reply.toString('hex', 6, 12), mac);
      t.equal(reply.toString('hex', 22, 32), mac + ip);
      t.same(peer.badLengths, []);
      t.ok(peer.frames.length > 1, 'IPv6 spoke up by itself');
      t.ok(peer.frames.every((frame) => frame.toString('hex', 6, 12) === mac));
    }),
  );

  const [first, second, third] = lab.guests;
  first?.agent?.run('poweroff -f').catch(() => {});
  t.match(await first?.exited, { status: 0, expected: true, message: 'Guest vm1 has shut down.' });
  second?.agent?.run('echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger').catch(() => {});
  const crash = await second?.exited;
  t.match(crash, {
    expected: false,
    message: /^Guest vm2 died \(kernel panic\); the end of its log \(.*vm2\.log\):\n.*Kernel panic - not syncing: sysrq/,
  });
  t.match(readFileSync(path.join(dir, 'vm2.log'), 'latin1'), /sysrq triggered crash/);
  t.match(await third?.stop(), { expected: true, message: 'Guest vm3 was stopped.' });
  t.notOk(isRunning(third?.pid ?? 0));
  await until('both exits to be reported', () => exits.length >= 2);
  t.same(exits.map((exit) => exit.name).sort(), ['vm1', 'vm2', 'vm3'].slice(0, exits.length));
});

/** A link whose other end only listens. */
async function idleLink(t: Test, name: string): Promise<GuestLink> {
  const peer = new StreamPeer();
  const socketPath = path.join(dir, `${name}.sock`);
  await peer.listen(socketPath);
  t.teardown(() => peer.close());
  return { via: 'stream', socketPath };
}

t.test('nonsense arguments are reported with what QEMU said', async (t) => {
  const exits: GuestExit[] = [];
  const link = await idleLink(t, 'nonsense');
  const lab = await startLab([{ name: 'vm1', link, qemu: ['-nonsense'] }], { ...options, onExit: (exit) => exits.push(exit) });
  t.teardown(() => lab.stop());
  await until('the report', () => exits.length > 0);
  t.match(exits[0], { status: 1, signal: null, expected: false });
  t.match(
    exits[0]?.message,
    /^Guest vm1 died \(exit status 1\); the end of its log \(.*vm1\.log\):\n {2}.*-nonsense: invalid option$/,
  );
});

t.test('a guest is not started towards a switch that is not there', async (t) => {
  const link = { via: 'stream', socketPath: path.join(dir, 'nobody.sock') } as const;
  await t.rejects(startLab([{ name: 'vm1', link }], options), {
    name: 'LaunchError',
    message: /no switch listens on .*nobody\.sock/,
  });
  const tap = { via: 'tap', ifname: 'weft-none0' } as const;
  await t.rejects(startLab([{ name: 'vm1', link: tap }], options), {
    name: 'LaunchError',
    message: /there is no tap weft-none0 here/,
  });
});

t.test('a QEMU that is missing is a report too', async (t) => {
  const missing = { ...qemu, path: path.join(dir, 'qemu-system-x86_64') };
  const lab = await startLab([{ name: 'vm1', link: await idleLink(t, 'missing') }], { ...options, qemu: missing });
  await t.rejects(lab.ready(), { message: /exit status 127.*\n.*not found/ });
});

t.test('a guest that stays silent is given up at the deadline, with its log, and still stopped', async (t) => {
  const script = path.join(dir, 'silent');
  // In place of QEMU: says one thing, then ignores the polite signal.
  writeFileSync(script, '#!/bin/sh\ntrap "" TERM\necho "hanging in the firmware"\nwhile :; do read -r line < /dev/zero; done\n', {
    mode: 0o755,
  });
  const lab = await startLab([{ name: 'vm1', link: await idleLink(t, 'silent') }], {
    ...options,
    qemu: { ...qemu, path: script },
  });
  const [guest] = lab.guests;
  await until('its first words', () => guest?.log.tail(1)[0] === 'hanging in the firmware');
  await t.rejects(lab.ready({ timeoutMs: 50 }), {
    message: /Guest vm1 is not ready after 0 s; .*\n {2}hanging in the firmware$/,
  });
  t.match(await guest?.stop(50), { signal: 'SIGKILL', expected: true });
});

t.test('no QEMU survives the kill -9 of its supervisor', async (t) => {
  const supervisor = spawnSupervisor(await idleLink(t, 'supervisor'));
  t.teardown(() => supervisor.kill('SIGKILL'));
  let output = '';
  supervisor.stdout?.on('data', (octets: Buffer) => (output += octets.toString()));
  await until('the guest to run', () => /pid \d+\n/.test(output));
  const pid = Number(/pid (\d+)/.exec(output)?.[1]);
  await until('QEMU itself to run', () => readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('qemu-system'));
  supervisor.kill('SIGKILL');
  await once(supervisor, 'exit');
  await until('its QEMU to go', () => !isRunning(pid));
  t.pass('it is gone');
});

/** A process that starts one guest, prints its process id, and waits. */
function spawnSupervisor(link: GuestLink): ChildProcess {
  const supervisorUrl = new URL('../../src/launch/supervisor.js', import.meta.url).href;
  const probeUrl = new URL('../../src/launch/qemu-probe.js', import.meta.url).href;
  const machine = {
    ...{ name: 'vm1', mac: '52:54:00:00:00:01', model: 'e1000', accel: 'tcg', memoryMb: 256 },
    link,
    qemu: ['-S', '-display', 'none', '-serial', 'none', '-monitor', 'none'],
  };
  const source = `
    import { startGuest } from ${JSON.stringify(supervisorUrl)};
    import { findQemu } from ${JSON.stringify(probeUrl)};
    const guest = await startGuest(await findQemu(), ${JSON.stringify(machine)});
    console.log('pid ' + guest.pid);
    console.log((await guest.exited).message);`;
  const env = { ...process.env };
  delete env.NODE_OPTIONS;
  return spawn(process.execPath, ['--input-type=module', '-e', source], { env, stdio: ['ignore', 'pipe', 'inherit'] });
}

t.test('the probe believes a console that gets through its start, and no other', async (t) => {
  const patient = { silenceMs: 60_000, totalMs: 60_000 };
  t.equal(await bootsUnder('tcg', qemu, image, patient), true);
  const broken = path.join(dir, 'no-kernel');
  writeFileSync(broken, Buffer.alloc(1 << 16, 0x90));
  t.equal(await bootsUnder('tcg', qemu, { kernel: broken }, { silenceMs: 1000, totalMs: 2000 }), false);

  const cache = path.join(dir, 'cache');
  const answer = await probeAccel(qemu, image, cache);
  t.comment(answer.reason);
  t.ok(answer.reason.startsWith(`Guests run under ${answer.accel.toUpperCase()}`));
  t.same(await probeAccel(qemu, image, cache), answer);
});
