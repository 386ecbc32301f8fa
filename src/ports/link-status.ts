// What an interface means to a port that stands on it.

import { IFF_UP, type Link } from '../sys/rtnetlink.ts';
import { formatMac } from '../wire/ethernet.ts';
import type { DeviceStatus } from './device.ts';

/** Status of a port on the interface: up with IFF_UP and carrier. */
export function linkStatus(link: Link): Pick<DeviceStatus, 'up' | 'mtu' | 'mac' | 'reason'> {
  const reason = isUp(link) ? 'no carrier' : 'the interface is down';
  return { up: link.carrier, mtu: link.mtu, mac: macText(link.mac), reason: link.carrier ? undefined : reason };
}

/** Whether the interface is switched on (IFF_UP), carrier or not. */
export function isUp(link: Link): boolean {
  return (link.flags & IFF_UP) !== 0;
}

/** A MAC address of six octets as text; undefined when it has another length. */
export function macText(mac: Uint8Array): string | undefined {
  if (mac.length !== 6) return undefined;
  const view = new DataView(mac.buffer, mac.byteOffset, mac.byteLength);
  return formatMac(view.getUint16(0), view.getUint32(2));
}
