// io_uring(7): many operations for one system call. The rings are shared with the kernel and written
// here as typed arrays, so an operation costs sixteen stores and no call of its own.
//
//   queue*()  writes an entry          submission ring ──io_uring_enter──> kernel
//   run()     one enter for all of it  results[k]      <──completion ring──
//   poll      stays with the kernel    until its descriptor is ready; a wait collects it (ring-wait.ts)
//
// Two kinds of operation share the ring and are told apart by the upper half of their user data.
// Reads and writes carry RWF_NOWAIT: they complete while they are submitted, with -EAGAIN if they
// would have to wait. So `run` returns with every result, and after it the kernel refers to no
// memory of the caller; it is a batch of system calls, nothing stays in flight. Polls do stay; what
// comes in for them, at whatever moment, is kept in `polled` until the wait takes it.
//
// SINGLE_ISSUER and DEFER_TASKRUN (Linux 6.1) make completions cheap: only the thread that opened
// the ring may use it, and the kernel's work for it is done when that thread enters, never in
// between. Older kernels do without. Addresses stay below 2^47, so a double holds one and two 32-bit
// stores write it.
//
// The mappings are never unmapped, because views on them live on: `close` puts empty memory in their
// place, which gives the ring up.

import { assert } from '../lib/assert.ts';
import type { Arena } from './arena.ts';
import { ERRNO, errnoName } from './errno.ts';
import { closeFd } from './fd.ts';
import { declare, errno, viewOf } from './ffi.ts';

const setupCall = declare('long syscall(long number, uint entries, void* params)');
const registerCall = declare('long syscall(long number, int fd, uint opcode, void* arg, uint count)');
const enterCall = declare(
  'long syscall(long number, int fd, uint submit, uint complete, uint flags, uintptr_t arg, size_t size)',
);
const mmap = declare('uintptr_t mmap(uintptr_t addr, size_t len, int prot, int flags, int fd, long off)');

// The same numbers on every architecture (asm-generic/unistd.h).
const SYS_IO_URING_SETUP = 425;
const SYS_IO_URING_ENTER = 426;
const SYS_IO_URING_REGISTER = 427;

// linux/io_uring.h
const SETUP_CQSIZE = 1 << 3;
const SETUP_SUBMIT_ALL = 1 << 7;
const SETUP_SINGLE_ISSUER = 1 << 12;
const SETUP_DEFER_TASKRUN = 1 << 13;
const FEAT_SINGLE_MMAP = 1 << 0;
const FEAT_NODROP = 1 << 1;
const FEAT_EXT_ARG = 1 << 8;
const ENTER_GETEVENTS = 1 << 0;
const ENTER_EXT_ARG = 1 << 3;
const REGISTER_PROBE = 8;
const OP_SUPPORTED = 1;
const OFF_SQES = 0x10000000;
const OP = { WRITEV: 2, POLL_ADD: 6, POLL_REMOVE: 7, READ: 22, WRITE: 23 } as const;
const RWF_NOWAIT = 0x8;
const EOPNOTSUPP = ERRNO.EOPNOTSUPP;

// struct io_uring_params: entries and flags, then the offsets of both rings.
const PARAMS_SIZE = 120;
const PARAMS = { SQ_ENTRIES: 0, CQ_ENTRIES: 4, FLAGS: 8, FEATURES: 20, SQ_OFF: 40, CQ_OFF: 80 } as const;
const OFF = { HEAD: 0, TAIL: 4, MASK: 8, CQES: 20, SQ_ARRAY: 24 } as const;
const PROBE_HEAD_SIZE = 16;
const PROBE_OP_SIZE = 8;
const PROBE_OPS = 256;

/** Words of a submission and of a completion entry. */
const SQE_WORDS = 16;
const CQE_WORDS = 4;

const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
const MAP_PRIVATE_ANONYMOUS_FIXED = 0x32;
const TWO_32 = 2 ** 32;

// struct io_uring_getevents_arg { u64 sigmask; u32 sigmask_sz, min_wait; u64 ts }, then the timespec.
const WAIT_ARG_SIZE = 24;
const WAIT_ARG_TS = 16;
const TIMESPEC_SIZE = 16;

// Upper half of user data.
const RUN = 0;
const POLL = 1;
const UNPOLL = 2;

