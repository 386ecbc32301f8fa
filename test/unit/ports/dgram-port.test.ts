// Frames over datagram sockets: octet for octet both ways, a receiver that is full, a peer that goes.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { Prng } from '../../../src/lib/prng.ts';
import { MEMORY_PORT_SIZE, MemoryPort } from '../../../src/ports/memory-port.ts';
import { openPort, PORT_RESOURCES_SIZE, portResources } from '../../../src/ports/open-port.ts';
import { Arena } from '../../../src/sys/arena.ts';
import { EPOLLOUT, Epoll } from '../../../src/sys/epoll.ts';
import { setSendBufferSize } from '../../../src/sys/socket.ts';
import { bindUnixDatagram, closeUnixDatagram, connectUnixDatagram } from '../../../src/sys/unix-datagram.ts';
import { VNET_FLAG, VNET_GSO } from '../../../src/wire/virtio-net-hdr.ts';
import { DatagramPeer } from '../../support/datagram-peer.ts';
import { buildFrame, inspectFrame } from '../../support/ip-frame.ts';
import { PortTransfer } from '../../support/port-transfer.ts';
import { ScatterPort } from '../../support/scatter-port.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const resources = portResources(new Arena(PORT_RESOURCES_SIZE));
const sourceMemory = new Arena(MEMORY_PORT_SIZE).memory;
const dir = makeTempDir();
let benches = 0;

/** Datagrams a socket takes that is connected to nobody: net.unix.max_dgram_qlen and one more. */
const PEER_ROOM = 11;

function frame(len: number, number: number): Buffer {
  const octets = Buffer.alloc(len, number);
  octets.set([0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1, 0x88, 0xb5]);
  octets.writeUInt32BE(number, 14);
  return octets;
}

function bench() {
  const n = ++benches;
  const [local, remote] = [path.join(dir, `l${n}`), path.join(dir, `r${n}`)];
  const peer = new DatagramPeer(remote, local);
  const socket = bindUnixDatagram(local);
  setSendBufferSize(socket.fd, 1 << 20);
  connectUnixDatagram(socket.fd, remote);
  const port = openPort(1, { io: 'dgram', fd: socket.fd, caps: 0 }, resources);
  const source = new MemoryPort(2, { memory: sourceMemory });
  const transfer = new PortTransfer();
  const arrived: Buffer[] = [];
  /** Reads and drains until nothing comes any more. */
  const readAll = () => {
    for (let more = peer.receive(); more.length > 0; more = peer.receive()) {
      arrived.push(...more);
      transfer.drain(port);
    }
    return arrived;
  };
  const finish = () => {
    transfer.close(port);
    closeUnixDatagram(socket);
    peer.close();
  };
  return { peer, port, source, transfer, account: transfer.account(port), readAll, finish };
}

test('frames come octet for octet, the longest too, and one that is longer is refused', (t) => {
  const { peer, port, transfer, finish } = bench();
  const sink = new MemoryPort(9);
  const frames = [14, 60, 1514, 9000, 65_557].map((len, k) => (len < 18 ? Buffer.alloc(len, 2) : frame(len, k)));
  for (const octets of frames) t.is(peer.send(octets), octets.length);
  transfer.turns(port, [sink]);
  t.deepEqual(
    sink.take().map((octets) => Buffer.from(octets)),
    frames,
  );
  for (const len of [0, 13, 65_558, 70_000]) t.is(peer.send(Buffer.alloc(len, 2)), len);
  transfer.turns(port, [sink]);
  t.deepEqual(transfer.refused, { runt: 2, oversize: 1, truncated: 1 });
  t.is(port.fault, undefined);
  finish();
});

test('frames leave octet for octet, each a datagram, tags put back, from whatever memory', (t) => {
  for (const scattered of [false, true]) {
    const { port, source, transfer, account, readAll, finish } = bench();
    const from = scattered ? new ScatterPort(3) : source;
    const frames = [60, 256, 257, 1514, 40_000, 65_557].map((len, k) => frame(len, k + 1));
    for (const octets of frames) from.push(octets);
    const offload = { flags: 0, csumStart: 0, csumOffset: 0, strippedTag: { tpid: 0x8100, tci: 0x2064 } };
    from.push(frame(60, 100), offload);
    from.push(frame(1000, 101), offload);
    transfer.turns(from, [port]);
    const tagged = [frame(60, 100), frame(1000, 101)].map((octets) =>
      Buffer.concat([octets.subarray(0, 12), Buffer.from([0x81, 0, 0x20, 0x64]), octets.subarray(12)]),
    );
    t.deepEqual(readAll(), [...frames, ...tagged]);
    t.like(account, { sent: 8, queued: 0, drops: {} });
    finish();
  }
});

