// Frames for tests of the bridge, and the turn around it: a batch in, copies out, results back.

import type { Bridge } from '../../src/bridge/bridge.ts';
import { memoryOf } from '../../src/lib/memory.ts';
import { BATCH_FRAMES_MAX, Batch } from '../../src/relay/batch.ts';
import { DROP, DROP_BASE } from '../../src/relay/drop-reason.ts';
import { TransmitResult } from '../../src/relay/egress.ts';
import { outcomeName } from '../../src/relay/verdict.ts';
import { parseMac, writeMac } from '../../src/wire/ethernet.ts';

/** A frame as a test writes it down. */
export interface TestFrame {
  dst: string;
  src: string;
  /** Octets with every tag; 60 unless said. */
  len?: number;
  /** Tags, outermost first, as tpid << 16 | tci. */
  tags?: readonly number[];
  etherType?: number;
}

/** What became of a frame. */
export interface Relayed {
  /** Traffic kind or drop reason. */
  outcome: string;
  verdict: number;
  /** Ports its copies went to, ascending. */
  out: number[];
}

/** The octets of a frame; one shorter than its header is cut off. */
export function frameOctets(frame: TestFrame): Uint8Array {
  const { len = 60, tags = [], etherType = 0x0800 } = frame;
  const octets = new Uint8Array(Math.max(len, 14 + 4 * tags.length));
  const view = new DataView(octets.buffer);
  const dst = parseMac(frame.dst);
  const src = parseMac(frame.src);
  if (dst === undefined || src === undefined) throw new Error(`not an address: ${frame.dst} or ${frame.src}`);
  writeMac(view, 0, dst.hi, dst.lo);
  writeMac(view, 6, src.hi, src.lo);
  let at = 12;
  for (const tag of tags) {
    view.setUint32(at, tag);
    at += 4;
  }
  view.setUint16(at, etherType);
  return octets.subarray(0, len);
}

/** A batch of frames received on `port`, in one memory. */
export function batchOf(port: number, frames: readonly Uint8Array[]): Batch {
  if (frames.length > BATCH_FRAMES_MAX) throw new Error(`${frames.length} frames are more than a batch`);
  const memory = memoryOf(new ArrayBuffer(frames.reduce((sum, frame) => sum + frame.length, 0)));
  const batch = new Batch();
  batch.reset(port);
  const index = batch.useMemory(memory);
  let at = 0;
  for (const frame of frames) {
    memory.u8.set(frame, at);
    batch.add(index, at, frame.length);
    at += frame.length;
  }
  return batch;
}

/** Has `bridge` decide `batch`, reports every copy as sent (every `lostEvery`-th as lost in a full queue), returns what became of each frame. */
export function relayBatch(bridge: Bridge, batch: Batch, now: number, lostEvery = 0): Relayed[] {
  bridge.ingest(batch, now);
  const relayed: Relayed[] = [];
  for (let i = 0; i < batch.count; i++) {
    const verdict = batch.verdict[i];
    relayed.push({ outcome: outcomeName(verdict), verdict, out: [] });
  }
  const { egress } = bridge;
  const result = new TransmitResult();
  let copies = 0;
  for (let k = 0; k < egress.portCount; k++) {
    const port = egress.ports[k];
    result.clear();
    for (let n = 0; n < egress.count[port]; n++) {
      const i = egress.frames[port * BATCH_FRAMES_MAX + n];
      relayed[i].out.push(port);
      if (lostEvery !== 0 && ++copies % lostEvery === 0) {
        result.drops[DROP.TX_FULL - DROP_BASE]++;
      } else {
        result.sent++;
        result.sentBytes += batch.len[i];
      }
    }
    bridge.transmitted(port, result);
  }
  for (const { out } of relayed) out.sort((a, b) => a - b);
  return relayed;
}

/** Has `bridge` decide `frames` received on `port` as one batch. */
export function relayFrames(bridge: Bridge, port: number, frames: readonly TestFrame[], now: number): Relayed[] {
  return relayBatch(bridge, batchOf(port, frames.map(frameOctets)), now);
}
