// The device of a stream port: guests that come, go, come twice, or are not there yet.

import '../../support/sandbox.ts';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readlinkSync, renameSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import t from 'tap';
import { Arena } from '../../../src/sys/arena.ts';
import { isOpenFd } from '../../../src/sys/fd.ts';
import { read } from '../../../src/sys/io.ts';
import { closeUnixListener, listenUnix } from '../../../src/sys/unix-socket.ts';
import { DeviceProbe, logged } from '../../support/device-probe.ts';
import { until } from '../../support/netns.ts';

const arena = new Arena(4096);

/** Connects to a socket; `isClosed` tells whether the other side has hung up. */
async function connect(path: string): Promise<{ socket: net.Socket; isClosed: () => boolean }> {
  const socket = net.connect(path);
  let closed = false;
  socket.on('close', () => (closed = true)).on('error', () => (closed = true));
  await until('the connection', () => socket.readyState === 'open' || closed);
  socket.resume();
  return { socket, isClosed: () => closed };
}

function sockets(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
}

t.test('a guest connects, quits and comes back; the socket is there as long as the port', async (t) => {
  const before = sockets();
  const probe = new DeviceProbe('stream:vm1.sock').open();
  t.match(probe.status, {
    up: false,
    attachment: undefined,
    mtu: 65_535,
    mac: undefined,
    reason: 'waiting for a guest to connect',
  });
  t.equal(statSync('/run/vm1.sock').mode & 0o777, 0o660);

  for (let turn = 0; turn < 3; turn++) {
    const { socket } = await connect('/run/vm1.sock');
    const { attachment } = await probe.until('up', ({ up }) => up);
    if (attachment === undefined) throw new Error('no attachment');
    t.match(attachment, { io: 'stream', caps: 0 });
    socket.write('frame');
    t.equal(await until('octets', () => read(attachment.fd, arena.address, 4096) || undefined), 5);
    socket.destroy();
    await until('the end', () => read(attachment.fd, arena.address, 4096) === 0);
    probe.device.failed(attachment, 'closed');
    t.match(probe.status, { up: false, attachment: undefined, reason: 'waiting for a guest to connect' });
    await until('the release', () => !isOpenFd(attachment.fd));
  }
  t.equal(probe.told.length, 1 + 3 * 2);
  probe.close();
  t.notOk(existsSync('/run/vm1.sock'));
  await until('the sockets to be closed', () => sockets() <= before);
});

t.test('a second guest is turned away at once, and the first one stays', async (t) => {
  logged.length = 0;
  const probe = new DeviceProbe('stream:vm2.sock').open();
  const first = await connect('/run/vm2.sock');
  const { attachment } = await probe.until('up', ({ up }) => up);
  const second = await connect('/run/vm2.sock');
  await until('the second one to be closed', second.isClosed);
  t.same(logged, ['warn: port vm2: a second guest was turned away at /run/vm2.sock: another one is connected']);
  t.notOk(first.isClosed());
  t.equal(probe.status.attachment, attachment);
  t.equal(probe.told.length, 2);
  first.socket.destroy();
  probe.close();
});

t.test('a guest that is started anew gets in before the worker has told of its end', async (t) => {
  const probe = new DeviceProbe('stream:vm3.sock').open();
  const first = await connect('/run/vm3.sock');
  const { attachment } = await probe.until('up', ({ up }) => up);
  if (attachment === undefined) throw new Error('no attachment');
  first.socket.destroy();
  await until('the end', () => read(attachment.fd, arena.address, 4096) === 0);
  const second = await connect('/run/vm3.sock');
  await probe.until('the second guest', (status) => status.attachment !== attachment && status.up);
  const now = probe.status.attachment;
  probe.device.failed(attachment, 'closed');
  t.equal(probe.status.attachment, now, 'a late word about the old connection says nothing about the new');
  t.notOk(second.isClosed());
  second.socket.destroy();
  probe.close();
});

