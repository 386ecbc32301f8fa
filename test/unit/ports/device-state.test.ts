// What every device promises of its status, and trying again later.

import test from 'ava';
import { type Attachment, DeviceError } from '../../../src/ports/device.ts';
import { DeviceState } from '../../../src/ports/device-state.ts';
import { Retry } from '../../../src/ports/retry.ts';
import { createEventFd } from '../../../src/sys/event-fd.ts';
import { isOpenFd } from '../../../src/sys/fd.ts';
import { SysError } from '../../../src/sys/sys-error.ts';

test('a change is told once, what is the same is not told, and nothing while it opens', (t) => {
  const state = new DeviceState();
  let told = 0;
  state.open(
    () => told++,
    () => state.set({ mtu: 1500, reason: 'no carrier' }),
    () => t.fail(),
  );
  t.is(told, 0);
  t.like(state.status, { up: false, mtu: 1500, reason: 'no carrier' });
  state.set({ reason: 'no carrier', mtu: 1500 });
  t.is(told, 0);
  state.set({ up: true });
  t.is(told, 1);
  t.is(state.status.reason, undefined, 'what is up needs no reason');
  state.set({ up: true, reason: 'left over' });
  t.is(told, 1);
  state.close();
  state.set({ up: true });
  t.is(told, 1);
});

test('what fails is undone, and is a sentence for the user', (t) => {
  let undone = 0;
  const failing = (error: Error) => () =>
    new DeviceState().open(
      () => t.fail(),
      () => {
        throw error;
      },
      () => undone++,
    );
  t.throws(failing(new SysError('cannot open x: y', 1)), { instanceOf: DeviceError, message: 'cannot open x: y' });
  t.throws(failing(new DeviceError('no')), { instanceOf: DeviceError, message: 'no' });
  t.throws(failing(new TypeError('a fault of ours')), { instanceOf: TypeError });
  t.is(undone, 3);
});

test('a descriptor that was handed out is closed by its release, or at the end, and once', (t) => {
  const state = new DeviceState();
  const [a, b] = [createEventFd(), createEventFd()].map((fd) => state.handOut('stream', fd, 0)) as [Attachment, Attachment];
  state.set({ attachment: b });
  state.release(a);
  t.deepEqual([isOpenFd(a.fd), isOpenFd(b.fd)], [false, true]);
  state.release(a);
  state.close();
  t.false(isOpenFd(b.fd));
  state.release(b);
  state.close();
  t.pass();
});

test('what was offered and never taken goes with the next release', (t) => {
  const state = new DeviceState();
  const [a, b, c] = [1, 2, 3].map(() => {
    const attachment = state.handOut('stream', createEventFd(), 0);
    state.set({ attachment });
    return attachment;
  }) as [Attachment, Attachment, Attachment];
  t.deepEqual([isOpenFd(a.fd), isOpenFd(b.fd), isOpenFd(c.fd)], [true, true, true], 'the worker may be taking any of them');
  state.release(a);
  t.deepEqual([isOpenFd(a.fd), isOpenFd(b.fd), isOpenFd(c.fd)], [false, false, true]);
  state.set({ attachment: undefined });
  state.release(c);
  t.false(isOpenFd(c.fd));
});

test('tries come after twice as long each time, up to the bound, and soon again after a success', async (t) => {
  const delays: number[] = [];
  const original = globalThis.setTimeout;
  t.teardown(() => {
    globalThis.setTimeout = original;
  });
  globalThis.setTimeout = ((action: () => void, ms: number) => {
    delays.push(ms);
    return original(action, 0);
  }) as typeof setTimeout;
  let tries = 0;
  await new Promise<void>((resolve) => {
    const retry = new Retry(10, 35, () => {
      tries++;
      if (tries === 4) retry.reset();
      if (tries === 5) resolve();
      else retry.schedule();
    });
    retry.schedule();
    retry.schedule();
    // The timers of weft keep no process alive; this one keeps the test's.
    original(() => {}, 5000).ref();
  });
  t.deepEqual(delays, [10, 20, 35, 35, 10]);
});
