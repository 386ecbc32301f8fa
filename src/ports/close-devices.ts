// Closing all devices of a switch that stops. One by one, a thousand taps would take 19 s: the kernel
// waits a while for each interface that is deleted and each packet socket that is closed. So the
// interfaces that go with us are deleted together first (link-group.ts); and of every descriptor that
// the worker had a duplicate is kept, so that its last closing comes at the end, again together
// (close-together.ts). Whatever of that cannot be done, each device's own `close` does.

import { closeTogether } from '../sys/close-together.ts';
import { closeFd, duplicateFd } from '../sys/fd.ts';
import { LinkGroup } from '../sys/link-group.ts';
import { SysError } from '../sys/sys-error.ts';
import type { Device } from './device.ts';

/** Descriptors that stay free for what closing a device opens itself: namespaces and netlink sockets. */
const SPARE_FDS = 16;

/** Told what cannot be done together, and so takes its time. */
type OnFailure = (error: SysError) => void;

/** Calls `close`, which is to close each of `devices`. Nothing is attached any more. */
export function closeDevices(devices: readonly Device[], close: () => void, onFailure: OnFailure): void {
  deleteInterfaces(devices, onFailure);
  const last = duplicates(devices, onFailure);
  try {
    close();
  } finally {
    closeTogether(last);
  }
}

function deleteInterfaces(devices: readonly Device[], onFailure: OnFailure): void {
  const group = new LinkGroup();
  for (const device of devices) {
    try {
      device.deleteWith?.(group);
    } catch (error) {
      tell(error, onFailure);
    }
  }
  group.delete((error) => tell(error, onFailure));
}

/** Duplicates of what was attached; none when descriptors run out. */
function duplicates(devices: readonly Device[], onFailure: OnFailure): number[] {
  const fds: number[] = [];
  try {
    for (const { status } of devices) if (status.attachment !== undefined) fds.push(duplicateFd(status.attachment.fd));
    const [first] = fds;
    if (first === undefined) return fds;
    const spare = fds.length;
    while (fds.length < spare + SPARE_FDS) fds.push(duplicateFd(first));
    for (const fd of fds.splice(spare)) closeFd(fd);
    return fds;
  } catch (error) {
    for (const fd of fds) closeFd(fd);
    tell(error, onFailure);
    return [];
  }
}

function tell(error: unknown, onFailure: OnFailure): void {
  if (!(error instanceof SysError)) throw error;
  onFailure(error);
}
