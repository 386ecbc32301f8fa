// Frames through real taps and packet sockets: octet for octet, in bursts, with tags, and what
// happens when the interface is too small, down or gone.

import '../../support/sandbox.ts';
import t from 'tap';
import { MemoryPort } from '../../../src/ports/memory-port.ts';
import type { Port } from '../../../src/ports/port.ts';
import { VNET_FLAG, VNET_GSO } from '../../../src/wire/virtio-net-hdr.ts';
import { hex, testFrame } from '../../support/frames.ts';
import { buildFrame, inspectFrame } from '../../support/ip-frame.ts';
import { addVeth, ip, until } from '../../support/netns.ts';
import { PortTransfer } from '../../support/port-transfer.ts';
import { quiet, RealPorts } from '../../support/real-ports.ts';
import { ScatterPort } from '../../support/scatter-port.ts';
import { framed, SocketPair, unframed } from '../../support/socket-pair.ts';
import { testResources } from '../../support/test-resources.ts';

const resources = testResources();

const SRC = '525400000001';
const DST = '525400000002';

/** Frames of several lengths, numbered. */
function frames(count: number): Buffer[] {
  return Array.from({ length: count }, (_, k) => {
    const frame = testFrame(DST, SRC, [60, 61, 128, 257, 1000, 1514][k % 6], k % 251);
    frame.writeUInt32BE(k, 14);
    return frame;
  });
}

function withTag(frame: Uint8Array, tag: string): Buffer {
  return Buffer.concat([frame.subarray(0, 12), hex(tag), frame.subarray(12)]);
}

// A tap's netdev side is another port's packet socket: what one sends the other receives.
t.test('frames cross taps and packet sockets octet for octet', async (t) => {
  const ports = new RealPorts(resources);
  const tapA = await ports.tap('a');
  const tapB = await ports.tap('b');
  const [netdevA, netdevB] = [await ports.packet('a'), await ports.packet('b')];
  const source = ports.memory();
  const sink = new MemoryPort(99, { framesMax: 10_000 });
  const transfer = new PortTransfer();
  const sent = frames(600);
  const arrived: Buffer[] = [];
  for (let k = 0; k < sent.length; ) {
    for (const end = k + 40; k < end && k < sent.length; k++) source.push(sent[k] as Buffer);
    transfer.turns(source, [netdevA]);
    await until('the frames of a burst', () => {
      transfer.turns(tapA, [tapB]);
      transfer.turns(netdevB, [sink]);
      arrived.push(...sink.take().map((octets) => Buffer.from(octets)));
      return arrived.length >= k;
    });
  }
  t.same(arrived, sent);
  for (const port of [netdevA, tapB]) t.match(transfer.account(port), { given: 600, sent: 600, queued: 0, drops: {} });
  t.same(transfer.refused, {});
  for (const port of [tapA, tapB, netdevA, netdevB]) t.equal(port.fault, undefined);
  ports.close();
});

t.test('a batch of a packet socket goes in one piece to every kind of port', async (t) => {
  const ports = new RealPorts(resources);
  addVeth('v0', 'v1');
  addVeth('w0', 'w1');
  for (const name of ['v0', 'v1', 'w0', 'w1']) quiet(name);
  const [outer, port, other, far] = [
    await ports.packet('v1'),
    await ports.packet('v0'),
    await ports.packet('w0'),
    await ports.packet('w1'),
  ];
  const tap = await ports.tap('c');
  const netdev = await ports.packet('c');
  const pair = new SocketPair();
  const stream = ports.stream(pair.fd);
  const source = ports.memory();
  const [farSink, netdevSink] = [new MemoryPort(98), new MemoryPort(99)];
  const transfer = new PortTransfer();
  const sent = frames(300);
  sent[100] = withTag(sent[100] as Buffer, '8100 2064');
  sent[103] = withTag(sent[103] as Buffer, '88a8 0065 8100 0066');
  for (const frame of sent) source.push(frame);
  transfer.turns(source, [outer]);
  const octets: Buffer[] = [];
  await until('every frame', () => {
    transfer.turns(port, [other, tap, stream]);
    octets.push(pair.read());
    transfer.drain(stream);
    transfer.turns(far, [farSink]);
    transfer.turns(netdev, [netdevSink]);
    return (
      transfer.account(farSink).sent === 300 && transfer.account(netdevSink).sent === 300 && transfer.account(stream).queued === 0
    );
  });
  octets.push(pair.read());
  t.same(unframed(Buffer.concat(octets)), sent);
  t.same(
    farSink.take().map((frame) => Buffer.from(frame)),
    sent,
  );
  t.same(
    netdevSink.take().map((frame) => Buffer.from(frame)),
    sent,
  );
  transfer.close(stream);
  pair.close();
  ports.close();
  ip('link del v0');
  ip('link del w0');
});

