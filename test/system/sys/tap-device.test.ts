// Taps and network namespaces, with ip(8) as the independent witness.

import '../../support/sandbox.ts';
import { spawn } from 'node:child_process';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { Arena } from '../../../src/sys/arena.ts';
import { ERRNO } from '../../../src/sys/errno.ts';
import { closeFd } from '../../../src/sys/fd.ts';
import { tapHolder } from '../../../src/sys/holders.ts';
import { read } from '../../../src/sys/io.ts';
import { inNetns } from '../../../src/sys/netns.ts';
import {
  isTapInOwnNetns,
  openTap,
  setTapPersistent,
  TAP_VNET_HDR_SIZE,
  TUN_F_CSUM,
  TUN_F_TSO4,
  TUN_F_TSO6,
  tapInfo,
} from '../../../src/sys/tap-device.ts';
import { addNetns, ip, run, until } from '../../support/netns.ts';

t.test('a tap is made, carries frames behind a 12-octet header, and goes with its descriptor', async (t) => {
  const tap = openTap('t0');
  t.match(tap, { name: 't0', created: true, persistent: false });
  const tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  t.equal(tap.offloads & tso, tso);
  t.same(tapInfo(tap.fd), { name: 't0', persistent: false, vnetHdrSize: TAP_VNET_HDR_SIZE, packetInfo: false });
  t.ok(isTapInOwnNetns(tap.fd));
  const arena = new Arena(65_536);
  t.equal(read(tap.fd, arena.address, 65_536), -ERRNO.EAGAIN, 'reading does not wait');
  ip('link set t0 up');
  // The interface announces itself over IPv6: the first frame, behind its header, is a group one with type 86DD.
  const n = await until('a frame', () => {
    const got = read(tap.fd, arena.address, 65_536);
    return got > 0 && got;
  });
  t.ok(n > TAP_VNET_HDR_SIZE + 14);
  t.equal(arena.memory.view.getUint16(TAP_VNET_HDR_SIZE), 0x3333);
  t.equal(arena.memory.view.getUint16(TAP_VNET_HDR_SIZE + 12), 0x86dd);
  closeFd(tap.fd);
  t.throws(() => ip('link show t0'), /does not exist/);
});

t.test('a persistent tap stays, and keeps the settings of whoever made it', async (t) => {
  const made = openTap('t1', { persistent: true, owner: 65534, group: 65533 });
  t.match(made, { created: true, persistent: true });
  closeFd(made.fd);
  t.match(ip('-d link show t1'), /user nobody/);
  t.match(ip('-d link show t1'), /persist on/);

  ip('link set t1 mtu 1400');
  const again = openTap('t1', { persistent: false, owner: 0 });
  t.match(again, { created: false, persistent: true });
  t.match(ip('-d link show t1'), /mtu 1400.*user nobody/s);
  setTapPersistent(again.fd, false);
  closeFd(again.fd);
  t.throws(() => ip('link show t1'), /does not exist/);

  ip('tuntap add t2 mode tap multi_queue');
  const queue = openTap('t2');
  t.match(queue, { created: false, persistent: true });
  closeFd(queue.fd);
});

t.test('what cannot be opened is refused with a sentence', async (t) => {
  const holder = openTap('t3');
  t.same(tapHolder('t3'), { pid: process.pid, command: path.basename(process.argv0) });
  t.equal(tapHolder('t'), undefined);
  t.throws(() => openTap('t3'), {
    code: 'EBUSY',
    message: new RegExp(`^cannot open tap t3: .+ \\(pid ${process.pid}\\) holds it; stop that first`),
  });
  closeFd(holder.fd);
  t.throws(() => openTap('lo'), { code: 'EINVAL', message: /exists and is no tap; use the port kind netdev/ });
  ip('tuntap add tun0 mode tun');
  t.throws(() => openTap('tun0'), { code: 'EINVAL', message: /is no tap/ });
  for (const name of ['', 'a/b', 'sixteen-octets-x', '..', 'a b', 'tap\0']) {
    t.throws(() => openTap(name), { code: 'EINVAL', message: /cannot be an interface's name/ });
  }
  t.equal(tapInfo(1), undefined);
  run('mount', '-t', 'tmpfs', 'tmpfs', '/dev/net');
  t.throws(() => openTap('t9'), { code: 'ENOENT', message: /^cannot make taps: there is no \/dev\/net\/tun; load the driver/ });
  run('umount', '/dev/net');
});

t.test('the holder of a tap in another process is named', async (t) => {
  const script = '/run/tmp/holder.mjs';
  const module = new URL('../../../src/sys/tap-device.js', import.meta.url).href;
  writeFileSync(script, `import { openTap } from '${module}'; openTap('t4'); console.log('open'); setInterval(() => {}, 1000);`);
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  await until('the other process', () => output.includes('open'));
  t.throws(() => openTap('t4'), { code: 'EBUSY', message: new RegExp(`node \\(pid ${child.pid}\\) holds it`) });
  child.kill('SIGKILL');
});

t.test('a function runs inside a namespace and the thread comes back, also after a throw', async (t) => {
  const own = readlinkSync('/proc/thread-self/ns/net');
  const name = addNetns();
  const inside = inNetns(name, () => readlinkSync('/proc/thread-self/ns/net'));
  t.not(inside, own);
  t.throws(
    () =>
      inNetns(name, () => {
        throw new Error('inside');
      }),
    /inside/,
  );
  t.equal(readlinkSync('/proc/thread-self/ns/net'), own);
  t.equal(
    inNetns(undefined, () => readlinkSync('/proc/thread-self/ns/net')),
    own,
  );
  t.equal(
    inNetns(`/run/netns/${name}`, () => readlinkSync('/proc/thread-self/ns/net')),
    inside,
  );
  t.equal(
    inNetns(`pid:${process.pid}`, () => readlinkSync('/proc/thread-self/ns/net')),
    own,
  );
  t.throws(() => inNetns('absent', () => 0), {
    code: 'ENOENT',
    message: /no network namespace absent: make it with `ip netns add absent`/,
  });
  t.throws(() => inNetns('pid:999999', () => 0), { code: 'ENOENT', message: /no such process/ });
  t.throws(() => inNetns('/etc/passwd', () => 0), { code: 'EINVAL' });
  t.throws(() => inNetns(name, async () => 0), /synchronous/);
  t.equal(readlinkSync('/proc/thread-self/ns/net'), own);

  const tap = inNetns(name, () => openTap('t5', { persistent: true }));
  t.match(ip(`-n ${name} link show t5`), /t5/);
  t.notOk(isTapInOwnNetns(tap.fd));
  ip(`-n ${name} link set t5 up`);
  closeFd(tap.fd);
  inNetns(name, () => closeFd(openTap('t5').fd));
  const forwarding = '/proc/sys/net/ipv4/conf/t5/forwarding';
  inNetns(name, () => writeFileSync(forwarding, '1'));
  t.equal(inNetns(name, () => readFileSync(forwarding, 'utf8')).trim(), '1', '/proc/sys/net follows the thread');
  t.throws(() => readFileSync(forwarding), { code: 'ENOENT' });
});
