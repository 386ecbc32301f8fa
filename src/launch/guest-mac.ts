// A guest keeps its MAC over restarts, or the FDBs, ARP caches and DHCP leases around it go stale. So an
// address that nobody chose is derived from the two names that make the guest what it is. 52:54:00 is the
// prefix QEMU and libvirt use; the other 24 bits come from a hash. Two guests of one switch can collide
// (about 1 in 30,000 for 32 guests), and whoever starts several together has to check that.

import { createHash } from 'node:crypto';
import { formatMac, isGroup, isZero, parseMac } from '../wire/ethernet.ts';
import { LaunchError } from './launch-error.ts';

/**
 * The MAC of guest `guestName` on `switchName`, as `52:54:00:xx:xx:xx` in lower case: `chosen`, brought
 * to that form, or one derived from the names.
 * Throws a LaunchError if `chosen` is no address a network card can have.
 */
export function guestMac(switchName: string, guestName: string, chosen?: string): string {
  if (chosen !== undefined) {
    const mac = parseMac(chosen);
    if (mac === undefined || isGroup(mac.hi) || isZero(mac.hi, mac.lo)) {
      throw new LaunchError(
        `Guest ${guestName}: "${chosen}" cannot be the MAC of a network card; give six octets of which the first is even, such as 52:54:00:00:00:01.`,
      );
    }
    return formatMac(mac.hi, mac.lo);
  }
  const digest = createHash('sha256').update(`${switchName}\0${guestName}`).digest();
  return formatMac(0x5254, digest.readUIntBE(0, 3));
}