t.test('frames of a stream, and frames in several segments, cross taps and packet sockets octet for octet', async (t) => {
  const ports = new RealPorts(resources);
  addVeth('v0', 'v1');
  for (const name of ['v0', 'v1']) quiet(name);
  const [port, far] = [await ports.packet('v0'), await ports.packet('v1')];
  const tap = await ports.tap('c');
  const netdev = await ports.packet('c');
  const pair = new SocketPair();
  const stream = ports.stream(pair.fd);
  const scattered = new ScatterPort(97);
  const [farSink, netdevSink] = [new MemoryPort(98), new MemoryPort(99)];
  const transfer = new PortTransfer();
  const sent = frames(60);
  pair.send(framed(...sent));
  transfer.turns(stream, [port, tap]);
  for (const frame of sent) scattered.push(frame);
  transfer.turns(scattered, [port, tap]);
  const udp = buildFrame({ version: 4, protocol: 'udp', payload: new Uint8Array(1200).fill(3) });
  scattered.push(udp.octets, { flags: VNET_FLAG.NEEDS_CSUM, csumStart: udp.l4, csumOffset: 6 });
  transfer.turns(scattered, [port, tap]);
  await until('every frame', () => {
    transfer.turns(far, [farSink]);
    transfer.turns(netdev, [netdevSink]);
    return transfer.account(farSink).sent === 121 && transfer.account(netdevSink).sent === 121;
  });
  for (const sink of [farSink, netdevSink]) {
    const arrived = sink.take().map((frame) => Buffer.from(frame));
    t.same(arrived.slice(0, 120), [...sent, ...sent]);
    t.same(inspectFrame(arrived[120] as Buffer).payload, Buffer.alloc(1200, 3));
  }
  transfer.close(stream);
  pair.close();
  ports.close();
  ip('link del v0');
});

