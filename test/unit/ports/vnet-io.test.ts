// The virtio-net header in front of a frame that leaves, and what is read of one that comes.

import test from 'ava';
import { memoryOf } from '../../../src/lib/memory.ts';
import { MemoryPort } from '../../../src/ports/memory-port.ts';
import { readVnetHdr, writeVnetHdr } from '../../../src/ports/vnet-io.ts';
import { Batch } from '../../../src/relay/batch.ts';
import { snapshotHeaders } from '../../../src/relay/snapshot.ts';
import { VNET_FLAG, VNET_GSO } from '../../../src/wire/virtio-net-hdr.ts';
import { buildFrame } from '../../support/ip-frame.ts';

/** The fields of a header, in order, as the kernel reads them. */
function fields(octets: Uint8Array): number[] {
  const view = new DataView(octets.buffer, octets.byteOffset);
  return [view.getUint8(0), view.getUint8(1), ...[2, 4, 6, 8].map((at) => view.getUint16(at, true))];
}

for (const strippedTag of [undefined, { tpid: 0x8100, tci: 5 }]) {
  test(`lengths and offsets count ${strippedTag ? 'the tag that is put back' : 'from the first octet'}`, (t) => {
    const port = new MemoryPort(1);
    const batch = new Batch();
    const tag = strippedTag === undefined ? 0 : 4;
    const tcp = buildFrame({ version: 4, protocol: 'tcp', tcpOptionWords: 3, payload: new Uint8Array(9000) });
    const udp = buildFrame({ version: 6, protocol: 'udp', payload: new Uint8Array(100) });
    const facts = { flags: VNET_FLAG.NEEDS_CSUM, ...(strippedTag && { strippedTag }) };
    const gsoType = VNET_GSO.TCPV4 | VNET_GSO.ECN;
    port.push(tcp.octets, { ...facts, gsoType, gsoSize: 1400, csumStart: tcp.l4, csumOffset: 16 });
    port.push(udp.octets, { ...facts, csumStart: udp.l4, csumOffset: 6 });
    port.push(udp.octets, { ...facts, flags: 0, csumStart: 0, csumOffset: 0 });
    batch.reset(1);
    port.receive(batch);
    snapshotHeaders(batch);
    for (const hdrLen of [10, 12]) {
      for (const [i, expected] of [
        [1, gsoType, tcp.payload + tag, 1400, tcp.l4 + tag, 16],
        [1, 0, 0, 0, udp.l4 + tag, 6],
        [0, 0, 0, 0, 0, 0],
      ].entries()) {
        const { u8, view } = memoryOf(new ArrayBuffer(16));
        u8.fill(0xee);
        writeVnetHdr(batch, i, view, 2, hdrLen);
        t.deepEqual(fields(u8.subarray(2)), expected);
        t.deepEqual(
          [...u8.subarray(0, 2), ...u8.subarray(2 + hdrLen)],
          new Array(16 - hdrLen).fill(0xee),
          'nothing else is written',
        );
        if (hdrLen === 12) t.deepEqual([...u8.subarray(12, 14)], [0, 0]);
      }
    }
  });
}

test('what is written is read again', (t) => {
  const batch = new Batch();
  const { view } = memoryOf(new ArrayBuffer(32));
  batch.reset(1);
  const i = batch.add(0, 12, 20);
  for (const [at, octet] of [1, VNET_GSO.TCPV6, 0, 0, 0x78, 5, 54, 0, 16, 0].entries()) view.setUint8(at, octet);
  readVnetHdr(batch, i, view, 0);
  t.deepEqual(
    [batch.rawFlags[i], batch.rawGsoType[i], batch.gsoSize[i], batch.csumStart[i], batch.csumOffset[i]],
    [1, VNET_GSO.TCPV6, 0x578, 54, 16],
  );
});
