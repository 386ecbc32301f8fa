// Addresses that a switch keeps over restarts without writing them down: derived from its name and
// from what names this machine. Guests and the host's neighbours then never see the host's address
// change, and two machines with a switch of the same name do not have the same one.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { formatMac } from '../wire/ethernet.ts';

const LOCAL_BIT = 0x0200;
const GROUP_BIT = 0x0100;

/** Places of an identity, the lasting ones first; boot_id changes with each boot. */
const ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id', '/proc/sys/kernel/random/boot_id'];

/** What names this machine; used in hashes only, for machine-id(5) is not to be shown to others. */
export function machineId(): string {
  for (const file of ID_FILES) {
    try {
      const id = readFileSync(file, 'utf8').trim();
      // An image that is to be copied carries an empty file, or this word.
      if (id !== '' && id !== 'uninitialized') return id;
    } catch {
      // The next one, then.
    }
  }
  return os.hostname();
}

/** Address of the host port of switch `switchName`: locally administered, individual, the same every time on one machine. */
export function hostMac(switchName: string, machine: string): string {
  const digest = createHash('sha256').update(`weft host port\0${machine}\0${switchName}`).digest();
  return formatMac((digest.readUInt16BE(0) & ~GROUP_BIT) | LOCAL_BIT, digest.readUInt32BE(2));
}
