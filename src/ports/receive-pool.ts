// The receive arena: one per worker, shared by all ports. A batch is received, relayed, transmitted
// and released within one turn, so the next port finds it free; private buffers of 64 KiB a frame
// for 1024 ports would be 4 GiB, and every one of them cold.
//
//   dense (a read per frame):       | headroom frame | headroom frame      | headroom frame | …
//   slots (many frames per call):   | slot 0: headroom frame ............. | slot 1: headroom frame … |
//
// Dense frames are packed one behind the other, each read being offered the room of the longest
// frame: a batch of 64 small frames takes 8 KiB and stays in the first-level cache. A dense batch
// ends early when it has filled DENSE_SIZE, which keeps 64 KiB frames in the second-level cache.
// Slots must exist before the call that fills them, so they have the longest frame's size. Their
// distance is 1041 cache lines: modulo the sets of a first-level (64) or second-level cache (1024)
// consecutive slots start 17 sets apart, where a distance of 64 KiB would put all of them in one.
//
// The contract of the memory: it is private, and in front of every frame POOL_HEADROOM octets may
// be written until the batch is released, by any egress port, for a virtio-net header or a length.
// A frame starts at 2 mod 16, which puts its IP header at a multiple of 16.

import { assert } from '../lib/assert.ts';
import type { Memory } from '../lib/memory.ts';
import { type Batch, FRAME_LEN_MAX } from '../relay/batch.ts';
import type { Arena } from '../sys/arena.ts';
import { VNET_HDR_MRG_LEN } from '../wire/virtio-net-hdr.ts';
import { RECEIVE_FRAMES_MAX } from './port.ts';

/** Octets in front of every frame that an egress port may write. */
export const POOL_HEADROOM = 18;
/** Distance of slots in octets, and the room a dense frame needs. */
export const SLOT_SIZE = 1041 * 64;
/** Octets there are for a frame behind its headroom: more than the longest, so that one that fills it is known to be cut off. */
export const FRAME_ROOM = SLOT_SIZE - POOL_HEADROOM;
/** Octets the pool takes of an arena. */
export const POOL_SIZE = RECEIVE_FRAMES_MAX * SLOT_SIZE;

const DENSE_SIZE = 512 * 1024;
const ALIGN = 64;

/** The receive arena of one worker. Offsets are those of `memory`. */
export class ReceivePool {
  readonly memory: Memory;
  /** Where the first frame of a dense batch goes; as for every frame, the headroom lies in front. */
  readonly first: number;
  /** A dense frame may start before this offset. */
  readonly denseEnd: number;

  /** Takes POOL_SIZE octets of `arena`. */
  constructor(arena: Arena) {
    assert(DENSE_SIZE + SLOT_SIZE <= POOL_SIZE && FRAME_ROOM > FRAME_LEN_MAX + VNET_HDR_MRG_LEN, 'receive pool too small');
    this.memory = arena.memory;
    this.first = arena.alloc(POOL_SIZE, 4096) + POOL_HEADROOM;
    this.denseEnd = this.first + DENSE_SIZE;
  }

  /** Makes the pool the memory of `batch`; returns its index for `batch.add`. */
  lend(batch: Batch): number {
    batch.headroom = POOL_HEADROOM;
    return batch.useMemory(this.memory);
  }

  /** Where the dense frame goes that follows one of `len` octets at `offset`. */
  next(offset: number, len: number): number {
    return ((offset + len + ALIGN - 1) & -ALIGN) + POOL_HEADROOM;
  }

  /** Where the frame of slot `k` goes, 0 .. RECEIVE_FRAMES_MAX - 1. */
  slot(k: number): number {
    return this.first + k * SLOT_SIZE;
  }
}
