// Sending over a stream socket: every way a frame can lie in memory, slow readers, peers that go.

import test from 'ava';
import { Prng } from '../../../src/lib/prng.ts';
import { MEMORY_PORT_SIZE, MemoryPort } from '../../../src/ports/memory-port.ts';
import { openPort, PORT_RESOURCES_SIZE, portResources } from '../../../src/ports/open-port.ts';
import { Arena } from '../../../src/sys/arena.ts';
import { VNET_FLAG, VNET_GSO } from '../../../src/wire/virtio-net-hdr.ts';
import { buildFrame, inspectFrame } from '../../support/ip-frame.ts';
import { PortTransfer } from '../../support/port-transfer.ts';
import { ScatterPort } from '../../support/scatter-port.ts';
import { framed, SocketPair, unframed } from '../../support/socket-pair.ts';

const resources = portResources(new Arena(PORT_RESOURCES_SIZE));
const sourceMemory = new Arena(MEMORY_PORT_SIZE).memory;

function frame(len: number, number: number): Buffer {
  const octets = Buffer.alloc(len, number);
  octets.set([0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1, 0x88, 0xb5]);
  octets.writeUInt32BE(number, 14);
  return octets;
}

/** Sequence numbers of the super-segment `number` begin at `number * SEQ_STEP`. */
const SEQ_STEP = 100_000;

/** A TCP super-segment of `payloadLen` octets, and the offload facts beside it. */
function superFrame(payloadLen: number, gsoSize: number, number: number) {
  const payload = new Uint8Array(payloadLen);
  const prng = new Prng(number);
  for (let i = 0; i < payloadLen; i++) payload[i] = prng.next();
  const { octets, l4, csumOffset } = buildFrame({ version: 4, protocol: 'tcp', seq: number * SEQ_STEP, payload });
  const offload = { flags: VNET_FLAG.NEEDS_CSUM, gsoType: VNET_GSO.TCPV4, gsoSize, csumStart: l4, csumOffset };
  return { octets, offload, payload };
}

function bench(sendBufferSize?: number) {
  const pair = new SocketPair(sendBufferSize);
  const port = openPort(1, { io: 'stream', fd: pair.fd, caps: 0 }, resources);
  const source = new MemoryPort(2, { memory: sourceMemory });
  const transfer = new PortTransfer();
  const finish = () => {
    transfer.close(port);
    pair.close();
  };
  return { pair, port, source, transfer, account: transfer.account(port), finish };
}

test('frames leave octet for octet behind their lengths, tags put back', (t) => {
  const { pair, port, source, transfer, account, finish } = bench();
  const frames = [14 + 4, 60, 256, 257, 1514, 40_000].map((len, k) => frame(len, k + 1));
  for (const octets of frames) source.push(octets);
  const offload = { flags: 0, csumStart: 0, csumOffset: 0, strippedTag: { tpid: 0x8100, tci: 0x2064 } };
  source.push(frame(60, 100), offload);
  source.push(frame(1000, 101), offload);
  transfer.turns(source, [port]);
  const tagged = [frame(60, 100), frame(1000, 101)].map((octets) =>
    Buffer.concat([octets.subarray(0, 12), Buffer.from([0x81, 0, 0x20, 0x64]), octets.subarray(12)]),
  );
  t.deepEqual(unframed(pair.read()), [...frames, ...tagged]);
  t.is(account.sent, 8);
  t.is(
    account.sentBytes,
    [...frames, ...tagged].reduce((sum, octets) => sum + octets.length, 0),
  );
  finish();
});

test('frames in several segments of memory that is not private leave whole, and the memory as it was', (t) => {
  const { pair, port, transfer, account, finish } = bench();
  const source = new ScatterPort(3);
  const { octets, offload, payload } = superFrame(5000, 1000, 7);
  const frames = [60, 256, 258, 300, 1514, 40_000].map((len, k) => frame(len, k + 1));
  for (const octets of frames) source.push(octets);
  source.push(octets, offload);
  source.push(frame(900, 8), { flags: 0, csumStart: 0, csumOffset: 0, strippedTag: { tpid: 0x88a8, tci: 0x0fff } });
  transfer.turns(source, [port]);
  const arrived = unframed(pair.read());
  t.deepEqual(arrived.slice(0, 6), frames);
  t.deepEqual(Buffer.concat(arrived.slice(6, 11).map((segment) => inspectFrame(segment).payload)), Buffer.from(payload));
  t.is(arrived[11]?.toString('hex', 12, 18), '88a80fff88b5');
  t.deepEqual(arrived[11]?.subarray(16), frame(900, 8).subarray(12));
  t.is(account.sent, 8);
  finish();
});

test('from stream to stream a batch goes out as it came', (t) => {
  const a = new SocketPair();
  const b = new SocketPair();
  const from = openPort(1, { io: 'stream', fd: a.fd, caps: 0 }, resources);
  const to = openPort(2, { io: 'stream', fd: b.fd, caps: 0 }, resources);
  const transfer = new PortTransfer();
  const stream = framed(...Array.from({ length: 200 }, (_, k) => frame(60 + k, k)));
  let arrived = Buffer.alloc(0);
  for (let at = 0; at < stream.length; at += 7001) {
    a.send(stream.subarray(at, at + 7001));
    transfer.turns(from, [to]);
    arrived = Buffer.concat([arrived, b.read()]);
  }
  t.deepEqual(arrived, stream);
  t.is(transfer.account(to).sent, 200);
  for (const port of [from, to]) transfer.close(port);
  for (const pair of [a, b]) pair.close();
});

