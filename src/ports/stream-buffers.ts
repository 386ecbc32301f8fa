// The memory of stream ports: received octets that are not a whole frame yet, and frames that wait
// for the peer to read. Both outlive a turn, so every port has its own; it is given back when the
// port closes and handed to the next, because native memory is never unmapped (sys/arena.ts).
// Only pages that were used are ever backed by the kernel.

import type { Memory } from '../lib/memory.ts';
import { Arena } from '../sys/arena.ts';

/** Octets for receiving: one frame of the greatest length, and room to take many small ones with one call. */
export const STREAM_RECEIVE_SIZE = 128 * 1024;
/** Octets for frames that wait. */
export const STREAM_QUEUE_SIZE = 256 * 1024;

const STAGGER = 4096;
const LINE = 64;

/** The memory of one stream port. */
export interface StreamBuffer {
  readonly memory: Memory;
  /** Offset of STREAM_RECEIVE_SIZE octets. */
  readonly receive: number;
  /** Offset of STREAM_QUEUE_SIZE octets. */
  readonly queue: number;
}

/** Buffers of closed ports, for new ones. */
export class StreamBuffers {
  readonly #free: StreamBuffer[] = [];
  #made = 0;

  /** A buffer, made if none is free. */
  take(): StreamBuffer {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const arena = new Arena(STREAM_RECEIVE_SIZE + STREAM_QUEUE_SIZE + STAGGER);
    // Mappings begin at page boundaries: without this the first lines of all ports would be in the same cache sets.
    const receive = arena.alloc(STREAM_RECEIVE_SIZE, LINE) + ((this.#made++ * LINE) % STAGGER);
    return { memory: arena.memory, receive, queue: receive + STREAM_RECEIVE_SIZE };
  }

  /** Takes a buffer back. */
  give(buffer: StreamBuffer): void {
    this.#free.push(buffer);
  }
}