t.test('a tag that the kernel took out is put back, and checksum offsets move with it', async (t) => {
  const ports = new RealPorts(resources);
  addVeth('v0', 'v1');
  addVeth('w0', 'w1');
  for (const name of ['v0', 'v1', 'w0', 'w1']) quiet(name);
  const [outer, port, other, far] = [
    await ports.packet('v1'),
    await ports.packet('v0'),
    await ports.packet('w0'),
    await ports.packet('w1'),
  ];
  const pair = new SocketPair();
  const stream = ports.stream(pair.fd);
  const source = ports.memory();
  const sink = new MemoryPort(99);
  const transfer = new PortTransfer();
  const payload = Uint8Array.from({ length: 20_000 }, (_, k) => k * 5);
  const tags = [[0x8100, 0x2064]] as const;
  const udp = buildFrame({ version: 4, protocol: 'udp', tags, payload: payload.subarray(0, 900) });
  const tcp = buildFrame({ version: 6, protocol: 'tcp', tags, payload });
  source.push(udp.octets, { flags: VNET_FLAG.NEEDS_CSUM, csumStart: udp.l4, csumOffset: 6 });
  source.push(tcp.octets, {
    flags: VNET_FLAG.NEEDS_CSUM,
    gsoType: VNET_GSO.TCPV6,
    gsoSize: 1400,
    csumStart: tcp.l4,
    csumOffset: 16,
  });
  transfer.turns(source, [outer]);
  await until('the frames on the other side', () => {
    transfer.turns(port, [other, stream]);
    transfer.turns(far, [sink]);
    return transfer.account(sink).sent === 2;
  });
  t.match(transfer.account(other), { given: 2, sent: 2, sentBytes: udp.octets.length + tcp.octets.length });
  for (const [way, arrived] of [
    ['packet', sink.take()],
    ['stream', unframed(pair.read())],
  ] as const) {
    const [first, ...segments] = arrived.map((octets) => {
      t.equal(Buffer.from(octets).toString('hex', 12, 16), '81002064', `${way}: the tag is there`);
      return inspectFrame(octets);
    });
    t.same(Buffer.from(first?.payload ?? []), Buffer.from(payload.subarray(0, 900)), way);
    t.equal(segments.length, Math.ceil(payload.length / 1400), way);
    t.same(Buffer.concat(segments.map((segment) => segment.payload)), Buffer.from(payload), way);
  }
  transfer.close(stream);
  pair.close();
  ports.close();
  ip('link del v0');
  ip('link del w0');
});

t.test('a frame finished by us leaves a packet socket between the others, in order', async (t) => {
  const ports = new RealPorts(resources);
  addVeth('v0', 'v1');
  for (const name of ['v0', 'v1']) quiet(name);
  const [port, far] = [await ports.packet('v0'), await ports.packet('v1')];
  const tap = await ports.tap('c');
  const netdev = await ports.packet('c');
  const source = ports.memory();
  const transfer = new PortTransfer();
  const dhcp = buildFrame({ version: 4, protocol: 'udp', ports: [68, 67], payload: new Uint8Array(300).fill(7) });
  source.push(testFrame(DST, SRC, 60, 1));
  source.push(dhcp.octets, { flags: VNET_FLAG.NEEDS_CSUM, csumStart: dhcp.l4, csumOffset: 6 });
  source.push(testFrame(DST, SRC, 700, 2));
  transfer.turns(source, [port, tap]);
  for (const receiver of [far, netdev]) {
    // A sink without capabilities would finish a checksum that was left unfinished: this one takes frames as they come.
    const sink = new MemoryPort(99, { caps: 0x7f });
    await until('three frames', () => {
      transfer.turns(receiver, [sink]);
      return transfer.account(sink).sent === 3;
    });
    const [first, second, third] = sink.take().map((octets) => Buffer.from(octets));
    t.same(first, testFrame(DST, SRC, 60, 1));
    t.same(third, testFrame(DST, SRC, 700, 2));
    t.same(Buffer.from(inspectFrame(second as Buffer).payload), Buffer.alloc(300, 7));
  }
  ports.close();
  ip('link del v0');
});

t.test('a frame too long for the interface is one drop, and the others pass', async (t) => {
  const ports = new RealPorts(resources);
  addVeth('v0', 'v1');
  for (const name of ['v0', 'v1']) quiet(name);
  const [port, far] = [await ports.packet('v0'), await ports.packet('v1')];
  const source = ports.memory();
  const sink = new MemoryPort(99);
  const transfer = new PortTransfer();
  const lens = [60, 1514, 9000, 60, 1600, 1514];
  for (const [k, len] of lens.entries()) source.push(testFrame(DST, SRC, len, k));
  transfer.turns(source, [port]);
  t.match(transfer.account(port), { sent: 4, drops: { too_big: 2 } });
  await until('four frames', () => {
    transfer.turns(far, [sink]);
    return transfer.account(sink).sent === 4;
  });
  t.same(
    sink.take().map((octets) => octets[20]),
    [0, 1, 3, 5],
  );
  ports.close();
  ip('link del v0');
});

