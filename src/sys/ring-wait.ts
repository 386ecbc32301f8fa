// Readiness through an io_uring, level-triggered, in the form of Epoll (epoll.ts): whoever waits does
// not know which of the two it is.
//
// Every descriptor has one poll in the ring. One that has completed is armed anew by the next wait, in
// the same system call that sleeps; the kernel looks at the descriptor while it arms, so what is left
// over is reported again. Polls complete whenever the ring is entered, also while frames are written:
// what comes in between two waits belongs to the next one, which then does not sleep. So does what is
// more than one wait reports.
//
//   polled   | reported by the last wait: to be armed anew | came in since: reported by the next |
//            0                                             #count                       ring.polledCount

import { assert } from '../lib/assert.ts';
import { EPOLL_EVENTS_MAX, EPOLLERR } from './epoll.ts';
import { ERRNO } from './errno.ts';
import type { IoUring } from './io-uring.ts';
import type { Readiness } from './readiness.ts';

/** A cancelled poll completes at once; this bounds one look for it. */
const COLLECT_MS = 100;

/** Readiness of the descriptors added. */
export class RingWait implements Readiness {
  readonly backend = 'io_uring';
  readonly #ring: IoUring;
  /** By tag: the descriptor, or -1; what it is watched for; whether it has a poll that was not reported yet. */
  readonly #fds: Int32Array;
  readonly #events: Uint32Array;
  readonly #isArmed: Uint8Array;
  readonly #tags = new Map<number, number>();
  #count = 0;

  /** For tags below `tagsMax`, the `pollsMax` of `ring`. */
  constructor(ring: IoUring, tagsMax: number) {
    this.#ring = ring;
    this.#fds = new Int32Array(tagsMax).fill(-1);
    this.#events = new Uint32Array(tagsMax);
    this.#isArmed = new Uint8Array(tagsMax);
  }

  /** Watches `fd` for `events` (EPOLL bits); 0 or minus errno. */
  add(fd: number, tag: number, events: number): number {
    assert(this.#fds[tag] === -1, 'a tag is watched already');
    this.#fds[tag] = fd;
    this.#events[tag] = events;
    this.#tags.set(fd, tag);
    this.#arm(tag);
    this.#ring.wait(0);
    // A descriptor that cannot be watched fails at once.
    const k = this.#find(tag);
    const error = k < 0 ? 0 : (this.#ring.polledEvents[k] as number);
    if (error >= 0) return 0;
    this.remove(fd);
    return error;
  }

  /** Changes what a watched descriptor is watched for; 0 or minus errno. */
  modify(_fd: number, tag: number, events: number): number {
    this.#events[tag] = events;
    this.#disarm(tag);
    this.#arm(tag);
    return 0;
  }

  /** Watches `fd` no more; when this returns, the ring holds it no more. 0 or minus errno. */
  remove(fd: number): number {
    const tag = this.#tags.get(fd);
    if (tag === undefined) return -ERRNO.ENOENT;
    this.#disarm(tag);
    this.#forget(fd, tag);
    return 0;
  }

  /** Waits up to `timeoutMs` (0: not at all) and returns how many events `tag` and `events` now answer for; a signal counts as none. */
  wait(timeoutMs: number): number {
    const ring = this.#ring;
    const { polledTags } = ring;
    const reported = this.#count;
    for (let k = 0; k < reported; k++) {
      const tag = polledTags[k] as number;
      if (this.#fds[tag] !== -1 && this.#isArmed[tag] === 0) this.#arm(tag);
    }
    if (reported > 0) this.#shift(0, reported);
    ring.wait(ring.polledCount > 0 ? 0 : timeoutMs);
    const count = Math.min(ring.polledCount, EPOLL_EVENTS_MAX);
    for (let k = 0; k < count; k++) this.#isArmed[polledTags[k] as number] = 0;
    this.#count = count;
    return count;
  }

  /** The tag of event `k` of the last wait. */
  tag(k: number): number {
    assert(k < this.#count, 'event out of range');
    return this.#ring.polledTags[k] as number;
  }

  /** The EPOLL bits of event `k` of the last wait. */
  events(k: number): number {
    assert(k < this.#count, 'event out of range');
    const events = this.#ring.polledEvents[k] as number;
    return events < 0 ? EPOLLERR : events;
  }

  /** Ends every watch; the descriptors stay open, and so does the ring. */
  close(): void {
    for (const fd of [...this.#tags.keys()]) this.remove(fd);
  }

  #arm(tag: number): void {
    this.#isArmed[tag] = 1;
    this.#ring.poll(this.#fds[tag] as number, tag, this.#events[tag] as number);
  }

  #disarm(tag: number): void {
    if (this.#isArmed[tag] === 0) return;
    this.#ring.unpoll(tag);
    // Its one completion came in before, or comes now.
    let k = this.#find(tag);
    for (; k < 0; k = this.#find(tag)) this.#ring.wait(COLLECT_MS);
    this.#shift(k, k + 1);
    this.#isArmed[tag] = 0;
  }

  /** Where in the list of what came in since the last wait the completion of `tag` is, or -1. */
  #find(tag: number): number {
    const { polledTags, polledCount } = this.#ring;
    for (let k = this.#count; k < polledCount; k++) if (polledTags[k] === tag) return k;
    return -1;
  }

  /** Takes entries `from` to `to` out of the list. */
  #shift(from: number, to: number): void {
    const { polledTags, polledEvents, polledCount } = this.#ring;
    polledTags.copyWithin(from, to, polledCount);
    polledEvents.copyWithin(from, to, polledCount);
    this.#ring.polledCount -= to - from;
  }

  #forget(fd: number, tag: number): void {
    this.#tags.delete(fd);
    this.#fds[tag] = -1;
  }
}
