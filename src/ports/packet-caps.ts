// What a packet socket takes over on egress: the kernel finishes and segments for any interface
// what the interface itself cannot, so this depends on the kernel only.

import os from 'node:os';
import { NEED } from '../wire/offload-facts.ts';

/** The kernel that first took UDP to be segmented from a virtio-net header. */
const USO_SINCE = [6, 2] as const;

/** Offload work of a packet socket with a virtio-net header: bits of NEED. `release` as uname(2) shows it. */
export function packetCaps(release = os.release()): number {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  const hasUso = major > USO_SINCE[0] || (major === USO_SINCE[0] && minor >= USO_SINCE[1]);
  return NEED.CSUM | NEED.TSO4 | NEED.TSO6 | NEED.ECN | (hasUso ? NEED.USO : 0);
}