/** Operations one `run` takes. */
export const RUN_OPS_MAX = 256;
const COMPLETIONS_MAX = 4096;
/** Octets a ring takes of an arena, with alignment. */
export const IO_URING_SIZE = 128;

/** Why there is no ring; the message is a sentence that says so. */
export class IoUringRefused extends Error {
  override readonly name = 'IoUringRefused';
}

/** One ring, used by the thread that opened it only. */
export class IoUring {
  readonly fd: number;
  /** What came in for polls, oldest first: the tag and the poll bits or minus errno of each; `polledCount` of them. */
  readonly polledTags: Uint32Array;
  readonly polledEvents: Int32Array;
  polledCount = 0;
  /** Results of the last `run`, in the order of queueing: a count, or minus errno. */
  readonly results = new Int32Array(RUN_OPS_MAX);

  readonly #ring: Int32Array;
  readonly #sqes: Int32Array;
  readonly #mappings: readonly (readonly [address: number, size: number])[];
  readonly #sqTail: number;
  readonly #sqMask: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqMask: number;
  readonly #cqes: number;
  readonly #entries: number;
  readonly #waitArg: number;
  readonly #timespec: number;
  readonly #view: DataView;
  /** Entries written and not submitted. */
  #unsubmitted = 0;
  #tail = 0;
  /** Operations queued for the next `run`, and those of them that have completed. */
  #queued = 0;
  #completed = 0;
  #unpolled = 0;

  /** Opens a ring with polls on up to `pollsMax` tags. Throws IoUringRefused where there can be none. */
  constructor(arena: Arena, pollsMax: number) {
    const params = Buffer.alloc(PARAMS_SIZE);
    this.fd = open(params);
    try {
      probe(this.fd, params.readUInt32LE(PARAMS.FEATURES));
    } catch (error) {
      closeFd(this.fd);
      throw error;
    }
    const sq = (field: number) => params.readUInt32LE(PARAMS.SQ_OFF + field);
    const cq = (field: number) => params.readUInt32LE(PARAMS.CQ_OFF + field);
    const entries = params.readUInt32LE(PARAMS.SQ_ENTRIES);
    const cqEntries = params.readUInt32LE(PARAMS.CQ_ENTRIES);
    const ringSize = Math.max(sq(OFF.SQ_ARRAY) + entries * 4, cq(OFF.CQES) + cqEntries * CQE_WORDS * 4);
    const sqesSize = entries * SQE_WORDS * 4;
    const ringAddress = mapRing(this.fd, ringSize, 0);
    const sqesAddress = mapRing(this.fd, sqesSize, OFF_SQES);
    this.#mappings = [
      [ringAddress, ringSize],
      [sqesAddress, sqesSize],
    ];
    const ring = new Int32Array(viewOf(ringAddress, ringSize & -4));
    this.#ring = ring;
    this.#sqes = new Int32Array(viewOf(sqesAddress, sqesSize));
    this.#entries = entries;
    this.#sqTail = sq(OFF.TAIL) / 4;
    this.#sqMask = ring[sq(OFF.MASK) / 4] as number;
    this.#cqHead = cq(OFF.HEAD) / 4;
    this.#cqTail = cq(OFF.TAIL) / 4;
    this.#cqMask = ring[cq(OFF.MASK) / 4] as number;
    this.#cqes = cq(OFF.CQES) / 4;
    // Entries are used in order, so the indirection stays as it is.
    for (let k = 0; k < entries; k++) ring[sq(OFF.SQ_ARRAY) / 4 + k] = k;

