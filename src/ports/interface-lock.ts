// The name of an interface, for all switches: packet sockets do not exclude each other, and two
// switches on one interface would each relay every frame. An abstract unix socket in the
// interface's namespace stands for its name, and has one owner.

import { lockName } from '../sys/name-lock.ts';
import { DeviceError } from './device.ts';
import type { DeviceContext } from './device-state.ts';
import { holderText } from './holder-text.ts';

/** The lock of the interface `ifname` in the thread's network namespace. */
export function interfaceLock(ifname: string): string {
  return `weft-netdev-${ifname}`;
}

/**
 * Takes the name of an interface; what is returned is closed to give it back. Throws DeviceError that
 * names the holder. Undefined when a user holds it who has no rights over interfaces: nobody with a port
 * there, and not to keep one from being made.
 */
export function lockInterface(ifname: string, portName: string, context: DeviceContext): number | undefined {
  const lock = lockName(interfaceLock(ifname));
  if (lock.fd !== undefined) return lock.fd;
  const { uid, pid } = lock.holder ?? { uid: 0, pid: undefined };
  if (uid !== 0 && uid !== process.getuid?.()) {
    context.log(
      'warn',
      `port ${portName}: another user's process (pid ${pid}) holds the name of ${ifname}; it is used all the same`,
    );
    return undefined;
  }
  throw new DeviceError(
    `cannot use ${ifname} as a port: ${holderText(pid, context)} uses it already; remove it there first, or choose another interface`,
  );
}
