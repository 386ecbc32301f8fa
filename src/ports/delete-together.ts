// Deletes the interfaces of devices that are about to be closed, all of a namespace at once. Closing
// the devices would do the same one by one, and each deletion takes the kernel tens of milliseconds: a
// switch with many taps would not end in the time it promises (rtnetlink.ts, deleteLinks).

import { inNetns } from '../sys/netns.ts';
import { deleteLinks } from '../sys/rtnetlink.ts';
import { SysError } from '../sys/sys-error.ts';
import type { Device } from './device.ts';

/** Deletes what `close` of the devices will delete. What cannot be deleted here is left to `close`. */
export function deleteTogether(devices: Iterable<Device>): void {
  const doomed = new Map<string | undefined, number[]>();
  for (const device of devices) {
    const link = orUndefined(() => device.doomed?.());
    if (link === undefined) continue;
    const ifindexes = doomed.get(link.netns);
    if (ifindexes === undefined) doomed.set(link.netns, [link.ifindex]);
    else ifindexes.push(link.ifindex);
  }
  for (const [netns, ifindexes] of doomed) orUndefined(() => inNetns(netns, () => deleteLinks(ifindexes)));
}

/** What `fn` returns; undefined when the system refuses. */
function orUndefined<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch (error) {
    if (error instanceof SysError) return undefined;
    throw error;
  }
}
