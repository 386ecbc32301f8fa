// Both back ends wait alike: the same steps over epoll and over a ring.

import test from 'ava';
import { BACKEND_SIZE, type Backend, closeBackend, openBackend } from '../../../src/loop/backend.ts';
import { Arena } from '../../../src/sys/arena.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from '../../../src/sys/epoll.ts';
import { ERRNO } from '../../../src/sys/errno.ts';
import { clearEventFd, createEventFd, signalEventFd } from '../../../src/sys/event-fd.ts';
import { closeFd } from '../../../src/sys/fd.ts';
import { read } from '../../../src/sys/io.ts';
import { SocketPair } from '../../support/socket-pair.ts';

const WAIT_MS = 10_000;
const scratch = new Arena(4096);

function reported({ readiness }: Backend, timeoutMs: number): Record<number, number> {
  const n = readiness.wait(timeoutMs);
  return Object.fromEntries(Array.from({ length: n }, (_, k) => [readiness.tag(k), readiness.events(k)]));
}

for (const io of ['epoll', 'io_uring'] as const) {
  const open = () => openBackend(io, new Arena(BACKEND_SIZE));

  test(`${io}: what is ready is reported until it is no more`, (t) => {
    const backend = open();
    const { readiness } = backend;
    t.is(readiness.backend, io);
    const [a, b] = [createEventFd(), createEventFd()];
    t.is(readiness.add(a, 0, EPOLLIN), 0);
    t.is(readiness.add(b, 2047, EPOLLIN), 0);
    t.deepEqual(reported(backend, 0), {});
    signalEventFd(a);
    for (let turn = 0; turn < 3; turn++) t.deepEqual(reported(backend, WAIT_MS), { 0: EPOLLIN });
    signalEventFd(b);
    // In the second wait at the latest, because what had come in already is not waited beside.
    reported(backend, WAIT_MS);
    t.deepEqual(reported(backend, WAIT_MS), { 0: EPOLLIN, 2047: EPOLLIN });
    clearEventFd(a);
    reported(backend, WAIT_MS);
    t.deepEqual(reported(backend, WAIT_MS), { 2047: EPOLLIN });
    clearEventFd(b);
    reported(backend, 0);
    t.deepEqual(reported(backend, 0), {});
    t.throws(() => readiness.tag(0), { message: /out of range/ });
    closeBackend(backend);
    closeFd(a);
    closeFd(b);
  });

  test(`${io}: a wait ends in time, and by what comes while it sleeps`, (t) => {
    const backend = open();
    const pair = new SocketPair();
    backend.readiness.add(pair.fd, 1, EPOLLIN);
    const before = performance.now();
    t.deepEqual(reported(backend, 30), {});
    t.true(performance.now() - before >= 29);
    pair.closePeer();
    const events = reported(backend, WAIT_MS)[1] as number;
    t.not(events & EPOLLHUP, 0);
    closeBackend(backend);
    pair.close();
  });

  test(`${io}: what is watched for can be changed, whatever has come in`, (t) => {
    const backend = open();
    const { readiness } = backend;
    const pair = new SocketPair();
    readiness.add(pair.fd, 5, EPOLLIN);
    t.deepEqual(reported(backend, 0), {});
    t.is(readiness.modify(pair.fd, 5, EPOLLIN | EPOLLOUT), 0);
    t.deepEqual(reported(backend, WAIT_MS), { 5: EPOLLOUT });
    // Between the report and the next wait, and then with something to report.
    readiness.modify(pair.fd, 5, EPOLLIN);
    t.deepEqual(reported(backend, 0), {});
    pair.send(Buffer.from('x'));
    readiness.modify(pair.fd, 5, EPOLLOUT);
    t.deepEqual(reported(backend, WAIT_MS), { 5: EPOLLOUT });
    readiness.modify(pair.fd, 5, EPOLLIN);
    t.deepEqual(reported(backend, WAIT_MS), { 5: EPOLLIN });
    closeBackend(backend);
    pair.close();
  });

  test(`${io}: what is watched no more is held no more`, (t) => {
    const backend = open();
    const { readiness } = backend;
    for (let n = 0; n < 200; n++) {
      const pair = new SocketPair();
      t.is(readiness.add(pair.fd, 1, EPOLLIN), 0);
      // Armed and asleep, ready and not reported, or reported.
      if (n % 3 > 0) pair.send(Buffer.from('x'));
      if (n % 3 === 2) t.deepEqual(reported(backend, WAIT_MS), { 1: EPOLLIN });
      else if (n % 3 === 0) reported(backend, 0);
      t.is(readiness.remove(pair.fd), 0);
      t.is(readiness.remove(pair.fd), -ERRNO.ENOENT);
      read(pair.fd, scratch.address, 16);
      closeFd(pair.fd);
      t.true(pair.isAtEnd(), 'the kernel closed it at once');
      pair.closePeer();
      t.deepEqual(reported(backend, 0), {});
    }
    closeBackend(backend);
  });

  test(`${io}: a tag is free for another descriptor at once`, (t) => {
    const backend = open();
    const { readiness } = backend;
    const [a, b] = [createEventFd(), createEventFd()];
    signalEventFd(a);
    readiness.add(a, 3, EPOLLIN);
    t.deepEqual(reported(backend, WAIT_MS), { 3: EPOLLIN });
    readiness.remove(a);
    readiness.add(b, 3, EPOLLIN);
    t.deepEqual(reported(backend, 0), {});
    signalEventFd(b);
    t.deepEqual(reported(backend, WAIT_MS), { 3: EPOLLIN });
    closeBackend(backend);
    closeFd(a);
    closeFd(b);
  });

  test(`${io}: a bad descriptor is refused, a failed one reported`, (t) => {
    const backend = open();
    const { readiness } = backend;
    t.is(readiness.add(9999, 1, EPOLLIN), -ERRNO.EBADF);
    t.deepEqual(reported(backend, 0), {});
    const pair = new SocketPair();
    t.is(readiness.add(pair.fd, 1, 0), 0);
    pair.closePeer();
    const events = reported(backend, WAIT_MS)[1] as number;
    t.not(events & (EPOLLHUP | EPOLLERR), 0);
    closeBackend(backend);
    pair.close();
  });

  test(`${io}: a thousand descriptors, all ready, are all reported`, (t) => {
    const backend = open();
    const fds = Array.from({ length: 1000 }, () => createEventFd());
    for (const [k, fd] of fds.entries()) {
      backend.readiness.add(fd, k, EPOLLIN);
      signalEventFd(fd);
    }
    const seen = new Set<string>();
    for (let n = 0; n < 8; n++) for (const tag of Object.keys(reported(backend, 0))) seen.add(tag);
    t.is(seen.size, 1000);
    closeBackend(backend);
    for (const fd of fds) closeFd(fd);
  });
}
