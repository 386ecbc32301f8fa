// The device of a dgram port: guests that come, go, come again unnoticed, or are not there yet; and who
// may not be one.

import '../../support/sandbox.ts';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import t from 'tap';
import type { Attachment } from '../../../src/ports/device.ts';
import { Arena } from '../../../src/sys/arena.ts';
import { ERRNO } from '../../../src/sys/errno.ts';
import { isOpenFd } from '../../../src/sys/fd.ts';
import { read, write } from '../../../src/sys/io.ts';
import { DatagramPeer } from '../../support/datagram-peer.ts';
import { DeviceProbe } from '../../support/device-probe.ts';
import { until } from '../../support/netns.ts';

const arena = new Arena(4096);
const FRAME = new Uint8Array(60).fill(7);

function sockets(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
}

async function up(probe: DeviceProbe, before?: Attachment): Promise<Attachment> {
  const { attachment } = await probe.until('up', (status) => status.up && status.attachment !== before);
  if (attachment === undefined) throw new Error('no attachment');
  return attachment;
}

const receive = ({ fd }: Attachment) => read(fd, arena.address, 4096);
const send = ({ fd }: Attachment) => write(fd, arena.address, 60);

t.test('a guest comes, is killed and comes back; the socket is there as long as the port', async (t) => {
  const before = sockets();
  const probe = new DeviceProbe('dgram:vm1.sock:vm1.qemu').open();
  const waiting = 'waiting for a guest at /run/vm1.qemu';
  t.match(probe.status, { up: false, attachment: undefined, mtu: 65_535, mac: undefined });
  t.equal(probe.status.reason, `${waiting}: no such file or directory (ENOENT)`);
  t.equal(statSync('/run/vm1.sock').mode & 0o777, 0o660);

  for (let turn = 0; turn < 3; turn++) {
    if (turn > 0) unlinkSync('/run/vm1.qemu');
    const guest = new DatagramPeer('/run/vm1.qemu', '/run/vm1.sock');
    const attachment = await up(probe);
    t.match(attachment, { io: 'dgram', caps: 0 });
    t.equal(guest.send(FRAME), 60);
    t.equal(receive(attachment), 60);
    t.equal(send(attachment), 60);
    t.equal(guest.receive().length, 1);
    guest.close();
    t.equal(send(attachment), -ERRNO.ECONNREFUSED, 'sending tells that it has gone');
    probe.device.failed(attachment, 'closed');
    t.match(probe.status, { up: false, attachment: undefined, reason: waiting });
    await probe.until('dialling', ({ reason }) => reason === `${waiting}: connection refused (ECONNREFUSED)`);
    await until('the release', () => !isOpenFd(attachment.fd));
  }
  probe.close();
  t.notOk(existsSync('/run/vm1.sock'));
  t.ok(existsSync('/run/vm1.qemu'), 'what weft did not make stays');
  await until('the sockets to be closed', () => sockets() <= before);
});

t.test('a guest that is there already is connected at once, and what strangers sent before is not heard', (t) => {
  const guest = new DatagramPeer('/run/vm2.qemu', '/run/vm2.sock');
  const probe = new DeviceProbe('dgram:vm2.sock:vm2.qemu').open();
  t.match(probe.status, { up: true, reason: undefined });
  guest.close();
  const { attachment } = probe.status;
  if (attachment === undefined) throw new Error('no attachment');
  t.equal(send(attachment), -ERRNO.ECONNREFUSED);
  // Connected to nobody: this is when anybody could.
  const stranger = new DatagramPeer('/run/stranger', '/run/vm2.sock');
  t.equal(stranger.send(FRAME), 60);
  unlinkSync('/run/vm2.qemu');
  const again = new DatagramPeer('/run/vm2.qemu', '/run/vm2.sock');
  probe.device.failed(attachment, 'closed');
  return up(probe).then((now) => {
    t.equal(receive(now), -ERRNO.EAGAIN);
    t.equal(stranger.send(FRAME), -ERRNO.EPERM, 'nor afterwards');
    t.equal(stranger.connect(), -ERRNO.EPERM);
    t.equal(again.send(FRAME), 60);
    t.equal(receive(now), 60);
    probe.close();
    for (const peer of [again, stranger]) peer.close();
  });
});

