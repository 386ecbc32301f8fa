// Closing many descriptors whose closing waits. A packet socket is closed when no CPU can be looking at
// it any more, and so is a tap's last descriptor: each time the kernel waits for what it calls a
// grace period, some 15 ms, and those who wait at the same time wait for the same one. So each
// descriptor gets a thread to be closed by, which is no more than a call of close(2): libc's own
// function is where the thread starts, and the descriptor its argument. (A thread is given a pointer
// where close takes an int; both are passed in the same register on every machine Node runs on.)

import { closeFd } from './fd.ts';
import { declare } from './ffi.ts';

const dlsym = declare('uintptr_t dlsym(uintptr_t handle, const char* name)');
const pthreadCreate = declare('int pthread_create(void* thread, uintptr_t attributes, uintptr_t start, uintptr_t argument)');
const pthreadJoin = declare('int pthread_join(uintptr_t thread, uintptr_t result)');

/** Threads at a time. */
const THREADS_MAX = 256;

/** Closes all of `fds`, and returns when that is done. Each has to be open and the caller's. */
export function closeTogether(fds: readonly number[]): void {
  const close = dlsym(0, 'close');
  const thread = Buffer.alloc(8);
  const running: number[] = [];
  for (const fd of fds) {
    if (running.length === THREADS_MAX) pthreadJoin(running.shift(), 0);
    // No thread to be had: then it takes its time.
    if (pthreadCreate(thread, 0, close, fd) !== 0) closeFd(fd);
    else running.push(Number(thread.readBigUInt64LE()));
  }
  for (const id of running) pthreadJoin(id, 0);
}
