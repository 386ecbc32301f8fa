// A batch: up to BATCH_FRAMES_MAX frames that one port received in one turn.
//
// A frame is {addresses, 0-2 tags, payload reference}. Its octets stay where the device put them:
// a frame names a run of segments, a segment names a memory, an offset and a length. The lender
// (the ingress port) keeps those octets alive until `port.release(batch)`; when `transmit` has
// returned, nothing refers to them any more.
//
//   frame i ──> firstSegment[i], segmentCount[i] ──> segMemory[s], segOffset[s], segLen[s]
//
// The port fills what it knows (`add`, `addSegment`, `setStrippedTag`, `setOffload`). The relay's
// snapshot pass (snapshot.ts) reads addresses, tags and type from the first segment exactly once
// into the arrays below; every later decision, and the header written on egress, comes from the
// arrays, so a lender that changes its header afterwards gains nothing.
//
// Rules: the first segment holds at least HEAD_LEN_MIN octets, or the whole frame if it is shorter: a
// port whose device splits headers copies them together first. `len` is the length on the wire, so
// a tag that the device stripped counts. `need` holds bits of NEED (wire/offload-facts.ts).

import { assert } from '../lib/assert.ts';
import type { Memory } from '../lib/memory.ts';

/** Frames in a batch at the most. Ports that cross the kernel per frame use fewer a turn. */
export const BATCH_FRAMES_MAX = 256;
/** Segments in a batch at the most. */
export const BATCH_SEGMENTS_MAX = 1024;
/** Memories a batch can name at the most. */
export const BATCH_MEMORIES_MAX = 64;
/** Octets of a frame that its first segment holds at least: every header up to layer 4. */
export const HEAD_LEN_MIN = 256;
/** The longest frame carried: 65,535 octets of IP behind 14 + 8 octets of header and tags. */
export const FRAME_LEN_MAX = 65_557;

/** Frames of one ingress port, as a struct of arrays; reused turn after turn, never reallocated. */
export class Batch {
  /** Number of the port all frames came from. */
  ingressPort = 0;
  count = 0;
  /**
   * Octets in front of each frame's first segment that an egress port may write its own header into. More than 0 also says
   * that the memory is private: nobody changes a frame between its snapshot and its leaving. 0 for a guest's memory.
   */
  headroom = 0;
  readonly memories: Memory[] = [];
  segmentTotal = 0;

  // Where the octets are.
  readonly firstSegment = new Uint16Array(BATCH_FRAMES_MAX);
  readonly segmentCount = new Uint16Array(BATCH_FRAMES_MAX);
  /** Octets on the wire, without FCS, with every tag. */
  readonly len = new Uint32Array(BATCH_FRAMES_MAX);
  readonly segMemory = new Uint8Array(BATCH_SEGMENTS_MAX);
  readonly segOffset = new Uint32Array(BATCH_SEGMENTS_MAX);
  readonly segLen = new Uint32Array(BATCH_SEGMENTS_MAX);
  /** A tag the device took out of the frame: tpid << 16 | tci, or 0. */
  readonly strippedTag = new Uint32Array(BATCH_FRAMES_MAX);
  /** Whether the device delivered less than the whole frame (1) or not (0). */
  readonly truncated = new Uint8Array(BATCH_FRAMES_MAX);

  // The header snapshot.
  readonly dstHi = new Uint32Array(BATCH_FRAMES_MAX); // first two octets of the destination
  readonly dstLo = new Uint32Array(BATCH_FRAMES_MAX); // last four
  readonly srcHi = new Uint32Array(BATCH_FRAMES_MAX);
  readonly srcLo = new Uint32Array(BATCH_FRAMES_MAX);
  readonly tagCount = new Uint8Array(BATCH_FRAMES_MAX);
  readonly tag0 = new Uint32Array(BATCH_FRAMES_MAX); // outer: tpid << 16 | tci
  readonly tag1 = new Uint32Array(BATCH_FRAMES_MAX); // inner
  /** Type or length field behind the tags. */
  readonly etherType = new Uint16Array(BATCH_FRAMES_MAX);
  /** Octets of header in the first segment: the payload starts there. */
  readonly headerLen = new Uint8Array(BATCH_FRAMES_MAX);