t.test('a guest that is started anew is heard although nothing was sent to the old one', async (t) => {
  const probe = new DeviceProbe('dgram:vm3.sock:vm3.qemu').open();
  let guest = new DatagramPeer('/run/vm3.qemu', '/run/vm3.sock');
  let attachment = await up(probe);
  for (let turn = 0; turn < 3; turn++) {
    guest.close();
    unlinkSync('/run/vm3.qemu');
    guest = new DatagramPeer('/run/vm3.qemu', '/run/vm3.sock');
    const old = attachment;
    attachment = await up(probe, old);
    t.equal(guest.send(FRAME), 60);
    t.equal(receive(attachment), 60);
    probe.device.failed(old, 'closed');
    t.equal(probe.status.attachment, attachment, 'a late word about the old connection says nothing about the new');
    await until('the release', () => !isOpenFd(old.fd));
  }
  // A path that is removed under a guest does not cut it off.
  const told = probe.told.length;
  unlinkSync('/run/vm3.qemu');
  writeFileSync('/run/elsewhere', '');
  t.equal(guest.send(FRAME), 60);
  t.equal(send(attachment), 60);
  t.equal(probe.told.length, told);
  guest.close();
  probe.close();
});

t.test('two switches on one cable find each other in whatever order they come', async (t) => {
  let a = new DeviceProbe('dgram:a.sock:b.sock,name=a').open();
  const b = new DeviceProbe('dgram:b.sock:a.sock,name=b').open();
  const check = async () => {
    const [near, far] = [await up(a), await up(b)];
    await until('frames both ways', () => {
      const [there, back] = [send(near), send(far)];
      return there === 60 && back === 60 && a.status.attachment === near && b.status.attachment === far;
    });
    t.equal(receive(near), 60);
    t.equal(receive(far), 60);
  };
  await check();
  for (const isSilent of [true, false]) {
    const held = b.status.attachment;
    a.close();
    if (!isSilent && held !== undefined) {
      t.equal(send(held), -ERRNO.ECONNREFUSED);
      b.device.failed(held, 'closed');
    }
    a = new DeviceProbe('dgram:a.sock:b.sock,name=a').open();
    await up(b, held);
    await check();
  }
  a.close();
  b.close();
});

t.test('mode and mtu are as asked for; paths may hold what the notation uses', async (t) => {
  mkdirSync('/run/a,b:c');
  const probe = new DeviceProbe('dgram:/run/a\\,b\\:c/x.sock:/run/a\\,b\\:c/y,mode=0600,mtu=1400').open();
  t.equal(statSync('/run/a,b:c/x.sock').mode & 0o777, 0o600);
  t.equal(probe.status.mtu, 1400);
  const guest = new DatagramPeer('/run/a,b:c/y', '/run/a,b:c/x.sock');
  await up(probe);
  guest.close();
  probe.close();
  t.same(readdirSync('/run/a,b:c'), ['y']);
});

t.test('a stale path is taken over; a live one, a file, and what cannot be, are refused', async (t) => {
  const old = new DeviceProbe('dgram:old.sock:nobody').open();
  // Moved out of the way, so that closing does not remove it: as after kill -9.
  renameSync('/run/old.sock', '/run/stale.sock');
  old.close();
  t.ok(existsSync('/run/stale.sock'));
  const taken = new DeviceProbe('dgram:stale.sock:nobody').open();

  const held = {
    name: 'DeviceError',
    message: `cannot bind /run/stale.sock: node (pid ${process.pid}) has it already; stop it, or use another path`,
  };
  t.throws(() => new DeviceProbe('dgram:stale.sock:somebody').open(), held);
  const guest = new DatagramPeer('/run/nobody', '/run/stale.sock');
  await up(taken);
  t.throws(() => new DeviceProbe('dgram:stale.sock:somebody').open(), held, 'connected to another, too');
  t.ok(existsSync('/run/stale.sock'));
  guest.close();
  taken.close();

  const script = "require('net').createServer(() => {}).listen('/run/live.sock', () => console.log('listening'))";
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  await until('the other listener', () => output.includes('listening'));
  t.throws(() => new DeviceProbe('dgram:live.sock:x').open(), {
    name: 'DeviceError',
    message: `cannot bind /run/live.sock: node (pid ${child.pid}) has it already; stop it, or use another path`,
  });
  child.kill('SIGKILL');
  await until('its end', () => child.signalCode !== null);

  writeFileSync('/run/file', 'precious');
  t.throws(() => new DeviceProbe('dgram:file:x').open(), { name: 'DeviceError', message: /it exists and is no socket/ });
  t.ok(existsSync('/run/file'));
  const before = sockets();
  t.throws(() => new DeviceProbe('dgram:/nowhere/x:y').open(), { message: /there is no directory \/nowhere; make it first/ });
  t.throws(() => new DeviceProbe('dgram:x.sock:/nowhere/y').open(), {
    name: 'DeviceError',
    message: /no directory \/nowhere for the guest's socket; make it first/,
  });
  t.throws(() => new DeviceProbe(`dgram:x.sock:/run/${'x'.repeat(120)}`).open(), { message: /1 to 107 octets/ });
  t.notOk(existsSync('/run/x.sock'), 'a port that was refused leaves nothing');
  t.equal(sockets(), before);
  rmSync('/run/file');
});
