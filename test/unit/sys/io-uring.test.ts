// Batches of reads and writes through a real ring.

import { closeSync, openSync, readdirSync } from 'node:fs';
import test from 'ava';
import { Arena } from '../../../src/sys/arena.ts';
import { ERRNO } from '../../../src/sys/errno.ts';
import { IO_URING_SIZE, IoUring, RUN_OPS_MAX } from '../../../src/sys/io-uring.ts';
import { SocketPair } from '../../support/socket-pair.ts';

const SLOT = 64;
const arena = new Arena(IO_URING_SIZE + RUN_OPS_MAX * SLOT + 4096);
const ring = new IoUring(arena, 8);
const slots = arena.alloc(RUN_OPS_MAX * SLOT);
const iovecs = arena.alloc(32);
const slot = (k: number) => arena.address + slots + k * SLOT;

test.after.always(() => ring.close());

test.serial('as many writes as a run takes go out in order, and come back in one run of reads', (t) => {
  const pair = new SocketPair();
  // Round the rings several times.
  for (let round = 0; round < 40; round++) {
    for (let k = 0; k < RUN_OPS_MAX; k++) {
      arena.memory.view.setUint32(slots + k * SLOT, round * RUN_OPS_MAX + k);
      ring.queueWrite(pair.fd, slot(k), 4);
    }
    t.is(ring.run(), RUN_OPS_MAX);
    t.true(ring.results.every((n) => n === 4));
    arena.memory.u8.fill(0, slots, slots + RUN_OPS_MAX * SLOT);
    for (let k = 0; k < RUN_OPS_MAX; k++) ring.queueRead(pair.peer, slot(k), 4);
    ring.run();
    t.true(ring.results.every((n) => n === 4));
    for (let k = 0; k < RUN_OPS_MAX; k++) {
      if (arena.memory.view.getUint32(slots + k * SLOT) !== round * RUN_OPS_MAX + k) t.fail(`write ${k} of round ${round}`);
    }
  }
  t.is(ring.run(), 0, 'nothing is queued any more');
  pair.close();
});

test.serial('what would have to wait fails at once, and so does what cannot be done', (t) => {
  const pair = new SocketPair(4096);
  ring.queueRead(pair.fd, slot(0), SLOT);
  ring.queueRead(9999, slot(1), SLOT);
  ring.queueRead(pair.fd, 8, SLOT);
  t.is(ring.run(), 3);
  t.deepEqual([...ring.results.slice(0, 3)], [-ERRNO.EAGAIN, -ERRNO.EBADF, -ERRNO.EAGAIN]);

  for (let k = 0; k < RUN_OPS_MAX; k++) ring.queueWrite(pair.fd, slot(k), SLOT);
  ring.run();
  const taken = ring.results.indexOf(-ERRNO.EAGAIN);
  t.true(taken > 0 && ring.results.slice(taken).every((n) => n === -ERRNO.EAGAIN), 'a full socket takes no more');
  t.is(pair.read().length, taken * SLOT);

  pair.closePeer();
  ring.queueRead(pair.fd, slot(0), SLOT);
  t.is(ring.run(), 1);
  t.is(ring.results[0], 0, 'the end');
  pair.close();
});

test.serial('a write of pieces', (t) => {
  const pair = new SocketPair();
  arena.memory.u8.set(Buffer.from('header, and payload'), slots);
  for (const [k, [at, len]] of [
    [8, 11],
    [0, 6],
  ].entries()) {
    arena.memory.view.setBigUint64(iovecs + k * 16, BigInt(slot(0) + (at as number)), true);
    arena.memory.view.setBigUint64(iovecs + k * 16 + 8, BigInt(len as number), true);
  }
  ring.queueWritev(pair.fd, arena.address + iovecs, 2);
  ring.run();
  t.is(ring.results[0], 17);
  t.is(`${pair.read()}`, 'and payloadheader');
  pair.close();
});

test.serial('it is known of a file whether its reads complete at once', (t) => {
  const pair = new SocketPair();
  pair.send(Buffer.from('kept'));
  t.true(ring.isNowait(pair.fd));
  ring.queueRead(pair.fd, slot(0), SLOT);
  ring.run();
  t.is(ring.results[0], 4, 'nothing was read to find out');
  pair.close();
  const file = openSync('/proc/self/status', 'r');
  t.false(ring.isNowait(file));
  closeSync(file);
});

test.serial('rings are given up whole, a hundred times', (t) => {
  const before = readdirSync('/proc/self/fd').length;
  const room = new Arena(200 * IO_URING_SIZE);
  for (let n = 0; n < 100; n++) {
    const pair = new SocketPair();
    const one = new IoUring(room, 4);
    one.poll(pair.fd, 1, 1);
    one.wait(0);
    one.unpoll(1);
    while (one.polledCount === 0) one.wait(1000);
    one.close();
    pair.close();
  }
  t.is(readdirSync('/proc/self/fd').length, before);
});
