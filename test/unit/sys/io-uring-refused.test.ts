// Where io_uring is refused, it is said why, nothing is left open, and epoll takes over unless it was told not to.

import { readdirSync } from 'node:fs';
import test from 'ava';
import { BACKEND_SIZE, closeBackend, openBackend } from '../../../src/loop/backend.ts';
import { Arena } from '../../../src/sys/arena.ts';
import { ERRNO } from '../../../src/sys/errno.ts';
import { IoUringRefused } from '../../../src/sys/io-uring.ts';
import { REGISTER, refuse, SETUP } from '../../support/refuse-io-uring.ts';

const openFds = () => readdirSync('/proc/self/fd').length;

const refusals = [
  ['a probe that fails', REGISTER, ERRNO.EINVAL, /cannot tell what it supports \(EINVAL\)/],
  ['a filter, or kernel.io_uring_disabled', SETUP, ERRNO.EPERM, /not permitted here \(kernel\.io_uring_disabled/],
  ['a kernel without', SETUP, ERRNO.ENOSYS, /no io_uring/],
  ['too little memory', SETUP, ERRNO.ENOMEM, /ulimit -l/],
  ['flags that no attempt gets through', SETUP, ERRNO.EINVAL, /cannot be set up \(EINVAL\)/],
] as const;

for (const [what, call, errno, sentence] of refusals) {
  test.serial(what, (t) => {
    refuse(call, errno);
    const arena = new Arena(2 * BACKEND_SIZE);
    const before = openFds();
    t.throws(() => openBackend('io_uring', arena), { instanceOf: IoUringRefused, message: sentence });
    t.is(openFds(), before);
    const backend = openBackend('auto', arena);
    t.is(backend.readiness.backend, 'epoll');
    t.is(backend.ring, undefined);
    t.regex(backend.refusal ?? '', sentence);
    closeBackend(backend);
    t.is(openFds(), before);
  });
}
