// epoll, eventfd, descriptors and the event loop's watch, against the real kernel.

import '../../support/sandbox.ts';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { Arena } from '../../../src/sys/arena.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, Epoll } from '../../../src/sys/epoll.ts';
import { ERRNO } from '../../../src/sys/errno.ts';
import { clearEventFd, createEventFd, signalEventFd } from '../../../src/sys/event-fd.ts';
import {
  closeFd,
  duplicateFd,
  isOpenFd,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  openFd,
  setInheritable,
  setNonBlocking,
} from '../../../src/sys/fd.ts';
import { read } from '../../../src/sys/io.ts';
import { AF_INET, isSocket, openSocket, SOCK_DGRAM, setReceiveBufferSize, socketType } from '../../../src/sys/socket.ts';
import { SysError } from '../../../src/sys/sys-error.ts';
import { watchReadable } from '../../../src/sys/watch.ts';
import { run, until } from '../../support/netns.ts';

t.test('an eventfd is readable from signal to clear, however often it was signalled', async (t) => {
  const arena = new Arena(65_536);
  const epoll = new Epoll(arena);
  const fd = createEventFd();
  t.equal(epoll.add(fd, 0xfffffff0, EPOLLIN), 0);
  t.equal(epoll.wait(0), 0);
  signalEventFd(fd);
  signalEventFd(fd);
  for (let turn = 0; turn < 2; turn++) {
    t.equal(epoll.wait(1000), 1, 'level-triggered: reported until it is cleared');
    t.equal(epoll.tag(0), 0xfffffff0);
    t.equal(epoll.events(0), EPOLLIN);
  }
  t.equal(clearEventFd(fd), true);
  t.equal(clearEventFd(fd), false);
  t.equal(epoll.wait(0), 0);
  t.throws(() => epoll.tag(0), /out of range/);
  t.equal(epoll.modify(fd, 7, EPOLLOUT), 0);
  t.equal(epoll.wait(1000), 1);
  t.equal(epoll.tag(0), 7);
  t.equal(epoll.remove(fd), 0);
  t.equal(epoll.wait(0), 0);
  t.equal(epoll.remove(fd), -ERRNO.ENOENT);
  epoll.close();
  closeFd(fd);
  t.throws(() => closeFd(fd), /closed twice/);
});

t.test('a wait reports no more events than it has room for, and the rest later', async (t) => {
  const epoll = new Epoll(new Arena(65_536), 2);
  const fds = [0, 1, 2].map((tag) => {
    const fd = createEventFd();
    epoll.add(fd, tag, EPOLLIN);
    signalEventFd(fd);
    return fd;
  });
  const seen = new Set<number>();
  for (let turn = 0; turn < 2; turn++) {
    t.equal(epoll.wait(1000), 2);
    seen.add(epoll.tag(0)).add(epoll.tag(1));
  }
  t.same([...seen].sort(), [0, 1, 2]);
  epoll.close();
  fds.forEach(closeFd);
});

t.test('an eventfd wakes another thread by its number', async (t) => {
  const fd = createEventFd();
  const eventFd = new URL('../../../src/sys/event-fd.js', import.meta.url).href;
  const source = `import('${eventFd}').then((m) => m.signalEventFd(${fd}))`;
  const epoll = new Epoll(new Arena(65_536));
  epoll.add(fd, 1, EPOLLIN);
  const worker = new Worker(source, { eval: true });
  await until('the signal', () => epoll.wait(0) === 1);
  t.equal(epoll.tag(0), 1);
  await worker.terminate();
  epoll.close();
  closeFd(fd);
});

t.test('a pipe whose other end closes hangs up; one whose reader has gone errs', async (t) => {
  run('mkfifo', '/run/fifo');
  const epoll = new Epoll(new Arena(65_536));
  const reader = openFd('/run/fifo', O_RDONLY | O_NONBLOCK);
  const writer = openSync('/run/fifo', 'w');
  epoll.add(reader, 1, EPOLLIN);
  epoll.add(writer, 2, EPOLLOUT);
  t.equal(epoll.wait(0), 1, 'only the writer has something to do');
  epoll.remove(writer);
  closeSync(writer);
  t.equal(epoll.wait(1000), 1);
  t.equal(epoll.events(0) & EPOLLHUP, EPOLLHUP);
  const again = openSync('/run/fifo', 'w');
  epoll.add(again, 3, EPOLLOUT);
  epoll.remove(reader);
  closeFd(reader);
  t.equal(epoll.wait(1000), 1);
  t.equal(epoll.tag(0), 3);
  t.equal(epoll.events(0) & EPOLLERR, EPOLLERR);
  epoll.close();
  closeSync(again);
});