t.test('a port that is removed hangs up', async (t) => {
  const probe = new DeviceProbe('stream:vm4.sock').open();
  const guest = await connect('/run/vm4.sock');
  await probe.until('up', ({ up }) => up);
  probe.close();
  await until('the guest to be hung up on', guest.isClosed);
  t.notOk(existsSync('/run/vm4.sock'));
});

t.test('garbage ends the connection, with a word in the log', async (t) => {
  logged.length = 0;
  const probe = new DeviceProbe('stream:vm5.sock').open();
  const guest = await connect('/run/vm5.sock');
  const { attachment } = await probe.until('up', ({ up }) => up);
  if (attachment === undefined) throw new Error('no attachment');
  probe.device.failed(attachment, 'garbage');
  await until('the guest to be hung up on', guest.isClosed);
  t.same(logged, ['warn: port vm5: the guest sent something that is not a frame; its connection is closed']);
  probe.close();
});

t.test('mode and mtu are as asked for; another directory is possible', async (t) => {
  mkdirSync('/run/a,b');
  const probe = new DeviceProbe('stream:/run/a\\,b/x.sock,mode=0600,mtu=1400').open();
  t.equal(statSync('/run/a,b/x.sock').mode & 0o777, 0o600);
  t.equal(probe.status.mtu, 1400);
  probe.close();
});

t.test('a stale socket is taken over; a live one, a file, and what cannot be, are refused', async (t) => {
  const old = listenUnix('/run/old.sock');
  // Moved out of the way, so that closing does not remove it: as after kill -9.
  renameSync('/run/old.sock', '/run/stale.sock');
  closeUnixListener(old);
  t.ok(existsSync('/run/stale.sock'));
  const taken = new DeviceProbe('stream:stale.sock').open();
  await connect('/run/stale.sock');
  await taken.until('up', ({ up }) => up);
  taken.close();

  const script = "require('net').createServer(() => {}).listen('/run/live.sock', () => console.log('listening'))";
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  await until('the other listener', () => output.includes('listening'));
  t.throws(() => new DeviceProbe('stream:live.sock').open(), {
    name: 'DeviceError',
    message: `cannot listen at /run/live.sock: node (pid ${child.pid}) listens there already; stop it, or use another path`,
  });
  child.kill('SIGKILL');
  t.ok(existsSync('/run/live.sock'));

  writeFileSync('/run/file', 'precious');
  t.throws(() => new DeviceProbe('stream:file').open(), { name: 'DeviceError', message: /it exists and is no socket/ });
  t.ok(existsSync('/run/file'));
  t.throws(() => new DeviceProbe('stream:/nowhere/x.sock').open(), { message: /there is no directory \/nowhere; make it first/ });
  t.throws(() => new DeviceProbe(`stream:/run/${'x'.repeat(120)},name=x`).open(), { message: /1 to 107 octets/ });
});

t.test('dialling goes on until somebody listens, and again when they go', async (t) => {
  const before = sockets();
  const probe = new DeviceProbe('stream:qemu.sock,connect').open();
  t.match(probe.status, {
    up: false,
    reason: 'waiting for a guest to listen at /run/qemu.sock: no such file or directory (ENOENT)',
  });
  for (let turn = 0; turn < 2; turn++) {
    const connections: net.Socket[] = [];
    const server = net.createServer((socket) => connections.push(socket.resume()));
    server.listen('/run/qemu.sock');
    const { attachment } = await probe.until('up', ({ up }) => up);
    if (attachment === undefined) throw new Error('no attachment');
    await until('the connection', () => connections.length === 1);
    await new Promise((resolve) => {
      server.close(resolve);
      for (const connection of connections) connection.destroy();
    });
    probe.device.failed(attachment, 'closed');
    t.match(probe.status, { up: false, attachment: undefined, reason: 'waiting for a guest to listen at /run/qemu.sock' });
    await probe.until('dialling', ({ reason }) => reason?.includes('ENOENT') ?? false);
  }
  probe.close();
  t.equal(probe.told.length, 1 + 2 * 3);
  await until('the sockets to be closed', () => sockets() <= before);
});
