// Unix sockets by path: who may listen, what is left behind, who is at the other end.

import '../../support/sandbox.ts';
import { spawn } from 'node:child_process';
import { existsSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import t from 'tap';
import { Arena } from '../../../src/sys/arena.ts';
import { ERRNO } from '../../../src/sys/errno.ts';
import { closeFd } from '../../../src/sys/fd.ts';
import { read, write } from '../../../src/sys/io.ts';
import { setSendBufferSize } from '../../../src/sys/socket.ts';
import { acceptUnix, closeUnixListener, connectUnix, listenUnix, peerCredentials } from '../../../src/sys/unix-socket.ts';
import { until } from '../../support/netns.ts';

const arena = new Arena(1 << 20);

t.test('a connection is accepted, carries octets both ways, and ends', async (t) => {
  const listener = listenUnix('/run/a.sock');
  t.equal(statSync('/run/a.sock').mode & 0o777, 0o660);
  t.equal(acceptUnix(listener.fd), -ERRNO.EAGAIN);
  const near = connectUnix('/run/a.sock');
  t.ok(near >= 0);
  const far = acceptUnix(listener.fd);
  t.ok(far >= 0);
  t.same(peerCredentials(far), { pid: process.pid, uid: 0, gid: 0 });
  t.equal(peerCredentials(listener.fd)?.pid, process.pid);
  t.equal(read(far, arena.address, 10), -ERRNO.EAGAIN);
  arena.memory.u8.set([1, 2, 3]);
  t.equal(write(near, arena.address, 3), 3);
  t.equal(read(far, arena.address + 100, 10), 3);
  t.same([...arena.memory.u8.slice(100, 103)], [1, 2, 3]);
  t.ok(setSendBufferSize(near, 4 << 20) >= 4 << 20);
  closeFd(near);
  t.equal(read(far, arena.address, 10), 0);
  closeFd(far);
  closeUnixListener(listener);
  t.notOk(existsSync('/run/a.sock'));
  t.equal(connectUnix('/run/a.sock'), -ERRNO.ENOENT);
});

t.test('Node’s own sockets connect, and see the permissions asked for', async (t) => {
  const listener = listenUnix('/run/b.sock', 0o600);
  t.equal(statSync('/run/b.sock').mode & 0o777, 0o600);
  const client = connect('/run/b.sock');
  const fd = await until('the connection', () => {
    const accepted = acceptUnix(listener.fd);
    return accepted >= 0 && accepted;
  });
  let got = '';
  client.on('data', (data) => (got += data));
  arena.memory.u8.set(Buffer.from('weft'));
  write(fd, arena.address, 4);
  await until('the octets', () => got === 'weft');
  t.equal(got, 'weft');
  client.destroy();
  closeFd(fd);
  closeUnixListener(listener);
});

t.test('a path nobody answers on is taken over, one in use is not', async (t) => {
  const script = '/run/tmp/listener.mjs';
  const module = new URL('../../../src/sys/unix-socket.js', import.meta.url).href;
  writeFileSync(
    script,
    `import { listenUnix } from '${module}'; listenUnix('/run/c.sock'); console.log('up'); setInterval(() => {}, 1000);`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  await until('the other listener', () => output.includes('up'));
  t.throws(() => listenUnix('/run/c.sock'), {
    code: 'EADDRINUSE',
    message: new RegExp(`^cannot listen at /run/c.sock: node \\(pid ${child.pid}\\) listens there already; stop it`),
  });
  child.kill('SIGKILL');
  await until('its end', () => child.signalCode !== null);
  t.ok(existsSync('/run/c.sock'));
  t.equal(connectUnix('/run/c.sock'), -ERRNO.ECONNREFUSED);
  const listener = listenUnix('/run/c.sock');
  const connection = connectUnix('/run/c.sock');
  t.ok(connection >= 0);
  closeFd(connection);
  closeUnixListener(listener);
});

t.test('what is no socket is left alone, and so is another’s', async (t) => {
  writeFileSync('/run/file', 'precious');
  t.throws(() => listenUnix('/run/file'), { code: 'EADDRINUSE', message: /it exists and is no socket; remove it/ });
  symlinkSync('/run/file', '/run/link');
  t.throws(() => listenUnix('/run/link'), { code: 'EADDRINUSE', message: /is no socket/ });
  t.ok(existsSync('/run/file'));
  t.throws(() => listenUnix('/run/none/d.sock'), { code: 'ENOENT', message: /there is no directory \/run\/none; make it first/ });
  for (const path of ['', `/run/${'x'.repeat(103)}`, 'a\0b']) {
    t.throws(() => listenUnix(path), { code: 'EINVAL', message: /cannot be a socket's path: 1 to 107 octets/ });
    t.throws(() => connectUnix(path), { code: 'EINVAL' });
  }
  const longest = listenUnix(`/run/${'x'.repeat(102)}`);
  closeUnixListener(longest);
  t.notOk(existsSync(longest.path));

  const first = listenUnix('/run/e.sock');
  closeFd(first.fd);
  const second = listenUnix('/run/e.sock');
  const third = { ...first, fd: acceptUnix(second.fd) };
  t.equal(third.fd, -ERRNO.EAGAIN);
  t.not(second.inode, first.inode);
  const probe = connectUnix('/run/e.sock');
  closeUnixListener({ ...first, fd: probe });
  t.ok(existsSync('/run/e.sock'), 'the path is the second listener’s now');
  closeUnixListener(second);
});

t.test('a listener that is behind with accepting is still one', async (t) => {
  const listener = listenUnix('/run/f.sock');
  const connections: number[] = [];
  let result = 0;
  while (result >= 0 && connections.length < 100) {
    result = connectUnix('/run/f.sock');
    if (result >= 0) connections.push(result);
  }
  t.equal(result, -ERRNO.EAGAIN);
  t.throws(() => listenUnix('/run/f.sock'), { code: 'EADDRINUSE', message: /listens there already/ });
  connections.forEach(closeFd);
  closeUnixListener(listener);
});