    // One reported and one come in since, for each tag.
    this.polledTags = new Uint32Array(2 * pollsMax);
    this.polledEvents = new Int32Array(2 * pollsMax);
    const at = arena.alloc(WAIT_ARG_SIZE + TIMESPEC_SIZE);
    this.#view = arena.memory.view;
    this.#waitArg = arena.address + at;
    this.#timespec = at + WAIT_ARG_SIZE;
    this.#view.setBigUint64(at + WAIT_ARG_TS, BigInt(arena.address + this.#timespec), true);
  }

  /** Queues a read of up to `len` octets to native memory. */
  queueRead(fd: number, address: number, len: number): void {
    this.#push(OP.READ, fd, address, len, RWF_NOWAIT, this.#queued++, RUN);
  }

  /** Queues a write of `len` octets of native memory. */
  queueWrite(fd: number, address: number, len: number): void {
    this.#push(OP.WRITE, fd, address, len, RWF_NOWAIT, this.#queued++, RUN);
  }

  /** Queues a write of the `count` iovecs at `iovecs`. */
  queueWritev(fd: number, iovecs: number, count: number): void {
    this.#push(OP.WRITEV, fd, iovecs, count, RWF_NOWAIT, this.#queued++, RUN);
  }

  /** Does everything queued, at most RUN_OPS_MAX operations, in order; `results` has what became of each. Returns their number. */
  run(): number {
    const queued = this.#queued;
    assert(queued <= RUN_OPS_MAX, 'too many operations in one run');
    if (queued === 0) return 0;
    this.#enter(0, 0);
    this.#collect();
    // They complete while they are submitted; should a kernel think otherwise, the memory is still theirs.
    while (this.#completed < queued) {
      this.#enter(1, ENTER_GETEVENTS);
      this.#collect();
    }
    this.#queued = 0;
    this.#completed = 0;
    return queued;
  }

  /**
   * Whether reads and writes of `fd`, which must be non-blocking, complete while they are submitted. Some files cannot
   * promise that (taps before Linux 6.4); nothing is read to find out.
   */
  isNowait(fd: number): boolean {
    this.queueRead(fd, this.#waitArg, 0);
    this.run();
    return this.results[0] !== -EOPNOTSUPP;
  }

  /** Asks for one completion when `fd` has any of `events` (poll bits); it comes at once if it has them already. */
  poll(fd: number, tag: number, events: number): void {
    this.#push(OP.POLL_ADD, fd, 0, 0, events, tag, POLL);
  }

  /** Cancels the poll of `tag`, which then completes, if it has not before; `polled` gets that as any other. */
  unpoll(tag: number): void {
    // A poll is named by its user data, which stands where others have an address.
    this.#push(OP.POLL_REMOVE, -1, POLL * TWO_32 + tag, 0, 0, tag, UNPOLL);
    this.#unpolled = 0;
    while (this.#unpolled === 0) {
      this.#enter(1, ENTER_GETEVENTS);
      this.#collect();
    }
  }

  /** Submits what is queued and waits up to `timeoutMs` (0: not at all) for a poll to complete; a signal ends it early. */
  wait(timeoutMs: number): void {
    if (timeoutMs <= 0) {
      this.#enter(0, ENTER_GETEVENTS);
    } else {
      const seconds = Math.floor(timeoutMs / 1000);
      this.#view.setUint32(this.#timespec, seconds, true);
      this.#view.setUint32(this.#timespec + 8, Math.floor((timeoutMs - seconds * 1000) * 1e6), true);
      this.#enter(1, ENTER_GETEVENTS | ENTER_EXT_ARG);
    }
    this.#collect();
  }

  /** Gives the ring up, with every poll in it; the descriptors stay open. */
  close(): void {
    for (const [address, size] of this.#mappings) mmap(address, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_FIXED, -1, 0);
    closeFd(this.fd);
  }

  #push(op: number, fd: number, address: number, len: number, opFlags: number, dataLow: number, dataHigh: number): void {
    if (this.#unsubmitted === this.#entries) this.#enter(0, 0);
    const sqes = this.#sqes;
    const at = (this.#tail & this.#sqMask) * SQE_WORDS;
    sqes[at] = op;
    sqes[at + 1] = fd;
    // The offset: -1, the current position, for a read or write; polls have none.
    const offset = dataHigh === RUN ? -1 : 0;
    sqes[at + 2] = offset;
    sqes[at + 3] = offset;
    // The store keeps the lower 32 bits.
    sqes[at + 4] = address;
    sqes[at + 5] = address / TWO_32;
    sqes[at + 6] = len;
    sqes[at + 7] = opFlags;
    sqes[at + 8] = dataLow;
    sqes[at + 9] = dataHigh;
    sqes[at + 10] = 0;
    sqes[at + 11] = 0;
    sqes[at + 12] = 0;
    sqes[at + 13] = 0;
    this.#tail = (this.#tail + 1) | 0;
    this.#unsubmitted++;
  }

  /** Submits everything written, and waits for `complete` completions as `flags` say. */
  #enter(complete: number, flags: number): void {
    Atomics.store(this.#ring, this.#sqTail, this.#tail);
    for (;;) {
      const submit = this.#unsubmitted;
      const hasArg = (flags & ENTER_EXT_ARG) !== 0;
      const n = enterCall(
        SYS_IO_URING_ENTER,
        this.fd,
        submit,
        complete,
        flags,
        hasArg ? this.#waitArg : 0,
        hasArg ? WAIT_ARG_SIZE : 0,
      );
      if (n >= 0) this.#unsubmitted -= n;
      else {
        const error = errno();
        // Nothing submitted means nothing left to submit or no room for completions; with a wait: time is up, or a signal.
        if (error === ERRNO.EBUSY || error === ERRNO.EAGAIN) this.#collect();
        else if (error === ERRNO.ETIME || error === ERRNO.EINTR) return;
        else throw new Error(`io_uring_enter failed: ${errnoName(error)}`);
      }
      if (this.#unsubmitted === 0 || complete > 0) return;
    }
  }

  /** Takes every completion that is there. */
  #collect(): void {
    const ring = this.#ring;
    const tail = Atomics.load(ring, this.#cqTail);
    let head = ring[this.#cqHead] as number;
    if (head === tail) return;
    while (head !== tail) {
      const at = this.#cqes + (head & this.#cqMask) * CQE_WORDS;
      const low = ring[at] as number;
      const kind = ring[at + 1] as number;
      if (kind === RUN) {
        this.results[low] = ring[at + 2] as number;
        this.#completed++;
      } else if (kind === POLL) {
        this.polledTags[this.polledCount] = low;
        this.polledEvents[this.polledCount] = ring[at + 2] as number;
        this.polledCount++;
      } else {
        this.#unpolled++;
      }
      head = (head + 1) | 0;
    }
    Atomics.store(ring, this.#cqHead, head);
  }
}

/** Opens a ring with the best flags this kernel knows; fills `params`. */
function open(params: Buffer): number {
  const base = SETUP_CQSIZE;
  const wishes = [base | SETUP_SUBMIT_ALL | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN, base | SETUP_SUBMIT_ALL, base];
  for (const flags of wishes) {
    params.fill(0);
    params.writeUInt32LE(flags, PARAMS.FLAGS);
    params.writeUInt32LE(COMPLETIONS_MAX, PARAMS.CQ_ENTRIES);
    const fd = setupCall(SYS_IO_URING_SETUP, RUN_OPS_MAX, params);
    if (fd >= 0) return fd;
    if (errno() !== ERRNO.EINVAL) break;
  }
  throw new IoUringRefused(refusal(errno()));
}

function refusal(error: number): string {
  switch (error) {
    case ERRNO.EPERM:
      return 'io_uring is not permitted here (kernel.io_uring_disabled, or a seccomp filter such as a container has)';
    case ERRNO.ENOSYS:
      return 'this kernel has no io_uring, or a seccomp filter hides it';
    case ERRNO.ENOMEM:
      return 'there is not enough memory that may be locked for an io_uring (ulimit -l)';
    default:
      return `io_uring cannot be set up (${errnoName(error)})`;
  }
}

/** Throws IoUringRefused when the kernel lacks something that is needed here. */
function probe(fd: number, features: number): void {
  const needed = FEAT_SINGLE_MMAP | FEAT_NODROP | FEAT_EXT_ARG;
  if ((features & needed) !== needed) throw new IoUringRefused('the io_uring of this kernel is too old; Linux 5.11 is needed');
  const ops = Buffer.alloc(PROBE_HEAD_SIZE + PROBE_OPS * PROBE_OP_SIZE);
  const n = registerCall(SYS_IO_URING_REGISTER, fd, REGISTER_PROBE, ops, PROBE_OPS);
  if (n < 0) throw new IoUringRefused(`io_uring cannot tell what it supports (${errnoName(errno())})`);
  for (const [name, op] of Object.entries(OP)) {
    const flags = ops.readUInt16LE(PROBE_HEAD_SIZE + op * PROBE_OP_SIZE + 2);
    if ((flags & OP_SUPPORTED) === 0) throw new IoUringRefused(`the io_uring of this kernel has no ${name}`);
  }
}

function mapRing(fd: number, size: number, offset: number): number {
  const address = Number(mmap(0, size, PROT_READ_WRITE, MAP_SHARED_POPULATE, fd, offset));
  if (address < 2 ** 53) return address;
  const error = errno();
  closeFd(fd);
  throw new IoUringRefused(`the rings of an io_uring cannot be mapped (${errnoName(error)})`);
}
