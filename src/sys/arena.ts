// Memory that native code keeps addresses of: iovecs, message headers, receive buffers. One mmap,
// carved up once at start and never returned before the process ends, so no address goes stale.
//
// A large one asks for huge pages: receive slots lie far apart, and with pages of 4 KiB each of them is a
// page table walk for the kernel's copy and another for ours.

import { assert } from '../lib/assert.ts';
import { type Memory, memoryOf } from '../lib/memory.ts';
import { declare, errno, viewOf } from './ffi.ts';

const madvise = declare('int madvise(uintptr_t addr, size_t len, int advice)');
const mmap = declare('uintptr_t mmap(uintptr_t addr, size_t len, int prot, int flags, int fd, long off)');

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const MADV_HUGEPAGE = 14;
const HUGE_PAGE_SIZE = 2 ** 21;
const ARENA_SIZE_MAX = 2 ** 30;

/** A fixed range of native memory with a bump allocator. */
export class Arena {
  readonly memory: Memory;
  readonly address: number;
  readonly size: number;
  #next = 0;

  /** Maps `size` octets of zeroed memory; throws when the kernel has none. */
  constructor(size: number) {
    assert(size > 0 && size <= ARENA_SIZE_MAX, `arena of ${size} octets`);
    const isLarge = size >= HUGE_PAGE_SIZE;
    const room = isLarge ? Math.ceil(size / HUGE_PAGE_SIZE) * HUGE_PAGE_SIZE : size;
    const spare = isLarge ? HUGE_PAGE_SIZE : 0;
    const mapped = Number(mmap(0, room + spare, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0));
    if (mapped >= 2 ** 53) throw new Error(`cannot map ${size} octets of memory (errno ${errno()})`);
    const address = isLarge ? Math.ceil(mapped / HUGE_PAGE_SIZE) * HUGE_PAGE_SIZE : mapped;
    // Advice: a kernel without huge pages refuses, and nothing else changes.
    if (isLarge) madvise(address, room, MADV_HUGEPAGE);
    this.address = address;
    this.size = size;
    this.memory = memoryOf(viewOf(address, size), address);
  }

  /** Reserves `size` octets at a multiple of `align` (a power of two); returns their offset. Throws when the arena is used up. */
  alloc(size: number, align = 64): number {
    const offset = Math.ceil(this.#next / align) * align;
    assert(offset + size <= this.size, () => `arena of ${this.size} octets is used up`);
    this.#next = offset + size;
    return offset;
  }
}
