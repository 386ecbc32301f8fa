// A tap that weft made, and that is to outlive its descriptor: persistent, so that it can be moved to
// another namespace and be opened by another program. That is what has to be undone later, and so it is
// in the journal before. Until then the tap goes with the process that made it.
//
// What is in the journal is a mark: an alias that `ip link` shows, of which a part is random. By that
// the tap is known to be ours, where it is moved and whatever it is renamed to.

import { getLink, setLink } from '../sys/rtnetlink.ts';
import { setTapPersistent } from '../sys/tap-device.ts';
import type { DeviceContext } from './device-state.ts';
import type { Strike } from './journal.ts';

/** Makes the tap behind `fd`, which was made just now in the thread's network namespace, last; returns how to strike that out. Throws SysError. */
export function makeTapLast(fd: number, name: string, context: DeviceContext): Strike {
  const random = crypto.getRandomValues(new Uint32Array(4));
  const mark = `weft ${context.switchName} ${[...random].map((word) => word.toString(16).padStart(8, '0')).join('')}`;
  setLink(getLink(name).ifindex, { alias: mark });
  const strike = context.journal.add({ type: 'tap', name, mark });
  setTapPersistent(fd, true);
  return strike;
}
