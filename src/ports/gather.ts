// The transmit memory of a worker: what the kernel is told to send. One per worker, because a port
// has sent, queued or dropped everything when `transmit` returns.
//
// Pieces are listed in iovecs, and a piece that follows the one before in memory joins it. A frame
// goes out in one of three ways, with `prefix` octets of virtio-net header or length in front:
//
//   in place     [prefix frame]                                   nothing copied
//                one segment of private memory with headroom, leaving as it lies there
//   staged       [prefix header payload]                          all copied
//                up to COPY_LEN_MAX octets: a second iovec costs about 110 ns, this copy 20 to 70
//                (measured from a stream to a tap; the two are equal at 350 octets)
//   gathered     [prefix header] [payload] [payload] …            header copied
//
// The header of a staged or gathered frame comes from the snapshot: the lender may change its own.
// Nothing here outlives `clear`; frames in the list refer to the lender's memory until then.

import { assert } from '../lib/assert.ts';
import type { Memory } from '../lib/memory.ts';
import type { Batch } from '../relay/batch.ts';
import { writeHeader } from '../relay/snapshot.ts';
import type { Arena } from '../sys/arena.ts';
import { IOVEC_SIZE, MMSGHDR_SIZE } from '../sys/io.ts';
import { copyFrame } from './copy-frame.ts';
import { RECEIVE_FRAMES_MAX } from './port.ts';

/** Iovecs one system call takes (UIO_MAXIOV). */
export const IOVECS_MAX = 1024;
/** Messages one sendmmsg is given. */
export const MESSAGES_MAX = RECEIVE_FRAMES_MAX;
/** Octets of staging; every frame the completer makes of one frame fits. */
export const STAGING_SIZE = 256 * 1024;
/** Octets all of it takes of an arena, with alignment. */
export const GATHER_SIZE = STAGING_SIZE + IOVECS_MAX * IOVEC_SIZE + MESSAGES_MAX * MMSGHDR_SIZE + 4096;

const COPY_LEN_MAX = 256;
const HEADER_LEN_MAX = 22;
const STRIPPED_TAG_LEN = 4;
const TWO_32 = 2 ** 32;

// struct iovec and struct msghdr on a 64-bit machine. The upper halves of lengths stay zero.
const IOVEC_LEN = 8;
const MSGHDR_IOV = 16;
const MSGHDR_IOVLEN = 24;

/** Iovecs, message headers and staging memory. */
export class Gather {
  /** Holds the staging area. */
  readonly memory: Memory;
  /** Iovecs in the list. */
  count = 0;
  /** Octets in the list. */
  octets = 0;
  /** Messages that `endMessage` has closed. */
  messages = 0;
  /** Where the prefix of the frame added last is to be written. */
  prefixMemory: Memory;
  prefixAt = 0;

  readonly #view: DataView;
  readonly #address: number;
  readonly #iovecs: number;
  readonly #messages: number;
  readonly #staging: number;
  #staged = 0;
  /** Native address behind the last piece, or -1: nothing can join. */
  #end = -1;
  #firstAddress = 0;
  #lastAddress = 0;
  #messageStart = 0;

  /** Takes GATHER_SIZE octets of `arena`. */
  constructor(arena: Arena) {
    this.memory = arena.memory;
    this.prefixMemory = arena.memory;
    this.#view = arena.memory.view;
    this.#address = arena.address;
    this.#iovecs = arena.alloc(IOVECS_MAX * IOVEC_SIZE);
    this.#messages = arena.alloc(MESSAGES_MAX * MMSGHDR_SIZE);
    this.#staging = arena.alloc(STAGING_SIZE);
  }

  /** Address of the iovecs. */
  get iovecsAddress(): number {
    return this.#address + this.#iovecs;
  }

  /** Address of the first piece, which is all of it when `count` is 1. */
  get firstAddress(): number {
    return this.#firstAddress;
  }

  /** Address of the iovec that comes next. */
  get nextIovecAddress(): number {
    return this.#address + this.#iovecs + this.count * IOVEC_SIZE;
  }

  /** Address of the piece that was listed last and joined none. */
  get lastAddress(): number {
    return this.#lastAddress;
  }

  /** Offset in `memory` of the staging area's unused part. */
  get stagingAt(): number {
    return this.#staging + this.#staged;
  }

  /** Whether `iovecs` more pieces and `octets` more of staging fit. */
  hasRoom(iovecs: number, octets: number): boolean {
    return this.count + iovecs <= IOVECS_MAX && this.#staged + octets <= STAGING_SIZE;
  }

