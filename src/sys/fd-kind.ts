// What an inherited descriptor is: someone who starts weft may hand it an open tap or packet
// socket, and a number that is something else has to be refused with a sentence.

import { isOpenFd } from './fd.ts';
import { packetSocketInterface } from './packet-socket.ts';
import { socketFamily, socketType } from './socket.ts';
import { type TapInfo, tapInfo } from './tap-device.ts';

/** What a descriptor is. Socket family and type are AF and SOCK numbers. */
export type FdKind =
  | { readonly kind: 'tap'; readonly tap: TapInfo }
  | { readonly kind: 'packet'; readonly ifindex: number }
  | { readonly kind: 'socket'; readonly family: number; readonly type: number }
  | { readonly kind: 'other' };

/** Looks at a descriptor; undefined when the number is not open. */
export function inspectFd(fd: number): FdKind | undefined {
  if (!isOpenFd(fd)) return undefined;
  const ifindex = packetSocketInterface(fd);
  if (ifindex !== undefined) return { kind: 'packet', ifindex };
  const family = socketFamily(fd);
  const type = socketType(fd);
  if (family !== undefined && type !== undefined) return { kind: 'socket', family, type };
  const tap = tapInfo(fd);
  return tap === undefined ? { kind: 'other' } : { kind: 'tap', tap };
}
