// Internet addresses between text and octets, by the C library.

import { declare } from './ffi.ts';
import { cString } from './ifreq.ts';
import { AF_INET, AF_INET6 } from './socket.ts';

const inetPton = declare('int inet_pton(int family, const char* text, void* octets)');
const inetNtop = declare('void* inet_ntop(int family, void* octets, void* text, uint size)');

const IPV4_SIZE = 4;
const IPV6_SIZE = 16;
/** netinet/in.h INET6_ADDRSTRLEN. */
const TEXT_SIZE = 46;

/** The 4 or 16 octets of an address; undefined when the text is none. */
export function parseIp(text: string): Buffer | undefined {
  const isIpv6 = text.includes(':');
  const octets = Buffer.alloc(isIpv6 ? IPV6_SIZE : IPV4_SIZE);
  return inetPton(isIpv6 ? AF_INET6 : AF_INET, text, octets) === 1 ? octets : undefined;
}

/** The text of an address of 4 or 16 octets. */
export function formatIp(octets: Uint8Array): string {
  const text = Buffer.alloc(TEXT_SIZE);
  inetNtop(octets.length === IPV6_SIZE ? AF_INET6 : AF_INET, octets, text, TEXT_SIZE);
  return cString(text, 0, TEXT_SIZE);
}