t.test('an interface that is down drops, and serves again when it is up', async (t) => {
  const ports = new RealPorts(resources);
  addVeth('v0', 'v1');
  const tap = await ports.tap('c');
  const packet = await ports.packet('v0');
  const source = ports.memory();
  const transfer = new PortTransfer();
  const send = (count: number) => {
    for (let k = 0; k < count; k++) source.push(testFrame(DST, SRC, 60 + k));
    transfer.turns(source, [tap, packet]);
  };
  for (const name of ['c', 'v0']) ip(`link set dev ${name} down`);
  send(3);
  for (const port of [tap, packet]) {
    t.same(transfer.account(port).drops, { tx_down: 3 });
    transfer.turns(port, []);
    t.equal(port.fault, undefined);
  }
  for (const name of ['c', 'v0']) ip(`link set dev ${name} up`);
  await until('carrier', () => /LOWER_UP/.test(ip('link show dev v0')) && /LOWER_UP/.test(ip('link show dev c')));
  send(2);
  for (const port of [tap, packet]) t.match(transfer.account(port), { sent: 2, drops: { tx_down: 3 } });
  ports.close();
  ip('link del v0');
});

t.test('an interface that was deleted is gone', async (t) => {
  for (const notices of ['receive', 'transmit']) {
    const ports = new RealPorts(resources);
    addVeth('v0', 'v1');
    const tap = await ports.tap('c');
    const packet = await ports.packet('v0');
    const source = ports.memory();
    const transfer = new PortTransfer();
    ip('link del c');
    ip('link del v0');
    // A packet socket tells only when it sends.
    if (notices === 'receive') transfer.turns(tap, []);
    else for (let k = 0; k < 3; k++) source.push(testFrame(DST, SRC, 60 + k));
    transfer.turns(packet, []);
    transfer.turns(source, [tap, packet]);
    t.equal(tap.fault, 'gone', notices);
    if (notices === 'transmit') {
      t.equal(packet.fault, 'gone');
      for (const port of [tap, packet]) t.same(transfer.account(port).drops, { tx_down: 3 });
    }
    ports.close();
  }
});

t.test('frames of 64 KiB come in batches of bounded size, and none is lost in between', async (t) => {
  const ports = new RealPorts(resources);
  const tap = await ports.tap('c');
  addVeth('v0', 'v1');
  for (const name of ['v0', 'v1']) quiet(name);
  const netdev = await ports.packet('c');
  const [outer, far] = [await ports.packet('v0'), await ports.packet('v1')];
  const source = ports.memory();
  const transfer = new PortTransfer();
  const { octets, l4 } = buildFrame({ version: 4, protocol: 'tcp', payload: new Uint8Array(65_000).fill(9) });
  const facts = { flags: VNET_FLAG.NEEDS_CSUM, gsoType: VNET_GSO.TCPV4, gsoSize: 1448, csumStart: l4, csumOffset: 16 };
  const batchesOf = (port: Port) => {
    const sizes: number[] = [];
    return until('forty frames', () => {
      const n = transfer.turn(port, []);
      if (n > 0) sizes.push(n);
      return sizes.reduce((sum, size) => sum + size, 0) === 40 && sizes;
    });
  };
  for (const round of [1, 2]) {
    for (let k = 0; k < 40; k++) source.push(octets, facts);
    transfer.turns(source, [netdev, outer]);
    const [tapBatches, packetBatches] = [await batchesOf(tap), await batchesOf(far)];
    t.ok(Math.max(...tapBatches) <= 9, `tap: batches of ${tapBatches}`);
    // A packet socket has to see long frames before it asks for fewer.
    if (round > 1) t.ok(Math.max(...packetBatches) <= 9, `packet socket: batches of ${packetBatches}`);
  }
  t.equal(transfer.received, 2 * (40 + 80));
  ports.close();
  ip('link del v0');
});
