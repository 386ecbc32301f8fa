// Receiving from a stream socket: framing in every way it can be cut, its end, and garbage.

import test from 'ava';
import { Prng } from '../../../src/lib/prng.ts';
import { MemoryPort } from '../../../src/ports/memory-port.ts';
import { openPort, PORT_RESOURCES_SIZE, portResources } from '../../../src/ports/open-port.ts';
import { RECEIVE_FRAMES_MAX } from '../../../src/ports/port.ts';
import { Arena } from '../../../src/sys/arena.ts';
import { PortTransfer } from '../../support/port-transfer.ts';
import { framed, SocketPair } from '../../support/socket-pair.ts';

const resources = portResources(new Arena(PORT_RESOURCES_SIZE));

function frame(len: number, seed: number): Buffer {
  const octets = Buffer.alloc(len);
  const prng = new Prng(seed);
  for (let i = 0; i < len; i++) octets[i] = prng.next();
  octets.set([0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1, 0x88, 0xb5].slice(0, len));
  return octets;
}

/** A stream port, its pair, and a port that takes what it received. */
function bench(sendBufferSize?: number) {
  const pair = new SocketPair(sendBufferSize);
  const port = openPort(1, { io: 'stream', fd: pair.fd, caps: 0 }, resources);
  const sink = new MemoryPort(2, { framesMax: 10_000 });
  const transfer = new PortTransfer();
  const finish = () => {
    transfer.close(port);
    transfer.close(sink);
    pair.close();
  };
  return { pair, port, sink, transfer, finish };
}

test('frames arrive octet for octet however the stream is cut', (t) => {
  for (const cut of [1, 3, 5, 61, 1000, 4096, 65_536]) {
    const { pair, port, sink, transfer, finish } = bench();
    const frames = [60, 14, 64, 1514, 15, 257, 9018, 60, 512].map((len, k) => frame(len, k + 1));
    const stream = framed(...frames);
    for (let at = 0; at < stream.length; at += cut) {
      const piece = stream.subarray(at, at + cut);
      t.is(pair.send(piece), piece.length);
      if (cut < 1000 || at % 3 === 0) transfer.turns(port, [sink]);
    }
    transfer.turns(port, [sink]);
    t.deepEqual(
      sink.take().map((octets) => Buffer.from(octets)),
      frames,
      `cut into ${cut}`,
    );
    t.is(port.fault, undefined);
    finish();
  }
});

test('a chunk with more frames than a turn may have is a backlog, and nothing of it is lost', (t) => {
  const { pair, port, sink, transfer, finish } = bench();
  const frames = Array.from({ length: 1000 }, (_, k) => frame(60 + (k % 7), k + 1));
  t.is(pair.send(framed(...frames)), framed(...frames).length);
  let turns = 0;
  do {
    const n = transfer.turn(port, [sink]);
    t.true(n <= RECEIVE_FRAMES_MAX);
    t.true(n > 0, 'a backlog is not empty');
    turns++;
  } while (port.hasBacklog);
  t.is(turns, Math.ceil(1000 / RECEIVE_FRAMES_MAX));
  t.deepEqual(
    sink.take().map((octets) => Buffer.from(octets)),
    frames,
  );
  finish();
});

test('the longest frame passes, a longer one is oversize, and framing goes on behind it', (t) => {
  const { pair, port, sink, transfer, finish } = bench();
  const frames = [frame(65_557, 1), frame(65_558, 2), frame(69_632, 3), frame(60, 4)];
  const stream = framed(...frames);
  for (let at = 0; at < stream.length; ) {
    at += pair.send(stream.subarray(at));
    transfer.turns(port, [sink]);
  }
  t.deepEqual(
    sink.take().map((octets) => Buffer.from(octets)),
    [frames[0], frames[3]],
  );
  t.deepEqual(transfer.refused, { oversize: 2 });
  finish();
});

test('frames shorter than a header are runts', (t) => {
  const { pair, port, sink, transfer, finish } = bench();
  pair.send(framed(frame(1, 1), frame(13, 2), frame(14, 3)));
  transfer.turns(port, [sink]);
  t.deepEqual(transfer.refused, { runt: 2 });
  t.is(sink.take().length, 1);
  finish();
});

for (const [what, header] of [
  ['a length of 0', [0, 0, 0, 0]],
  ['a length beyond every frame', [0, 1, 0x10, 1]],
  ['text', [...Buffer.from('GET ')]],
] as const) {
  test(`${what} is garbage; the frames before it are good`, (t) => {
    const { pair, port, sink, transfer, finish } = bench();
    pair.send(Buffer.concat([framed(frame(60, 1), frame(70, 2)), Buffer.from(header), framed(frame(60, 3))]));
    transfer.turn(port, [sink]);
    t.is(port.fault, 'garbage');
    t.is(sink.take().length, 2);
    t.is(transfer.turn(port, [sink]), 0, 'nothing more is read');
    finish();
  });
}

test('the end of the stream is reported behind its last frame', (t) => {
  const { pair, port, sink, transfer, finish } = bench();
  const frames = Array.from({ length: 2 * RECEIVE_FRAMES_MAX }, (_, k) => frame(60, k + 1));
  pair.send(framed(...frames));
  pair.closePeer();
  t.is(transfer.turn(port, [sink]), RECEIVE_FRAMES_MAX);
  t.is(port.fault, undefined);
  t.is(transfer.turn(port, [sink]), RECEIVE_FRAMES_MAX);
  t.is(port.fault, undefined);
  t.is(transfer.turn(port, [sink]), 0);
  t.is(port.fault, 'closed');
  t.is(sink.take().length, frames.length);
  t.deepEqual(transfer.refused, {});
  finish();
});

for (const present of [1, 3, 4, 5, 30, 63]) {
  test(`a stream that ends ${present} octets into a frame has a truncated frame`, (t) => {
    const { pair, port, sink, transfer, finish } = bench();
    pair.send(framed(frame(100, 1)));
    pair.send(framed(frame(60, 2)).subarray(0, present));
    pair.closePeer();
    transfer.turns(port, [sink]);
    t.is(port.fault, 'closed');
    t.is(sink.take().length, 1);
    t.deepEqual(transfer.refused, { truncated: 1 });
    finish();
  });
}