  // Offload facts. Raw until the snapshot pass, then judged; csumStart becomes relative to the payload.
  readonly rawFlags = new Uint8Array(BATCH_FRAMES_MAX);
  readonly rawGsoType = new Uint8Array(BATCH_FRAMES_MAX);
  readonly need = new Uint8Array(BATCH_FRAMES_MAX);
  readonly gsoSize = new Uint16Array(BATCH_FRAMES_MAX);
  readonly csumStart = new Uint16Array(BATCH_FRAMES_MAX);
  readonly csumOffset = new Uint16Array(BATCH_FRAMES_MAX);
  /** Length on the wire of the longest frame this one becomes when segmented (its own, when it needs no segmentation). */
  readonly segmentedLen = new Uint32Array(BATCH_FRAMES_MAX);

  /** What was decided (verdict.ts). 0 until the relay has run. */
  readonly verdict = new Uint32Array(BATCH_FRAMES_MAX);

  /** Empties the batch for a turn of port `ingressPort`. */
  reset(ingressPort: number): void {
    this.ingressPort = ingressPort;
    this.count = 0;
    this.headroom = 0;
    this.segmentTotal = 0;
    this.memories.length = 0;
  }

  /** Names a memory for this turn; returns its index for `add`. */
  useMemory(memory: Memory): number {
    assert(this.memories.length < BATCH_MEMORIES_MAX, 'batch names too many memories');
    return this.memories.push(memory) - 1;
  }

  /** Appends a frame of one segment without offload facts; returns its index. The caller checks `hasRoom` first. */
  add(memory: number, offset: number, len: number): number {
    const i = this.count++;
    const s = this.segmentTotal++;
    this.firstSegment[i] = s;
    this.segmentCount[i] = 1;
    this.segMemory[s] = memory;
    this.segOffset[s] = offset;
    this.segLen[s] = len;
    this.len[i] = len;
    this.strippedTag[i] = 0;
    this.truncated[i] = 0;
    this.rawFlags[i] = 0;
    this.rawGsoType[i] = 0;
    this.gsoSize[i] = 0;
    this.csumStart[i] = 0;
    this.csumOffset[i] = 0;
    this.verdict[i] = 0;
    return i;
  }

  /** Appends a further segment to the frame added last. The caller checks `hasRoom` first. */
  addSegment(memory: number, offset: number, len: number): void {
    const i = this.count - 1;
    const s = this.segmentTotal++;
    this.segmentCount[i] = (this.segmentCount[i] as number) + 1;
    this.segMemory[s] = memory;
    this.segOffset[s] = offset;
    this.segLen[s] = len;
    this.len[i] = (this.len[i] as number) + len;
  }

  /** Whether one more frame of `segments` segments fits. */
  hasRoom(segments = 1): boolean {
    return this.count < BATCH_FRAMES_MAX && this.segmentTotal + segments <= BATCH_SEGMENTS_MAX;
  }

  /** Notes the outermost tag of frame `i` that the device delivered beside the frame. */
  setStrippedTag(i: number, tpid: number, tci: number): void {
    this.strippedTag[i] = ((tpid << 16) | tci) >>> 0;
    this.len[i] = (this.len[i] as number) + 4;
  }

  /**
   * Notes the virtio-net header of frame `i` as received: `flags` and `gsoType` as on the wire, `csumStart` counted
   * from the first octet in memory (which a stripped tag does not count in). Judged by the snapshot pass.
   */
  setOffload(i: number, flags: number, gsoType: number, gsoSize: number, csumStart: number, csumOffset: number): void {
    this.rawFlags[i] = flags;
    this.rawGsoType[i] = gsoType;
    this.gsoSize[i] = gsoSize;
    this.csumStart[i] = csumStart;
    this.csumOffset[i] = csumOffset;
  }
}
