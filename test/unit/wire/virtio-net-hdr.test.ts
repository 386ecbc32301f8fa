// struct virtio_net_hdr, there and back.

import test from 'ava';
import {
  VNET_FLAG,
  VNET_GSO,
  VNET_HDR_LEN,
  VNET_HDR_MRG_LEN,
  vnetCsumOffset,
  vnetCsumStart,
  vnetFlags,
  vnetGsoSize,
  vnetGsoType,
  writeVnetHdr,
  writeVnetNumBuffers,
} from '../../../src/wire/virtio-net-hdr.ts';
import { hex } from '../../support/ip-frame.ts';

const FROZEN = hex('a5 01 81 36 00 a8 05 22 00 10 00 01 00 a5');

test('written octet for octet', (t) => {
  const out = new Uint8Array(VNET_HDR_MRG_LEN + 2).fill(0xa5);
  const view = new DataView(out.buffer);
  writeVnetHdr(view, 1, VNET_FLAG.NEEDS_CSUM, VNET_GSO.TCPV4 | VNET_GSO.ECN, 54, 1448, 34, 16);
  t.deepEqual(out.subarray(1 + VNET_HDR_LEN), hex('a5 a5 a5'));
  writeVnetNumBuffers(view, 1, 1);
  t.deepEqual(out, FROZEN);
});

test('read back', (t) => {
  const view = new DataView(FROZEN.buffer);
  t.is(vnetFlags(view, 1), VNET_FLAG.NEEDS_CSUM);
  t.is(vnetGsoType(view, 1), VNET_GSO.TCPV4 | VNET_GSO.ECN);
  t.is(vnetGsoSize(view, 1), 1448);
  t.is(vnetCsumStart(view, 1), 34);
  t.is(vnetCsumOffset(view, 1), 16);
});
