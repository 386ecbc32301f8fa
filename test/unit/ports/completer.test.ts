// Frames that ask more of an egress than it can do, over memory ports.

import test from 'ava';
import { MemoryPort } from '../../../src/ports/memory-port.ts';
import { NEED } from '../../../src/wire/offload-facts.ts';
import { VNET_FLAG, VNET_GSO } from '../../../src/wire/virtio-net-hdr.ts';
import { buildFrame, inspectFrame } from '../../support/ip-frame.ts';
import { PortTransfer } from '../../support/port-transfer.ts';

const payload = Uint8Array.from({ length: 10_000 }, (_, k) => k * 7);

test('in one flood each egress gets what it can take', (t) => {
  for (const version of [4, 6] as const) {
    for (const protocol of ['tcp', 'udp'] as const) {
      const { octets, l4, csumOffset } = buildFrame({ version, protocol, payload });
      const gsoType = protocol === 'udp' ? VNET_GSO.UDP_L4 : version === 4 ? VNET_GSO.TCPV4 : VNET_GSO.TCPV6;
      const source = new MemoryPort(1);
      const plain = new MemoryPort(2);
      const checksums = new MemoryPort(3, { caps: NEED.CSUM });
      const all = new MemoryPort(4, { caps: NEED.CSUM | NEED.TSO4 | NEED.TSO6 | NEED.USO });
      const transfer = new PortTransfer();
      source.push(octets, { flags: VNET_FLAG.NEEDS_CSUM, gsoType, gsoSize: 1400, csumStart: l4, csumOffset });
      transfer.turns(source, [plain, all, checksums]);
      t.deepEqual(all.take(), [octets], 'whole');
      for (const port of [plain, checksums]) {
        const segments = port.take().map(inspectFrame);
        t.is(segments.length, Math.ceil(payload.length / 1400));
        t.deepEqual(Buffer.concat(segments.map((segment) => segment.payload)), Buffer.from(payload));
      }
      for (const port of [plain, checksums, all]) {
        t.like(transfer.account(port), { given: 1, sent: 1, sentBytes: octets.length, queued: 0 });
      }
    }
  }
});

test('a checksum start counted without the stripped tag is right with the tag in the frame', (t) => {
  const { octets, l4, csumOffset } = buildFrame({ version: 4, protocol: 'udp', payload: payload.subarray(0, 333) });
  const source = new MemoryPort(1);
  const sink = new MemoryPort(2);
  const transfer = new PortTransfer();
  const strippedTag = { tpid: 0x88a8, tci: 0x0123 };
  source.push(octets, { flags: VNET_FLAG.NEEDS_CSUM, csumStart: l4, csumOffset, strippedTag });
  transfer.turns(source, [sink]);
  const [tagged] = sink.take() as [Uint8Array];
  t.deepEqual(Buffer.from(tagged.subarray(12, 16)), Buffer.from([0x88, 0xa8, 0x01, 0x23]));
  t.deepEqual(inspectFrame(tagged).payload, payload.slice(0, 333));
  t.is(transfer.account(sink).sentBytes, octets.length + 4);
});

test('DHCP leaves finished even where the egress could do it', (t) => {
  const { octets, l4, csumOffset } = buildFrame({
    version: 4,
    protocol: 'udp',
    ports: [67, 68],
    payload: payload.subarray(0, 300),
  });
  const source = new MemoryPort(1);
  const sink = new MemoryPort(2, { caps: NEED.CSUM });
  const transfer = new PortTransfer();
  source.push(octets, { flags: VNET_FLAG.NEEDS_CSUM, csumStart: l4, csumOffset });
  transfer.turns(source, [sink]);
  t.deepEqual(inspectFrame(sink.take()[0] as Uint8Array).payload, payload.slice(0, 300));
});

test('what would become too much is one drop', (t) => {
  const options = Array.from({ length: 7 }, () => [60, 255] as const);
  const { octets, l4, csumOffset } = buildFrame({
    version: 6,
    protocol: 'tcp',
    extensions: options,
    payload: payload.subarray(0, 9000),
  });
  const source = new MemoryPort(1);
  const sink = new MemoryPort(2);
  const transfer = new PortTransfer();
  // 18 segments, each behind 14 KiB of headers.
  const offload = { flags: VNET_FLAG.NEEDS_CSUM, gsoType: VNET_GSO.TCPV6, csumStart: l4, csumOffset };
  source.push(octets, { ...offload, gsoSize: 500 });
  source.push(octets, { ...offload, gsoSize: 4500 });
  transfer.turns(source, [sink]);
  t.deepEqual(transfer.account(sink).drops, { unsegmentable: 1 });
  t.is(sink.take().length, 2);
});

test('a memory port is bounded on both sides and reports its backlog', (t) => {
  const frame = new Uint8Array(60).fill(2);
  const source = new MemoryPort(1, { framesMax: 100 });
  const sink = new MemoryPort(2, { framesMax: 70 });
  const transfer = new PortTransfer();
  t.false(source.hasBacklog);
  for (let k = 0; k < 100; k++) t.true(source.push(frame));
  t.false(source.push(frame));
  t.is(transfer.turn(source, [sink]), 64);
  t.true(source.hasBacklog);
  t.is(transfer.turn(source, [sink]), 36);
  t.false(source.hasBacklog);
  t.deepEqual(transfer.account(sink).drops, { tx_full: 30 });
  sink.fault = 'gone';
  source.push(frame);
  transfer.turns(source, [sink]);
  t.deepEqual(transfer.account(sink).drops, { tx_full: 30, tx_down: 1 });
  t.is(sink.take().length, 70);
});
