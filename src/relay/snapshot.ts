// The snapshot pass: reads each frame's header exactly once into the batch's arrays and judges
// what can be judged from the frame alone. A frame that fails gets its drop reason as verdict.
//
// It runs over the whole batch before the first FDB look-up: one memory, one access pattern, and
// V8 keeps it at no measurable cost.

import { ETHERNET, TPID } from '../wire/ethernet.ts';
import { BAD_OFFLOAD, judgeOffload, NEED } from '../wire/offload-facts.ts';
import { type Batch, FRAME_LEN_MAX } from './batch.ts';
import { DROP } from './drop-reason.ts';

const HEADER_LEN = ETHERNET.HEADER_LEN;
const TAG_LEN = ETHERNET.TAG_LEN;
const C_TAG = TPID.C_TAG;
const S_TAG = TPID.S_TAG;
const { RUNT, OVERSIZE, TRUNCATED, SOURCE_GROUP, SOURCE_ZERO, BAD_OFFLOAD: BAD_OFFLOAD_DROP } = DROP;
const SUPER_SEGMENT = NEED.TSO4 | NEED.TSO6 | NEED.USO;

/** Fills the header arrays of every frame of `batch`; sets the verdict of frames that are unfit. */
export function snapshotHeaders(batch: Batch): void {
  for (let i = 0; i < batch.count; i++) {
    const segment = batch.firstSegment[i] as number;
    const headLen = batch.segLen[segment] as number;
    const view = (batch.memories[batch.segMemory[segment] as number] as { view: DataView }).view;
    const at = batch.segOffset[segment] as number;
    const stripped = batch.strippedTag[i] as number;
    const len = batch.len[i] as number;
    batch.need[i] = 0;
    batch.segmentedLen[i] = len;
    if (headLen < HEADER_LEN) {
      batch.headerLen[i] = 0;
      batch.verdict[i] = batch.truncated[i] === 0 ? RUNT : TRUNCATED;
      continue;
    }
    batch.dstHi[i] = view.getUint16(at);
    batch.dstLo[i] = view.getUint32(at + 2);
    const srcHi = view.getUint16(at + 6);
    const srcLo = view.getUint32(at + 8);
    batch.srcHi[i] = srcHi;
    batch.srcLo[i] = srcLo;

    let type = view.getUint16(at + 12);
    let headerLen = HEADER_LEN;
    let tags = 0;
    let tag0 = 0;
    let tag1 = 0;
    if (stripped !== 0) {
      tag0 = stripped;
      tags = 1;
    }
    while (tags < 2 && (type === C_TAG || type === S_TAG) && headLen >= headerLen + TAG_LEN) {
      const tag = ((type << 16) | view.getUint16(at + headerLen)) >>> 0;
      if (tags === 0) tag0 = tag;
      else tag1 = tag;
      tags++;
      type = view.getUint16(at + headerLen + 2);
      headerLen += TAG_LEN;
    }
    batch.tagCount[i] = tags;
    batch.tag0[i] = tag0;
    batch.tag1[i] = tag1;
    batch.etherType[i] = type;
    batch.headerLen[i] = headerLen;

    if (batch.truncated[i] !== 0) batch.verdict[i] = TRUNCATED;
    else if (len > FRAME_LEN_MAX) batch.verdict[i] = OVERSIZE;
    else if ((srcHi & 0x0100) !== 0) batch.verdict[i] = SOURCE_GROUP;
    else if (srcHi === 0 && srcLo === 0) batch.verdict[i] = SOURCE_ZERO;
    else if ((batch.rawFlags[i] as number) !== 0 || (batch.rawGsoType[i] as number) !== 0) {
      judgeFacts(batch, i, view, at, headLen, headerLen, type);
    }
  }
}

/** Judges the offload facts of frame `i`; from then on csumStart counts from the payload. */
function judgeFacts(batch: Batch, i: number, view: DataView, at: number, headLen: number, headerLen: number, type: number): void {
  const stripped = batch.strippedTag[i] === 0 ? 0 : TAG_LEN;
  const judged = judgeOffload(
    view,
    at,
    headLen,
    (batch.len[i] as number) - stripped,
    headerLen,
    type,
    batch.rawFlags[i] as number,
    batch.rawGsoType[i] as number,
    batch.gsoSize[i] as number,
    batch.csumStart[i] as number,
    batch.csumOffset[i] as number,
  );
  if (judged === BAD_OFFLOAD) {
    batch.verdict[i] = BAD_OFFLOAD_DROP;
    return;
  }
  const need = judged & 0xff;
  batch.need[i] = need;
  if ((need & NEED.CSUM) !== 0) batch.csumStart[i] = (batch.csumStart[i] as number) - headerLen;
  if ((need & SUPER_SEGMENT) !== 0) {
    const segmented = headerLen + stripped + (judged >>> 8) + (batch.gsoSize[i] as number);
    if (segmented < (batch.len[i] as number)) batch.segmentedLen[i] = segmented;
  }
}

/** Writes the header of frame `i` as it leaves (addresses, tags, type) at `at`; returns its length, 14 to 22. */
export function writeHeader(batch: Batch, i: number, view: DataView, at: number): number {
  view.setUint16(at, batch.dstHi[i] as number);
  view.setUint32(at + 2, batch.dstLo[i] as number);
  view.setUint16(at + 6, batch.srcHi[i] as number);
  view.setUint32(at + 8, batch.srcLo[i] as number);
  let end = at + 12;
  const tags = batch.tagCount[i] as number;
  if (tags > 0) {
    view.setUint32(end, batch.tag0[i] as number);
    end += TAG_LEN;
  }
  if (tags > 1) {
    view.setUint32(end, batch.tag1[i] as number);
    end += TAG_LEN;
  }
  view.setUint16(end, batch.etherType[i] as number);
  return end + 2 - at;
}
