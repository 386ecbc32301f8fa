// epoll(7), level-triggered: who has something to read, and who can be written to again. The
// worker's wait. Results are read in place from native memory, so a wait allocates nothing.

import { assert } from '../lib/assert.ts';
import type { Arena } from './arena.ts';
import { ERRNO } from './errno.ts';
import { closeFd } from './fd.ts';
import { declare, errno } from './ffi.ts';
import type { Readiness } from './readiness.ts';
import { check, errnoText } from './sys-error.ts';

const epollCreate = declare('int epoll_create1(int flags)');
const epollCtl = declare('int epoll_ctl(int epfd, int op, int fd, void* event)');
const epollWait = declare('int epoll_wait(int epfd, uintptr_t events, int count, int timeout)');

// sys/epoll.h
/** There is something to read. */
export const EPOLLIN = 0x001;
/** There is room to write. */
export const EPOLLOUT = 0x004;
/** The descriptor has failed; always reported. */
export const EPOLLERR = 0x008;
/** The other side has gone; always reported. */
export const EPOLLHUP = 0x010;
/** The other side sends no more. */
export const EPOLLRDHUP = 0x2000;

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLL_CLOEXEC = 0o2000000;

// struct epoll_event { u32 events; u64 data }: packed on x86-64 only (linux/eventpoll.h, EPOLL_PACKED).
const PACKED = process.arch === 'x64';
const EVENT_SIZE = PACKED ? 12 : 16;
const EVENT_DATA = PACKED ? 4 : 8;

/** Events one wait reports at the most; the others come with the next, in turn. */
export const EPOLL_EVENTS_MAX = 256;

/** One epoll instance. Every descriptor in it carries a tag of 32 bits, by which its events are told apart. */
export class Epoll implements Readiness {
  readonly backend = 'epoll';
  readonly fd: number;
  readonly #view: DataView;
  readonly #offset: number;
  readonly #address: number;
  readonly #eventsMax: number;
  readonly #change = Buffer.alloc(EVENT_SIZE);
  #count = 0;

  /** Takes room for `eventsMax` events from `arena`. */
  constructor(arena: Arena, eventsMax = EPOLL_EVENTS_MAX) {
    this.#offset = arena.alloc(eventsMax * EVENT_SIZE);
    this.#view = arena.memory.view;
    this.#address = arena.address + this.#offset;
    this.#eventsMax = eventsMax;
    this.fd = check(epollCreate(EPOLL_CLOEXEC), 'create an epoll instance');
  }

  /** Watches `fd` for `events` (EPOLL bits); 0 or minus errno. */
  add(fd: number, tag: number, events: number): number {
    return this.#control(EPOLL_CTL_ADD, fd, tag, events);
  }

  /** Changes what a watched descriptor is watched for; 0 or minus errno. */
  modify(fd: number, tag: number, events: number): number {
    return this.#control(EPOLL_CTL_MOD, fd, tag, events);
  }

  /** Watches `fd` no more. To be called before it is closed: a duplicate elsewhere would keep it in here. 0 or minus errno. */
  remove(fd: number): number {
    return this.#control(EPOLL_CTL_DEL, fd, 0, 0);
  }

  /** Waits up to `timeoutMs` (0: not at all) and returns how many events `tag` and `events` now answer for; a signal counts as none. */
  wait(timeoutMs: number): number {
    const n = epollWait(this.fd, this.#address, this.#eventsMax, timeoutMs);
    if (n < 0) assert(errno() === ERRNO.EINTR, () => `epoll_wait failed: ${errnoText(errno())}`);
    this.#count = Math.max(n, 0);
    return this.#count;
  }

  /** The tag of event `k` of the last wait. */
  tag(k: number): number {
    assert(k < this.#count, 'epoll event out of range');
    return this.#view.getUint32(this.#offset + k * EVENT_SIZE + EVENT_DATA, true);
  }

  /** The EPOLL bits of event `k` of the last wait. */
  events(k: number): number {
    assert(k < this.#count, 'epoll event out of range');
    return this.#view.getUint32(this.#offset + k * EVENT_SIZE, true);
  }

  /** Closes the instance; the descriptors in it stay open. */
  close(): void {
    closeFd(this.fd);
  }

  #control(op: number, fd: number, tag: number, events: number): number {
    this.#change.writeUInt32LE(events, 0);
    this.#change.writeUInt32LE(tag, EVENT_DATA);
    return epollCtl(this.fd, op, fd, this.#change) < 0 ? -errno() : 0;
  }
}