  /** Empties the list. */
  clear(): void {
    this.count = 0;
    this.octets = 0;
    this.messages = 0;
    this.#staged = 0;
    this.#end = -1;
    this.#messageStart = 0;
  }

  /** What is listed next joins nothing before it. */
  separate(): void {
    this.#end = -1;
  }

  /** Lists frame `i` of `batch` behind `prefix` octets, which the caller then writes; false when there is no room. */
  addFrame(batch: Batch, i: number, prefix: number): boolean {
    const segments = batch.segmentCount[i] as number;
    const first = batch.firstSegment[i] as number;
    const isStripped = batch.strippedTag[i] !== 0;
    const len = batch.len[i] as number;
    if (batch.headroom >= prefix && segments === 1 && !isStripped) {
      if (this.count === IOVECS_MAX) return false;
      const memory = batch.memories[batch.segMemory[first] as number] as Memory;
      this.prefixMemory = memory;
      this.prefixAt = (batch.segOffset[first] as number) - prefix;
      this.#addOctets(memory, this.prefixAt, prefix + len);
      return true;
    }

    const isShort = len <= COPY_LEN_MAX;
    if (!this.hasRoom(isShort ? 1 : 1 + segments, prefix + (isShort ? len : HEADER_LEN_MAX))) return false;
    const at = this.stagingAt;
    this.prefixMemory = this.memory;
    this.prefixAt = at;
    if (isShort) {
      copyFrame(batch, i, this.memory, at + prefix);
      this.addStaged(prefix + len);
      return true;
    }
    this.addStaged(prefix + writeHeader(batch, i, this.#view, at + prefix));
    let skip = batch.headerLen[i] as number;
    for (let s = first; s < first + segments; s++) {
      const memory = batch.memories[batch.segMemory[s] as number] as Memory;
      this.#addOctets(memory, (batch.segOffset[s] as number) + skip, (batch.segLen[s] as number) - skip);
      skip = 0;
    }
    return true;
  }

  /** Lists `len` octets that the caller has written, or will write, at `stagingAt`. */
  addStaged(len: number): void {
    this.#addOctets(this.memory, this.stagingAt, len);
    this.#staged += len;
  }

  /** Lists `len` octets at a native address. */
  add(address: number, len: number): void {
    if (len === 0) return;
    const view = this.#view;
    this.octets += len;
    if (address === this.#end) {
      const at = this.#iovecs + (this.count - 1) * IOVEC_SIZE + IOVEC_LEN;
      view.setUint32(at, view.getUint32(at, true) + len, true);
    } else {
      const at = this.#iovecs + this.count * IOVEC_SIZE;
      view.setUint32(at, address % TWO_32, true);
      view.setUint32(at + 4, Math.floor(address / TWO_32), true);
      view.setUint32(at + IOVEC_LEN, len, true);
      if (this.count === 0) this.#firstAddress = address;
      this.#lastAddress = address;
      this.count++;
    }
    this.#end = address + len;
  }

  /** Makes a message of what was listed since the last one; at most MESSAGES_MAX. */
  endMessage(): void {
    const view = this.#view;
    const at = this.#messages + this.messages * MMSGHDR_SIZE;
    const iovecs = this.#address + this.#iovecs + this.#messageStart * IOVEC_SIZE;
    view.setUint32(at + MSGHDR_IOV, iovecs % TWO_32, true);
    view.setUint32(at + MSGHDR_IOV + 4, Math.floor(iovecs / TWO_32), true);
    view.setUint32(at + MSGHDR_IOVLEN, this.count - this.#messageStart, true);
    this.messages++;
    this.#messageStart = this.count;
    this.#end = -1;
  }

  /** Address of message `k`, a struct mmsghdr, which begins with a struct msghdr. */
  messageAddress(k: number): number {
    return this.#address + this.#messages + k * MMSGHDR_SIZE;
  }

  #addOctets(memory: Memory, offset: number, len: number): void {
    assert(memory.address !== 0, 'a system call cannot reach the memory of this frame');
    this.add(memory.address + offset, len);
  }
}

/** Octets of the Ethernet header of frame `i` as it leaves. */
export function egressHeaderLen(batch: Batch, i: number): number {
  return (batch.headerLen[i] as number) + (batch.strippedTag[i] === 0 ? 0 : STRIPPED_TAG_LEN);
}
