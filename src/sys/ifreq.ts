// struct ifreq of linux/if.h: the argument of the interface ioctls.

import { assert } from '../lib/assert.ts';

/** IFNAMSIZ: octets of an interface name, the final zero included (linux/if.h). */
export const IFNAMSIZ = 16;

/** sizeof(struct ifreq) on 64-bit systems. */
export const IFREQ_SIZE = 40;

/** Where the union of an ifreq begins: flags (u16), a pointer, … */
export const IFREQ_UNION = IFNAMSIZ;

/**
 * Whether the kernel takes `name` for an interface (dev_valid_name in net/core/dev.c). It takes a per cent sign too, for
 * a pattern of which it makes a name; then the interface is called something else. And what is no UTF-8 would be.
 */
export function isInterfaceName(name: string): boolean {
  const isShort = name.length > 0 && Buffer.byteLength(name) < IFNAMSIZ;
  return isShort && name !== '.' && name !== '..' && !/[/:%\s\0]|\p{Cs}/u.test(name);
}

/** A zeroed ifreq for the interface `name`. */
export function ifreq(name: string): Buffer {
  assert(Buffer.byteLength(name) < IFNAMSIZ, () => `interface name ${name} is too long`);
  const octets = Buffer.alloc(IFREQ_SIZE);
  octets.write(name, 0);
  return octets;
}

/** A zero-terminated string of at most `size` octets at `offset`. */
export function cString(octets: Buffer, offset: number, size: number): string {
  const end = octets.indexOf(0, offset);
  return octets.toString('utf8', offset, end < 0 || end > offset + size ? offset + size : end);
}
