// The virtio-net header that taps and packet sockets put in front of every frame, in both
// directions, and the frames that leave finished behind an empty one.

import type { Batch } from '../relay/batch.ts';
import { DROP } from '../relay/drop-reason.ts';
import { write } from '../sys/io.ts';
import { writeOffload } from '../wire/offload-facts.ts';
import {
  VNET,
  VNET_HDR_LEN,
  vnetCsumOffset,
  vnetCsumStart,
  vnetFlags,
  vnetGsoSize,
  vnetGsoType,
} from '../wire/virtio-net-hdr.ts';
import type { Completer } from './completer.ts';
import { egressHeaderLen, type Gather } from './gather.ts';

const NUM_BUFFERS = VNET.NUM_BUFFERS;
const BASE_LEN = VNET_HDR_LEN;
const UNSEGMENTABLE = DROP.UNSEGMENTABLE;

/** Notes what the header at `at` says about frame `i`. */
export function readVnetHdr(batch: Batch, i: number, view: DataView, at: number): void {
  // Flags and gso type in one look: most frames ask for nothing.
  if (view.getUint16(at) === 0) return;
  batch.setOffload(
    i,
    vnetFlags(view, at),
    vnetGsoType(view, at),
    vnetGsoSize(view, at),
    vnetCsumStart(view, at),
    vnetCsumOffset(view, at),
  );
}

/** Writes the header of `hdrLen` octets (10 or 12) of frame `i`, all of whose needs the egress is capable of, at `at`. */
export function writeVnetHdr(batch: Batch, i: number, view: DataView, at: number, hdrLen: number): void {
  const need = batch.need[i] as number;
  if (need === 0) {
    clearVnetHdr(view, at, hdrLen);
    return;
  }
  const headerLen = egressHeaderLen(batch, i);
  const gsoSize = batch.gsoSize[i] as number;
  // segmentedLen of a super-segment is Ethernet header, headers up to layer 4 and gsoSize; of others it is not used.
  const l3l4HeaderLen = (batch.segmentedLen[i] as number) - headerLen - gsoSize;
  writeOffload(view, at, need, headerLen, l3l4HeaderLen, gsoSize, batch.csumStart[i] as number, batch.csumOffset[i] as number);
  if (hdrLen > BASE_LEN) view.setUint16(at + NUM_BUFFERS, 0);
}

/**
 * Writes every finished frame that frame `i` becomes to `fd`, each behind an empty header of `hdrLen` octets, through
 * the staging area of an empty `gather`. Returns 0, a drop reason, or minus errno of the first that failed; what comes
 * behind that one is not tried.
 */
export function writeCompleted(
  fd: number,
  batch: Batch,
  i: number,
  hdrLen: number,
  completer: Completer,
  gather: Gather,
): number {
  const count = completer.begin(batch, i);
  if (count === 0) return UNSEGMENTABLE;
  const memory = gather.memory;
  const at = gather.stagingAt;
  clearVnetHdr(memory.view, at, hdrLen);
  for (let k = 0; k < count; k++) {
    const len = completer.emit(k, memory, at + hdrLen);
    const n = write(fd, memory.address + at, hdrLen + len);
    if (n < 0) return n;
  }
  return 0;
}

function clearVnetHdr(view: DataView, at: number, hdrLen: number): void {
  view.setUint32(at, 0);
  view.setUint32(at + 4, 0);
  view.setUint16(at + 8, 0);
  if (hdrLen > BASE_LEN) view.setUint16(at + NUM_BUFFERS, 0);
}
