// Memory that native code keeps addresses of: iovecs, message headers, receive buffers. One mmap,
// carved up once at start and never returned before the process ends, so no address goes stale.

import { assert } from '../lib/assert.ts';
import { type Memory, memoryOf } from '../lib/memory.ts';
import { declare, errno, viewOf } from './ffi.ts';

const mmap = declare('uintptr_t mmap(uintptr_t addr, size_t len, int prot, int flags, int fd, long off)');

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
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
    const address = Number(mmap(0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0));
    if (address >= 2 ** 53) throw new Error(`cannot map ${size} octets of memory (errno ${errno()})`);
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
