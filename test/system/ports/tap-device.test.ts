// The device of a tap port against the real kernel, with ip(8) as the other party.

import '../../support/sandbox.ts';
import { spawn } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import t from 'tap';
import { Arena } from '../../../src/sys/arena.ts';
import { ERRNO } from '../../../src/sys/errno.ts';
import { isOpenFd } from '../../../src/sys/fd.ts';
import { read, write } from '../../../src/sys/io.ts';
import { NEED } from '../../../src/wire/offload-facts.ts';
import { DeviceProbe, logged } from '../../support/device-probe.ts';
import { addNetns, ip, until } from '../../support/netns.ts';

/** Descriptors of this process, to see that none is left open. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return !/eventpoll|eventfd|pipe/.test(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false;
    }
  });
}

t.test('a tap that is missing is made, is up at once, and goes with the port', async (t) => {
  const before = descriptors().length;
  const probe = new DeviceProbe('tap:t0,mtu=9000').open();
  const { attachment } = probe.status;
  t.match(probe.status, { up: true, mtu: 9000, reason: undefined });
  t.equal(attachment?.io, 'tap');
  const segmentation = NEED.CSUM | NEED.TSO4 | NEED.TSO6;
  t.equal((attachment?.caps ?? 0) & segmentation, segmentation);
  t.match(ip('-d link show t0'), /UP,LOWER_UP.*mtu 9000.*persist on/s);
  t.match(ip('link show t0'), new RegExp(`link/ether ${probe.status.mac}`));

  const arena = new Arena(65_536);
  const n = await until('a frame of the interface itself', () => {
    const got = read(attachment?.fd ?? -1, arena.address, 65_536);
    return got > 0 && got;
  });
  t.ok(n > 12 + 14);
  t.equal(probe.told.length, 1, 'what open did itself is no change');
  probe.close();
  t.throws(() => ip('link show t0'), /does not exist/);
  t.notOk(isOpenFd(attachment?.fd ?? -1));
  t.equal(descriptors().length, before);
});

t.test('a tap that exists is left as it was found', async (t) => {
  ip('tuntap add t1 mode tap');
  ip('link set t1 mtu 1400');
  const probe = new DeviceProbe('tap:t1,mtu=1300,address=192.0.2.1/24,mac=52:54:00:00:00:07').open();
  t.match(probe.status, { up: false, mtu: 1300, mac: '52:54:00:00:00:07', reason: 'the interface is down' });
  t.match(ip('addr show t1'), /inet 192\.0\.2\.1\/24/);
  probe.close();
  t.match(ip('-d link show t1'), /mtu 1400.*persist on/s);
  t.notMatch(ip('addr show t1'), /52:54:00:00:00:07|192\.0\.2\.1/);

  ip('addr add 192.0.2.2/24 dev t1');
  const again = new DeviceProbe('tap:t1,mtu=1300,address=192.0.2.2/24').open();
  ip('link set t1 mtu 1280');
  await again.until('the MTU', (status) => status.mtu === 1280);
  again.close();
  t.match(ip('addr show t1'), /mtu 1280.*192\.0\.2\.2/s, 'what somebody else set is not touched');
  ip('link del t1');
});

t.test('the host port gets its address and MAC, and is brought up even if it existed', async (t) => {
  ip('tuntap add t2 mode tap');
  const probe = new DeviceProbe('tap:t2,mac=52:54:00:00:00:08,address=2001:db8::1/64', { role: 'host' }).open();
  t.match(probe.status, { up: true, mac: '52:54:00:00:00:08' });
  t.match(ip('addr show t2'), /UP,LOWER_UP.*52:54:00:00:00:08.*2001:db8::1\/64/s);
  probe.close();
  t.notMatch(ip('addr show t2'), /[<,]UP|2001:db8|52:54:00:00:00:08/);
  ip('link del t2');
});

t.test('the carrier follows the interface, and each change is told once', async (t) => {
  const probe = new DeviceProbe('tap:t3').open();
  const { attachment } = probe.status;
  ip('link set t3 down');
  await probe.until('down', ({ up }) => !up);
  t.equal(probe.status.reason, 'the interface is down');
  const arena = new Arena(4096);
  t.equal(write(attachment?.fd ?? -1, arena.address, 12 + 60), -ERRNO.EIO, 'what the status says is so');
  ip('link set t3 up');
  await probe.until('up', ({ up }) => up);
  ip('link set t3 carrier off');
  await probe.until('down', ({ up }) => !up);
  t.equal(probe.status.reason, 'no carrier');
  ip('link set t3 carrier on');
  await probe.until('up', ({ up }) => up);
  ip('link set t3 mtu 1400');
  await probe.until('the MTU', ({ mtu }) => mtu === 1400);
  ip('link set t3 txqueuelen 77');
  ip('link set t3 address 52:54:00:00:00:09');
  await probe.until('the MAC', ({ mac }) => mac === '52:54:00:00:00:09');
  t.same(
    probe.told.map(({ up, mtu }) => [up, mtu]),
    [
      [true, 1500],
      [false, 1500],
      [true, 1500],
      [false, 1500],
      [true, 1500],
      [true, 1400],
      [true, 1400],
    ],
  );
  t.ok(probe.told.every((status) => status.attachment === attachment));
  probe.close();
});

t.test('a deleted tap takes the port down, and the next of its name brings it back', async (t) => {
  const probe = new DeviceProbe('tap:t4').open();
  const first = probe.status.attachment;
  ip('link del t4');
  await probe.until('down', ({ up, attachment }) => !up && attachment === undefined);
  t.equal(probe.status.reason, 'the interface was deleted');
  ip('tuntap add t4 mode tap');
  await probe.until('a new attachment', ({ attachment }) => attachment !== undefined);
  t.not(probe.status.attachment, first);
  t.match(probe.status, { up: false, reason: 'the interface is down' }, 'the new one is not ours to bring up');
  ip('link set t4 up');
  await probe.until('up', ({ up }) => up);
  probe.close();
  t.match(ip('link show t4'), /t4/, 'nor ours to delete');
  ip('link del t4');
});

t.test('the worker may be the first to see that a tap is gone', async (t) => {
  const probe = new DeviceProbe('tap:t5').open();
  const { attachment } = probe.status;
  if (attachment === undefined) throw new Error('no attachment');
  ip('link del t5');
  probe.device.failed(attachment, 'gone');
  t.match(probe.status, { up: false, attachment: undefined, reason: 'the interface was deleted' });
  probe.device.failed(attachment, 'gone');
  t.equal(probe.told.length, 2);
  probe.close();
});

t.test('a tap that lives, but failed for the worker, is offered again', async (t) => {
  const probe = new DeviceProbe('tap:t5').open();
  const { attachment } = probe.status;
  if (attachment === undefined) throw new Error('no attachment');
  probe.device.failed(attachment, 'gone');
  t.match(probe.status, { up: false, attachment: undefined, reason: 'the tap failed' });
  await probe.until('up', ({ up }) => up);
  t.not(probe.status.attachment, attachment);
  probe.close();
  t.throws(() => ip('link show t5'), /does not exist/);
});

t.test('a renamed tap is still the port', async (t) => {
  const probe = new DeviceProbe('tap:t6').open();
  ip('link set t6 down');
  await probe.until('down', ({ up }) => !up);
  ip('link set t6 name t6x');
  ip('link set t6x up');
  await probe.until('up', ({ up }) => up);
  t.ok(probe.told.every(({ attachment }) => attachment === probe.status.attachment));
  probe.close();
  t.throws(() => ip('link show t6x'), /does not exist/);
});

t.test('a tap that is moved to another namespace, and back, is followed', async (t) => {
  const guests = addNetns('guests');
  const probe = new DeviceProbe('tap:t7').open();
  const { attachment } = probe.status;
  ip(`link set t7 netns ${guests}`);
  await probe.until('down', ({ up }) => !up);
  t.equal(probe.status.attachment, attachment, 'moving took it down, it is not deleted');
  ip(`-n ${guests} link set t7 name eth0 mtu 1400 up`);
  await probe.until('up there', ({ up, mtu }) => up && mtu === 1400);
  ip(`-n ${guests} link set eth0 down`);
  await probe.until('down there', ({ up }) => !up);
  ip(`-n ${guests} link set eth0 netns 1`);
  ip('link set eth0 up');
  await probe.until('up here', ({ up }) => up);
  ip('link set eth0 down');
  await probe.until('down here', ({ up }) => !up);

  ip(`link set eth0 netns ${guests}`);
  await probe.until('down', ({ up }) => !up);
  ip(`-n ${guests} link del eth0`);
  await probe.until('gone', (status) => status.attachment === undefined);
  t.equal(probe.status.reason, 'the interface was deleted');
  probe.close();
});

t.test('a tap of ours goes from whatever namespace it is in', async (t) => {
  const guests = addNetns('guests');
  const probe = new DeviceProbe('tap:t8').open();
  ip(`link set t8 netns ${guests}`);
  probe.close();
  t.throws(() => ip('link show t8'), /does not exist/);
  t.throws(() => ip(`-n ${guests} link show t8`), /does not exist/);
});

t.test('a tap is opened inside its namespace; a namespace made anew is found', async (t) => {
  const guests = addNetns('guests');
  const probe = new DeviceProbe(`tap:t9,netns=${guests}`).open();
  t.ok(probe.status.up);
  t.throws(() => ip('link show t9'), /does not exist/);
  ip(`-n ${guests} link set t9 down`);
  await probe.until('down', ({ up }) => !up);
  ip(`-n ${guests} link set t9 up`);
  await probe.until('up', ({ up }) => up);

  ip(`netns del ${guests}`);
  await probe.until('lost', ({ attachment }) => attachment === undefined);
  t.equal(probe.status.reason, `the network namespace ${guests} was deleted`);
  ip(`netns add ${guests}`);
  ip(`-n ${guests} tuntap add t9 mode tap`);
  ip(`-n ${guests} link set t9 up`);
  await probe.until('up in the new one', ({ up }) => up);
  probe.close();
  t.match(ip(`-n ${guests} link show t9`), /t9/);
});

t.test('what cannot be opened is refused with a sentence, and nothing stays behind', async (t) => {
  const before = descriptors().length;
  const probe = new DeviceProbe('tap:ta').open();
  t.throws(() => new DeviceProbe('tap:ta').open(), {
    name: 'DeviceError',
    message:
      "cannot open tap ta: this switch itself, as another port, holds it; stop that first, or use the tap's other side with the port kind netdev",
  });
  t.ok(probe.status.up);
  t.match(ip('link show ta'), /UP/);
  probe.close();
  t.throws(() => new DeviceProbe('tap:ta,netns=absent').open(), {
    name: 'DeviceError',
    message: 'there is no network namespace absent: make it with `ip netns add absent`',
  });
  t.throws(() => new DeviceProbe('tap:lo').open(), { name: 'DeviceError', message: /exists and is no tap/ });
  ip('link add dummy0 type veth peer name dummy1');
  t.throws(() => new DeviceProbe('tap:dummy0').open(), { name: 'DeviceError', message: /exists and is no tap/ });
  // Half way: the tap is made and has its MTU when the address is refused.
  t.throws(() => new DeviceProbe('tap:tb,mtu=1200', { address: '192.0.2.1/99' }).open(), { name: 'DeviceError' });
  t.throws(() => ip('link show tb'), /does not exist/);
  ip('tuntap add tb mode tap');
  t.throws(() => new DeviceProbe('tap:tb,mtu=1200', { address: '192.0.2.1/99' }).open(), { name: 'DeviceError' });
  t.match(ip('link show tb'), /mtu 1500/);
  t.equal(descriptors().length, before);
});

t.test('a switch that holds the tap is called by its name', async (t) => {
  const modules = new URL('../../../src/', import.meta.url).href;
  const script = [
    `const { openTap } = await import('${modules}sys/tap-device.js');`,
    `const { tryLockFile } = await import('${modules}sys/file-lock.js');`,
    "const { openSync } = await import('node:fs');",
    "tryLockFile(openSync('/run/br7.lock', 'w'));",
    "openTap('tc');",
    "console.log('open');",
    'setInterval(() => {}, 1000);',
  ].join('\n');
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  await until('the other switch', () => output.includes('open'));
  t.throws(() => new DeviceProbe('tap:tc').open(), { message: new RegExp(`: switch br7 \\(pid ${child.pid}\\) holds it; stop`) });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  new DeviceProbe('tap:tc').open().close();
});

t.test('no device had anything to complain of', async (t) => {
  t.same(logged, ['warn: port t5: tap t5 failed (gone), trying again']);
});