test('what a slow receiver has no room for waits, in order; what does not fit is dropped, and all is counted', (t) => {
  const { peer, port, source, transfer, account, readAll, finish } = bench();
  const prng = new Prng(5);
  const sent: Buffer[] = [];
  for (let k = 0; k < 64; k++) sent.push(frame(60 + (prng.next() % 1400), k));
  for (const octets of sent) source.push(octets);
  transfer.turns(source, [port]);
  t.like(account, { sent: PEER_ROOM, queued: 64 - PEER_ROOM, drops: {} });
  t.true(port.wantsWrite);
  transfer.drain(port);
  t.is(account.sent, PEER_ROOM, 'a receiver that does not read');
  t.deepEqual(readAll(), sent);
  t.like(account, { given: 64, sent: 64, queued: 0 });
  t.false(port.wantsWrite);

  for (let round = 0; round < 30; round++) {
    for (let k = 0; k < 64; k++) source.push(frame(1514, 1000 + round * 64 + k));
    transfer.turns(source, [port]);
  }
  const dropped = account.drops['tx_full'] as number;
  t.true(dropped > 0 && account.queued > 0);
  t.is(port.fault, undefined);
  const numbers = readAll()
    .slice(64)
    .map((octets) => octets.readUInt32BE(14));
  t.is(numbers.length, 30 * 64 - dropped);
  t.deepEqual(
    numbers,
    [...numbers].sort((a, b) => a - b),
  );
  t.deepEqual(peer.receive(), []);
  t.is(account.queued, 0);
  finish();
});

test('the port waits for room without being woken, and is woken by a read and by the end of the peer', (t) => {
  const { peer, port, source, transfer, account, finish } = bench();
  const epoll = new Epoll(new Arena(4096), 1);
  for (let k = 0; k < 64; k++) source.push(frame(100, k));
  t.is(epoll.add(port.fd, 1, EPOLLOUT), 0);
  t.is(epoll.wait(0), 1);
  transfer.turns(source, [port]);
  t.is(epoll.wait(0), 0);
  t.is(peer.receive(1).length, 1);
  t.is(epoll.wait(0), 1);
  transfer.drain(port);
  t.is(account.sent, PEER_ROOM + 1);
  t.is(epoll.wait(0), 0);
  peer.close();
  t.is(epoll.wait(0), 1);
  transfer.drain(port);
  t.is(port.fault, 'closed');
  epoll.close();
  finish();
});

test('descriptors that a peer passes along are not taken', (t) => {
  const { peer, port, transfer, finish } = bench();
  const sink = new MemoryPort(9);
  const open = () => readdirSync('/proc/self/fd').length;
  const before = open();
  for (let k = 0; k < 10; k++) t.is(peer.sendDescriptor(frame(60, k), peer.fd), 60);
  transfer.turns(port, [sink]);
  t.is(sink.take().length, 10);
  t.is(open(), before);
  finish();
});

test('super-segments leave in segments with finished checksums, in order, also to a slow receiver, and count as one frame', (t) => {
  const { port, source, transfer, account, readAll, finish } = bench();
  const payloads: Buffer[] = [];
  for (let k = 0; k < 4; k++) {
    const payload = Buffer.alloc(20_000 + k, k + 1);
    const { octets, l4, csumOffset } = buildFrame({ version: 4, protocol: 'tcp', seq: k * 100_000, payload });
    const gso = { gsoType: VNET_GSO.TCPV4, gsoSize: k === 3 ? 200 : 1448 };
    source.push(frame(60, k));
    source.push(octets, { flags: VNET_FLAG.NEEDS_CSUM, ...gso, csumStart: l4, csumOffset });
    payloads.push(payload);
  }
  transfer.turns(source, [port]);
  const arrived = readAll();
  const segments = arrived.filter((octets) => octets.readUInt16BE(12) === 0x0800).map((octets) => inspectFrame(octets));
  t.deepEqual(Buffer.concat(segments.map(({ payload }) => payload)), Buffer.concat(payloads));
  t.is(segments.length, 3 * 14 + 101);
  t.is(arrived.length - segments.length, 4);
  t.like(account, { given: 8, sent: 8, queued: 0, drops: {} });
  finish();
});

test('a peer that has gone ends the port; what waits and what comes is dropped as down', (t) => {
  const { peer, port, source, transfer, account, finish } = bench();
  for (let k = 0; k < 20; k++) source.push(frame(100, k));
  transfer.turns(source, [port]);
  t.is(account.queued, 20 - PEER_ROOM);
  peer.close();
  transfer.drain(port);
  t.is(port.fault, 'closed');
  t.false(port.wantsWrite);
  for (let k = 0; k < 3; k++) source.push(frame(100, k));
  transfer.turns(source, [port]);
  transfer.turns(port, []);
  finish();
  t.like(account, { given: 23, sent: PEER_ROOM, queued: 0, drops: { tx_down: 23 - PEER_ROOM } });

  const other = bench();
  other.peer.close();
  for (let k = 0; k < 64; k++) other.source.push(frame(100, k));
  other.transfer.turns(other.source, [other.port]);
  t.is(other.port.fault, 'closed');
  t.like(other.account, { given: 64, sent: 0, queued: 0, drops: { tx_down: 64 } });
  other.finish();
});

test('a peer that has another peer now is as good as gone', (t) => {
  const { peer, port, source, transfer, account, finish } = bench();
  const third = new DatagramPeer(path.join(dir, 'third'), 'nowhere');
  connectUnixDatagram(peer.fd, path.join(dir, 'third'));
  source.push(frame(100, 1));
  transfer.turns(source, [port]);
  t.is(port.fault, 'closed');
  t.like(account, { given: 1, sent: 0, drops: { tx_down: 1 } });
  third.close();
  finish();
});
