// What a tap or macvtap takes over on egress, by the offloads it accepted.

import { TUN_F_CSUM, TUN_F_TSO_ECN, TUN_F_TSO4, TUN_F_TSO6, TUN_F_USO4, TUN_F_USO6 } from '../sys/tap-device.ts';
import { NEED } from '../wire/offload-facts.ts';

const CAPS: readonly [offloads: number, need: number][] = [
  [TUN_F_CSUM, NEED.CSUM],
  [TUN_F_TSO4, NEED.TSO4],
  [TUN_F_TSO6, NEED.TSO6],
  [TUN_F_TSO_ECN, NEED.ECN],
  [TUN_F_USO4 | TUN_F_USO6, NEED.USO],
];

/** Offload work, bits of NEED, for `offloads`, TUN_F bits. */
export function tapCaps(offloads: number): number {
  return CAPS.reduce((caps, [bits, need]) => ((offloads & bits) === bits ? caps | need : caps), 0);
}
