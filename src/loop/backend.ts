// What a worker waits with, and whether it has a ring for its taps: io_uring, or epoll where that is
// refused (an old kernel, kernel.io_uring_disabled, a container's seccomp filter). Both do the same
// job; the ring does it in fewer system calls.

import { PORT_NO_MAX } from '../relay/limits.ts';
import type { Arena } from '../sys/arena.ts';
import { Epoll } from '../sys/epoll.ts';
import { IO_URING_SIZE, IoUring, IoUringRefused } from '../sys/io-uring.ts';
import type { Readiness } from '../sys/readiness.ts';
import { RingWait } from '../sys/ring-wait.ts';
import type { IoChoice } from './io-choice.ts';

/** Octets a back end takes of an arena, with alignment. */
export const BACKEND_SIZE = 16_384 + IO_URING_SIZE;

const TAGS_MAX = PORT_NO_MAX + 1;

/** An open back end, used by the thread that opened it only. */
export interface Backend {
  readonly readiness: Readiness;
  readonly ring: IoUring | undefined;
  /** Why epoll took over; undefined where nothing was refused. */
  readonly refusal: string | undefined;
}

/** Opens what `choice` asks for. Throws IoUringRefused when io_uring is asked for and cannot be had. */
export function openBackend(choice: IoChoice, arena: Arena): Backend {
  if (choice === 'epoll') return { readiness: new Epoll(arena), ring: undefined, refusal: undefined };
  try {
    const ring = new IoUring(arena, TAGS_MAX);
    return { readiness: new RingWait(ring, TAGS_MAX), ring, refusal: undefined };
  } catch (error) {
    if (choice === 'io_uring' || !(error instanceof IoUringRefused)) throw error;
    return { readiness: new Epoll(arena), ring: undefined, refusal: error.message };
  }
}

/** Ends every watch and gives the ring up; the descriptors stay open. */
export function closeBackend({ readiness, ring }: Backend): void {
  readiness.close();
  ring?.close();
}
