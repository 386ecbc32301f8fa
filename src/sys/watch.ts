// Waiting for a descriptor on a thread that runs Node's event loop, which is the main thread; the
// worker waits in epoll.ts. It is libuv's poll by way of koffi, with three faults of koffi kept away
// from callers:
//
// - A descriptor that cannot be polled aborts the process: it is tried in an epoll instance first.
// - A handle that nobody refers to is stopped by the garbage collector: they are kept in a table.
// - A call from koffi runs no promises, and what it throws may be lost: callers are called from an
//   immediate, which Node runs in the same turn of its loop, before it polls again.

import { Arena } from './arena.ts';
import { EPOLLIN, Epoll } from './epoll.ts';
import { ERRNO } from './errno.ts';
import { type PollHandle, pollReadable } from './ffi.ts';
import { failure, SysError } from './sys-error.ts';

/** What is being watched, by descriptor. */
const watched = new Map<number, PollHandle>();

let probe: Epoll | undefined;

/**
 * Calls `callback` from Node's event loop whenever `fd` is readable, until the returned function is
 * called; only then may `fd` be closed. `failed` tells that the descriptor reports an error: read
 * the error from it, or stop, or the call comes again at once. Makes `fd` non-blocking.
 * The watch alone does not keep the process alive. Throws SysError for what cannot be watched.
 */
export function watchReadable(fd: number, callback: (failed: boolean) => void): () => void {
  if (watched.has(fd)) throw new SysError(`descriptor ${fd} is watched already`, ERRNO.EEXIST);
  assertPollable(fd);
  const isWatched = () => watched.get(fd) === handle;
  const onPoll = (status: number) => {
    setImmediate(() => {
      if (!isWatched()) return;
      try {
        callback(status < 0);
      } finally {
        // libuv ends a watch that reported an error, also one that was over once it was read (ENOBUFS on netlink).
        if (status < 0 && isWatched()) handle.start({ readable: true }, onPoll);
      }
    });
  };
  const handle = pollReadable(fd, onPoll);
  handle.unref();
  watched.set(fd, handle);
  return () => {
    if (!isWatched()) return;
    watched.delete(fd);
    handle.close();
  };
}

function assertPollable(fd: number): void {
  probe ??= new Epoll(new Arena(4096), 1);
  const result = probe.add(fd, 0, EPOLLIN);
  if (result < 0) throw failure(`watch descriptor ${fd}`, result);
  probe.remove(fd);
}