test('a super-segment leaves in segments with finished checksums and counts as one frame', (t) => {
  const { pair, port, source, transfer, account, finish } = bench();
  const { octets, offload, payload } = superFrame(20_000, 1448, 7);
  source.push(frame(60, 1));
  source.push(octets, offload);
  source.push(frame(60, 2));
  transfer.turns(source, [port]);
  const frames = unframed(pair.read());
  t.is(frames.length, 2 + Math.ceil(20_000 / 1448));
  t.deepEqual([frames[0], frames.at(-1)], [frame(60, 1), frame(60, 2)]);
  const segments = frames.slice(1, -1).map(inspectFrame);
  t.deepEqual(Buffer.concat(segments.map((segment) => segment.payload)), Buffer.from(payload));
  t.is(account.sent, 3);
  t.is(account.sentBytes, 120 + octets.length);
  finish();
});

test('a frame that cannot be segmented is one drop', (t) => {
  const { pair, port, source, transfer, account, finish } = bench();
  const { octets, offload } = superFrame(60_000, 1, 7);
  source.push(octets, offload);
  source.push(frame(60, 2));
  transfer.turns(source, [port]);
  t.deepEqual(account.drops, { unsegmentable: 1 });
  t.deepEqual(unframed(pair.read()), [frame(60, 2)]);
  finish();
});

test('a slow reader gets whole frames in order; the others are dropped and counted', (t) => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const { pair, port, source, transfer, account, finish } = bench(4096);
    const prng = new Prng(seed);
    const arrived: Buffer[] = [];
    let hasQueued = false;
    for (let number = 1; number <= 600; ) {
      for (let burst = prng.below(40); burst > 0; burst--) {
        const kind = prng.below(12);
        if (kind === 0) {
          const { octets, offload } = superFrame(3000 + prng.below(60_000), 500 + prng.below(1000), number++);
          source.push(octets, offload);
        } else source.push(frame(kind === 1 ? 20_000 : 60 + prng.below(1400), number++));
      }
      transfer.turns(source, [port]);
      hasQueued ||= account.queued > 0;
      t.is(port.wantsWrite, account.queued > 0);
      for (let reads = prng.below(4); reads > 0; reads--) arrived.push(pair.read(prng.below(30_000)));
      if (prng.below(3) > 0) transfer.drain(port);
    }
    for (let rounds = 0; account.queued > 0 || rounds < 2; rounds++) {
      t.true(rounds < 10_000);
      arrived.push(pair.read());
      transfer.drain(port);
    }
    arrived.push(pair.read());
    t.false(port.wantsWrite);
    t.true(hasQueued);
    t.true((account.drops['tx_full'] ?? 0) > 0, 'a bounded queue drops');

    // Every number that arrives is greater than the one before: order is kept, nothing comes twice.
    let last = 0;
    let whole = 0;
    let expectedSeq = 0;
    for (const octets of unframed(Buffer.concat(arrived))) {
      if (octets.readUInt16BE(12) === 0x88b5) {
        const number = octets.readUInt32BE(14);
        t.true(number > last);
        t.deepEqual(octets, frame(octets.length, number));
        last = number;
        whole++;
        continue;
      }
      const { seq, payload } = inspectFrame(octets);
      if (seq % SEQ_STEP === 0) {
        t.true(seq / SEQ_STEP > last);
        last = seq / SEQ_STEP;
        whole++;
      } else t.is(seq, expectedSeq, 'the segments of a frame follow each other');
      expectedSeq = seq + payload.length;
    }
    t.is(whole, account.sent, 'what counts as sent has arrived');
    finish();
  }
});

test('what is queued when the port closes is dropped, and the memory serves the next port', (t) => {
  const { pair, port, source, transfer, account, finish } = bench(4096);
  for (let k = 1; k <= 60; k++) source.push(frame(1000, k));
  transfer.turns(source, [port]);
  const queued = account.queued;
  t.true(queued > 0 && port.wantsWrite);
  finish();
  t.is(account.queued, 0);
  t.is(account.drops['tx_down'], queued);
  t.is(account.given, 60);
  const next = bench();
  next.source.push(frame(60, 1));
  next.transfer.turns(next.source, [next.port]);
  t.deepEqual(unframed(next.pair.read()), [frame(60, 1)]);
  next.finish();
  t.true(pair.fd > 0);
});

test('a peer that has gone closes the port; its frames are dropped as down', (t) => {
  const { pair, port, source, transfer, account, finish } = bench();
  pair.closePeer();
  for (let k = 1; k <= 5; k++) source.push(frame(60, k));
  transfer.turns(source, [port]);
  t.is(port.fault, 'closed');
  t.deepEqual(account.drops, { tx_down: 5 });
  source.push(frame(60, 6));
  transfer.turns(source, [port]);
  t.deepEqual(account.drops, { tx_down: 6 });
  finish();
});

test('a peer that goes while frames are queued closes the port', (t) => {
  const { pair, port, source, transfer, account, finish } = bench(4096);
  for (let k = 1; k <= 60; k++) source.push(frame(1000, k));
  transfer.turns(source, [port]);
  t.true(account.queued > 0);
  pair.closePeer();
  transfer.drain(port);
  t.is(port.fault, 'closed');
  t.false(port.wantsWrite);
  finish();
  t.is(account.queued, 0);
});
