// The accounts of a port and what they say when they do not add up.

import test from 'ava';
import { Counters } from '../../../src/relay/counters.ts';
import { DROP } from '../../../src/relay/drop-reason.ts';
import { PORT_NO_MAX } from '../../../src/relay/limits.ts';

function drop(counters: Counters, port: number, reason: number, len = 60): void {
  counters.drop(port, reason, 0x0200, 1, 0x0200, 2, 0x0800, len, 5);
}

test('sums that hold', (t) => {
  const counters = new Counters();
  counters.rxFrames[3] = 4;
  counters.relayed[3] = 2;
  counters.consumed[3] = 1;
  drop(counters, 3, DROP.RUNT);
  t.is(counters.imbalance(3), undefined);
  counters.chosen[3] = 5;
  counters.originated[3] = 1;
  counters.txFrames[3] = 3;
  counters.queued[3] = 2;
  drop(counters, 3, DROP.TX_FULL);
  t.is(counters.imbalance(3), undefined);
  t.is(counters.dropsOf(3, 'ingress'), 1);
  t.is(counters.dropsOf(3, 'egress'), 1);
});

test('sums that do not hold are said in a sentence', (t) => {
  const counters = new Counters();
  counters.rxFrames[3] = 1;
  t.is(counters.imbalance(3), 'port 3 received 1 frames and accounts for 0');
  counters.relayed[3] = 1;
  counters.txFrames[3] = 2;
  t.is(counters.imbalance(3), 'port 3 was given 0 frames and accounts for 2');
});

test('the last drop is kept for each port and reason', (t) => {
  const counters = new Counters();
  drop(counters, PORT_NO_MAX, DROP.RUNT, 9);
  drop(counters, PORT_NO_MAX, DROP.UNSEGMENTABLE, 70);
  drop(counters, PORT_NO_MAX, DROP.RUNT, 10);
  t.is(counters.lastDrop(PORT_NO_MAX, DROP.RUNT)?.len, 10);
  t.deepEqual(counters.lastDrop(PORT_NO_MAX, DROP.UNSEGMENTABLE), {
    dstHi: 0x0200,
    dstLo: 1,
    srcHi: 0x0200,
    srcLo: 2,
    etherType: 0x0800,
    len: 70,
    atMs: 5,
  });
  t.is(counters.lastDrop(PORT_NO_MAX, DROP.TOO_BIG), undefined);
  t.is(counters.lastDrop(PORT_NO_MAX - 1, DROP.RUNT), undefined);
});

test('clearing a port clears nothing else', (t) => {
  const counters = new Counters();
  for (const port of [4, 5, 6]) {
    counters.rxFrames[port] = 1;
    drop(counters, port, DROP.RUNT);
    drop(counters, port, DROP.UNSEGMENTABLE);
  }
  counters.clear(5);
  t.is(counters.rxFrames[5], 0);
  t.is(counters.dropsOf(5, 'ingress') + counters.dropsOf(5, 'egress'), 0);
  t.is(counters.lastDrop(5, DROP.RUNT), undefined);
  for (const port of [4, 6]) {
    t.is(counters.rxFrames[port], 1);
    t.is(counters.dropsOf(port, 'ingress') + counters.dropsOf(port, 'egress'), 2);
    t.is(counters.lastDrop(port, DROP.UNSEGMENTABLE)?.len, 60);
  }
});

test('a saved state is a copy', (t) => {
  const counters = new Counters();
  drop(counters, 1, DROP.RUNT);
  counters.txBytes[2] = 2 ** 52 + 1;
  const saved = counters.save();
  drop(counters, 1, DROP.RUNT, 99);
  const restored = new Counters();
  restored.restore(saved);
  t.is(restored.dropsOf(1, 'ingress'), 1);
  t.is(restored.lastDrop(1, DROP.RUNT)?.len, 60);
  t.is(restored.txBytes[2], 2 ** 52 + 1);
});
