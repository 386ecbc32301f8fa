// Where things stand in ARP, IPv4, IPv6, TCP and UDP headers, and the way from an Ethernet payload
// to the layer 4 header. Offsets are counted from the start of the header they name. RFC 826, 791,
// 8200, 9293, 768.
//
// `walkToL4` answers with one packed number, because it runs per frame:
//
//   31      26   25      24     23          16 15                         0
//  +----------+--------+------+---------------+----------------------------+
//  | 0        | ROUTED | FRAG | protocol      | L4 offset from L3 start    |
//  +----------+--------+------+---------------+----------------------------+
//
// It walks the IPv6 extension headers that a sender may put before TCP or UDP without changing what
// those mean: hop-by-hop and destination options, routing, fragment. AH and ESP end the walk as the
// protocol: nothing behind them can be altered or cut in two. The walk is bounded, so a frame made
// of thousands of empty extension headers costs no more than any other.

import { ETHERTYPE } from './ethernet.ts';

/** IPv4 header. */
export const IPV4 = {
  VERSION_IHL: 0,
  TOTAL_LEN: 2,
  ID: 4,
  /** Flags (DF 0x4000, MF 0x2000) and fragment offset. */
  FRAGMENT: 6,
  TTL: 8,
  PROTOCOL: 9,
  CSUM: 10,
  SRC: 12,
  DST: 16,
} as const;
/** Octets of an IPv4 header without options. */
export const IPV4_HEADER_LEN_MIN = 20;

/** IPv6 header. */
export const IPV6 = { VERSION: 0, PAYLOAD_LEN: 4, NEXT_HEADER: 6, HOP_LIMIT: 7, SRC: 8, DST: 24 } as const;
/** Octets of the fixed IPv6 header. */
export const IPV6_HEADER_LEN = 40;
/** Extension headers walked at most; real packets have two or three. */
export const IPV6_EXTENSIONS_MAX = 8;

/** TCP header. */
export const TCP = {
  SRC_PORT: 0,
  DST_PORT: 2,
  SEQ: 4,
  ACK: 8,
  /** Upper four bits: header length in 32-bit words. */
  DATA_OFFSET: 12,
  FLAGS: 13,
  WINDOW: 14,
  CSUM: 16,
  URGENT: 18,
} as const;
/** Octets of a TCP header without options. */
export const TCP_HEADER_LEN_MIN = 20;
/** Bits of the TCP flags octet. */
export const TCP_FLAG = { FIN: 0x01, SYN: 0x02, RST: 0x04, PSH: 0x08, ACK: 0x10, URG: 0x20, ECE: 0x40, CWR: 0x80 } as const;

/** UDP header. */
export const UDP = { SRC_PORT: 0, DST_PORT: 2, LEN: 4, CSUM: 6 } as const;
/** Octets of a UDP header. */
export const UDP_HEADER_LEN = 8;

/** ARP for Ethernet and IPv4. */
export const ARP = {
  HARDWARE: 0,
  PROTOCOL: 2,
  HARDWARE_LEN: 4,
  PROTOCOL_LEN: 5,
  OPERATION: 6,
  SENDER_MAC: 8,
  SENDER_IP: 14,
  TARGET_MAC: 18,
  TARGET_IP: 24,
} as const;
/** Octets of an ARP packet for Ethernet and IPv4. */
export const ARP_LEN = 28;

/** Protocol numbers: IPv4's protocol field and IPv6's next header. */
export const IP_PROTOCOL = {
  HOP_BY_HOP: 0,
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  ROUTING: 43,
  FRAGMENT: 44,
  ESP: 50,
  AH: 51,
  ICMPV6: 58,
  DESTINATION_OPTIONS: 60,
} as const;