t.test('descriptors: flags, duplicates, errors as sentences', async (t) => {
  t.throws(() => openFd('/nowhere/file', O_RDONLY), {
    message: 'cannot open /nowhere/file: no such file or directory (ENOENT)',
    code: 'ENOENT',
    errno: ERRNO.ENOENT,
    name: 'SysError',
  });
  const arena = new Arena(4096);
  run('mkfifo', '/run/fifo2');
  const fd = openFd('/run/fifo2', O_RDWR);
  setNonBlocking(fd);
  t.equal(read(fd, arena.address, 1), -ERRNO.EAGAIN);
  const copy = duplicateFd(fd);
  t.not(copy, fd);
  t.match(run('sh', '-c', `ls /proc/${process.pid}/fd`), new RegExp(`\\b${copy}\\b`));
  closeFd(fd);
  t.notOk(isOpenFd(fd));
  t.ok(isOpenFd(copy));
  t.match(run('cat', `/proc/${process.pid}/fdinfo/${copy}`), /flags:\t02\d+/, 'closed on exec');
  setInheritable(copy, true);
  t.match(run('cat', `/proc/${process.pid}/fdinfo/${copy}`), /flags:\t0[01]\d+/);
  t.notOk(isSocket(copy));
  closeFd(copy);
  const socket = openSocket(AF_INET, SOCK_DGRAM, 0, 'a socket');
  t.ok(isSocket(socket));
  t.equal(socketType(socket), SOCK_DGRAM);
  t.ok(setReceiveBufferSize(socket, 32 << 20) >= 32 << 20, 'root is not held to rmem_max');
  closeFd(socket);
});

t.test('the event loop reports a readable descriptor until the watch is stopped', async (t) => {
  const fd = createEventFd();
  let calls = 0;
  const stop = watchReadable(fd, () => {
    calls++;
    clearEventFd(fd);
  });
  globalThis.gc?.();
  for (let n = 1; n <= 3; n++) {
    signalEventFd(fd);
    await until(`call ${n}`, () => calls === n);
  }
  stop();
  stop();
  signalEventFd(fd);
  const other = createEventFd();
  let otherCalls = 0;
  const stopOther = watchReadable(other, () => {
    otherCalls++;
    clearEventFd(other);
  });
  signalEventFd(other);
  await until('the other watch', () => otherCalls === 1);
  t.equal(calls, 3);
  stopOther();
  closeFd(other);
  closeFd(fd);
  t.throws(() => watchReadable(fd, () => {}), SysError);
  const twice = createEventFd();
  const stopTwice = watchReadable(twice, () => {});
  t.throws(() => watchReadable(twice, () => {}), /watched already/);
  stopTwice();
  closeFd(twice);
  const file = openFd('/proc/self/status', O_RDONLY);
  t.throws(() => watchReadable(file, () => {}), SysError);
  closeFd(file);
});

t.test('a watch survives its own callback stopping it', async (t) => {
  const fd = createEventFd();
  let calls = 0;
  const stop = watchReadable(fd, () => {
    calls++;
    stop();
  });
  signalEventFd(fd);
  await until('the call', () => calls === 1);
  closeFd(fd);
  t.equal(calls, 1);
});

t.test('a watch’s callback may use promises, and what it throws ends the process as anywhere else', async (t) => {
  const script = '/run/tmp/throws.mjs';
  const module = (name: string) => new URL(`../../../src/sys/${name}.js`, import.meta.url).href;
  writeFileSync(
    script,
    `import { clearEventFd, createEventFd, signalEventFd } from '${module('event-fd')}';
    import { watchReadable } from '${module('watch')}';
    const fd = createEventFd();
    let calls = 0;
    process.on('uncaughtException', (error) => {
      console.log(error.message);
      if (calls < 3) signalEventFd(fd); else clearInterval(alive);
    });
    watchReadable(fd, () => {
      clearEventFd(fd);
      calls++;
      Promise.resolve().then(() => console.log('promise ' + calls));
      throw new Error('thrown ' + calls);
    });
    signalEventFd(fd);
    const alive = setInterval(() => {}, 100_000);`,
  );
  t.same(run(process.execPath, script).trim().split('\n').sort(), [
    ...['promise 1', 'promise 2', 'promise 3'],
    ...['thrown 1', 'thrown 2', 'thrown 3'],
  ]);
});