/** Answer of `walkToL4` when the payload is not IP, is malformed, or its headers are not complete. */
export const NO_L4 = -1;
/** Bit in the answer of `walkToL4`: the packet is a fragment, the first one included. */
export const L4_FRAGMENT = 1 << 24;
/** Bit in the answer of `walkToL4`: an IPv6 routing header names another final destination than the IPv6 header. */
export const L4_ROUTED = 1 << 25;

const ETHERTYPE_IPV4 = ETHERTYPE.IPV4;
const ETHERTYPE_IPV6 = ETHERTYPE.IPV6;
const HOP_BY_HOP = IP_PROTOCOL.HOP_BY_HOP;
const ROUTING = IP_PROTOCOL.ROUTING;
const FRAGMENT = IP_PROTOCOL.FRAGMENT;
const DESTINATION_OPTIONS = IP_PROTOCOL.DESTINATION_OPTIONS;

/**
 * Finds the layer 4 header of the packet that starts at `l3`; octets before `limit` are readable. Returns the packed
 * number drawn above, or NO_L4. The layer 4 header starts at or before `limit`; that it is complete is not checked.
 */
export function walkToL4(view: DataView, l3: number, limit: number, etherType: number): number {
  if (etherType === ETHERTYPE_IPV4) return walkIpv4(view, l3, limit);
  if (etherType === ETHERTYPE_IPV6) return walkIpv6(view, l3, limit);
  return NO_L4;
}

/** The protocol in an answer of `walkToL4`. */
export function l4Protocol(walked: number): number {
  return (walked >>> 16) & 0xff;
}

/** The offset of the layer 4 header from the start of layer 3, in an answer of `walkToL4`. */
export function l4Offset(walked: number): number {
  return walked & 0xffff;
}

function walkIpv4(view: DataView, l3: number, limit: number): number {
  if (l3 + IPV4_HEADER_LEN_MIN > limit) return NO_L4;
  const versionIhl = view.getUint8(l3 + IPV4.VERSION_IHL);
  const headerLen = (versionIhl & 0x0f) * 4;
  if (versionIhl >>> 4 !== 4 || headerLen < IPV4_HEADER_LEN_MIN || l3 + headerLen > limit) return NO_L4;
  const fragment = (view.getUint16(l3 + IPV4.FRAGMENT) & 0x3fff) === 0 ? 0 : L4_FRAGMENT;
  return headerLen | (view.getUint8(l3 + IPV4.PROTOCOL) << 16) | fragment;
}

function walkIpv6(view: DataView, l3: number, limit: number): number {
  if (l3 + IPV6_HEADER_LEN > limit || view.getUint8(l3 + IPV6.VERSION) >>> 4 !== 6) return NO_L4;
  let next = view.getUint8(l3 + IPV6.NEXT_HEADER);
  let at = l3 + IPV6_HEADER_LEN;
  let bits = 0;
  for (let walked = 0; isExtension(next); walked++) {
    if (walked === IPV6_EXTENSIONS_MAX || at + 8 > limit) return NO_L4;
    const type = next;
    next = view.getUint8(at);
    // The length octet counts 8-octet units beyond the first; a fragment header has none [RFC 8200 4.2-4.6].
    let len = 8;
    if (type === FRAGMENT) bits |= L4_FRAGMENT;
    else len += view.getUint8(at + 1) * 8;
    // Octet 3 is Segments Left: 0 means the final destination stands in the IPv6 header.
    if (type === ROUTING && view.getUint8(at + 3) !== 0) bits |= L4_ROUTED;
    // Behind a fragment header other than the first stands payload, which looks like anything.
    const isLaterFragment = type === FRAGMENT && view.getUint16(at + 2) >>> 3 !== 0;
    at += len;
    if (at > limit) return NO_L4;
    if (isLaterFragment) break;
  }
  return (at - l3) | (next << 16) | bits;
}

function isExtension(next: number): boolean {
  return next === HOP_BY_HOP || next === ROUTING || next === FRAGMENT || next === DESTINATION_OPTIONS;
}
