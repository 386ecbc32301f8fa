// What a virtio-net header says about a frame, in one vocabulary for every port.
//
// The header comes from an untrusted guest. `judgeOffload` believes none of it: every field is held
// against the frame itself, hdr_len is never looked at, and what contradicts the frame is refused
// whole. What it accepts is what Linux accepts from a tap (virtio_net_hdr_to_skb), less what the
// virtio specification forbids a driver to send:
//
//   no gso, NEEDS_CSUM   the checksum field stands behind the Ethernet header and inside the frame.
//                        Which protocol it belongs to is the sender's affair: tunnels put it deep.
//   TCPV4, TCPV6         etherType and protocol agree (IPv6 through extension headers), no fragment,
//   UDP_L4               headers complete, gso size > 0, NEEDS_CSUM at exactly that header's checksum.
//   TCP, DATA_VALID      a TCP super-segment without NEEDS_CSUM that the device vouches for: a NIC's
//                        LRO delivers these to a packet socket. The checksum in it is the first
//                        segment's, so no egress can pass it on: it is FINISH, segmented by us.
//   UDP (UFO), others    refused: never negotiated.
//
// A super-segment whose payload fits one segment is an ordinary frame whose checksum is unfinished.

import { ETHERTYPE } from './ethernet.ts';
import { IP_PROTOCOL, L4_FRAGMENT, l4Offset, l4Protocol, TCP, TCP_HEADER_LEN_MIN, UDP, UDP_HEADER_LEN, walkToL4 } from './ip.ts';
import { VNET_FLAG, VNET_GSO, writeVnetHdr } from './virtio-net-hdr.ts';

/** Offload work a frame still needs, as bits of `need`. An egress port's capability mask uses the same bits. */
export const NEED = {
  /** The TCP or UDP checksum at csumStart + csumOffset is still to be finished. */
  CSUM: 1,
  /** A TCP over IPv4 super-segment of gsoSize payload octets a segment. */
  TSO4: 2,
  TSO6: 4,
  /** A UDP super-datagram to be cut into datagrams (not IP fragments) of gsoSize. */
  USO: 8,
  /** The TCP super-segment carries CWR, which only the first segment may keep. */
  ECN: 16,
  /** The checksum must be finished by us whatever the egress can do (DHCP clients read raw sockets). In no capability mask. */
  FINISH: 128,
} as const;

/** Every super-segment bit of NEED. */
export const NEED_SEGMENTATION = NEED.TSO4 | NEED.TSO6 | NEED.USO;

/** Answer of `judgeOffload`: the facts contradict the frame. */
export const BAD_OFFLOAD = -1;

const { CSUM, TSO4, TSO6, USO, ECN, FINISH } = NEED;
const { NEEDS_CSUM, DATA_VALID } = VNET_FLAG;
const { NONE: GSO_NONE, TCPV4: GSO_TCPV4, TCPV6: GSO_TCPV6, UDP_L4: GSO_UDP_L4, ECN: GSO_ECN } = VNET_GSO;
const { IPV4: ETHERTYPE_IPV4, IPV6: ETHERTYPE_IPV6 } = ETHERTYPE;
const { TCP: PROTOCOL_TCP, UDP: PROTOCOL_UDP } = IP_PROTOCOL;
const { CSUM: TCP_CSUM, DATA_OFFSET: TCP_DATA_OFFSET } = TCP;
const { SRC_PORT: UDP_SRC_PORT, DST_PORT: UDP_DST_PORT, CSUM: UDP_CSUM } = UDP;

const DHCP_SERVER = 67;
const DHCP_CLIENT = 68;
const DHCPV6_CLIENT = 546;
const DHCPV6_SERVER = 547;

/**
 * Judges the virtio-net header of one frame. `start` is the frame's first octet in `view`, `headLen` the contiguous
 * octets there (at least 256, or the frame), `frameLen` the octets of the frame in memory, `headerLen` its Ethernet
 * header with the tags in memory, `etherType` the type behind them; `csumStart` counts from `start`.
 *
 * Returns BAD_OFFLOAD, or `need | l3l4HeaderLen << 8`: bits of NEED, and for a super-segment the octets from the
 * payload's start to the end of the layer 4 header (else 0).
 */
export function judgeOffload(
  view: DataView,
  start: number,
  headLen: number,
  frameLen: number,
  headerLen: number,
  etherType: number,
  flags: number,
  gsoType: number,
  gsoSize: number,
  csumStart: number,
  csumOffset: number,
): number {
  const needsCsum = (flags & NEEDS_CSUM) !== 0;
  if (needsCsum && (csumStart < headerLen || csumStart + csumOffset + 2 > frameLen)) return BAD_OFFLOAD;
  const l3 = start + headerLen;
  const limit = start + Math.min(headLen, frameLen);
  if (gsoType === GSO_NONE) {
    if (!needsCsum) return 0;
    if (csumOffset !== UDP_CSUM) return CSUM;
    const walked = walkToL4(view, l3, limit, etherType);
    return walked >= 0 && isDhcp(view, l3, limit, etherType, walked) ? CSUM | FINISH : CSUM;
  }

  const segmentation = segmentationOf(gsoType, etherType);
  if (segmentation === 0 || gsoSize === 0) return BAD_OFFLOAD;
  const walked = walkToL4(view, l3, limit, etherType);
  if (walked < 0 || (walked & L4_FRAGMENT) !== 0) return BAD_OFFLOAD;
  const isUdp = segmentation === USO;
  if (l4Protocol(walked) !== (isUdp ? PROTOCOL_UDP : PROTOCOL_TCP)) return BAD_OFFLOAD;
  const l4 = l4Offset(walked);
  const l4HeaderLen = isUdp ? UDP_HEADER_LEN : tcpHeaderLen(view, l3 + l4, limit);
  if (l4HeaderLen === 0 || l3 + l4 + l4HeaderLen > limit) return BAD_OFFLOAD;

  if (needsCsum) {
    if (csumStart !== headerLen + l4 || csumOffset !== (isUdp ? UDP_CSUM : TCP_CSUM)) return BAD_OFFLOAD;
  } else if (isUdp || (flags & DATA_VALID) === 0) {
    return BAD_OFFLOAD;
  }
  let need = needsCsum ? CSUM : FINISH;
  if (isUdp && isDhcp(view, l3, limit, etherType, walked)) need |= FINISH;
  if (frameLen - headerLen - l4 - l4HeaderLen <= gsoSize) return needsCsum ? need : 0;
  need |= segmentation;
  if ((gsoType & GSO_ECN) !== 0) need |= ECN;
  return need | ((l4 + l4HeaderLen) << 8);
}

/**
 * Writes the 10-octet virtio-net header of a frame that leaves with `need` still to be done. `headerLen` is the
 * Ethernet header as it leaves, `csumStart` counts from the payload, `l3l4HeaderLen` as judgeOffload returned it. The
 * egress must be capable of everything in `need`; a frame that needs nothing gets a header of zeroes.
 */
export function writeOffload(
  view: DataView,
  offset: number,
  need: number,
  headerLen: number,
  l3l4HeaderLen: number,
  gsoSize: number,
  csumStart: number,
  csumOffset: number,
): void {
  const isSuper = (need & NEED_SEGMENTATION) !== 0;
  const hasCsum = (need & CSUM) !== 0;
  let gsoType: number = GSO_NONE;
  if ((need & TSO4) !== 0) gsoType = GSO_TCPV4;
  else if ((need & TSO6) !== 0) gsoType = GSO_TCPV6;
  else if ((need & USO) !== 0) gsoType = GSO_UDP_L4;
  if ((need & ECN) !== 0) gsoType |= GSO_ECN;
  writeVnetHdr(
    view,
    offset,
    hasCsum ? NEEDS_CSUM : 0,
    gsoType,
    isSuper ? headerLen + l3l4HeaderLen : 0,
    isSuper ? gsoSize : 0,
    hasCsum ? headerLen + csumStart : 0,
    hasCsum ? csumOffset : 0,
  );
}

/** The NEED bit for a gso type over `etherType`, or 0 when there is none. */
function segmentationOf(gsoType: number, etherType: number): number {
  const type = gsoType & ~GSO_ECN;
  if (type === GSO_TCPV4) return etherType === ETHERTYPE_IPV4 ? TSO4 : 0;
  if (type === GSO_TCPV6) return etherType === ETHERTYPE_IPV6 ? TSO6 : 0;
  if (gsoType === GSO_UDP_L4) return etherType === ETHERTYPE_IPV4 || etherType === ETHERTYPE_IPV6 ? USO : 0;
  return 0;
}

/** Octets of the TCP header at `l4`, or 0 when it is not all before `limit` or says nonsense. */
function tcpHeaderLen(view: DataView, l4: number, limit: number): number {
  if (l4 + TCP_HEADER_LEN_MIN > limit) return 0;
  const len = (view.getUint8(l4 + TCP_DATA_OFFSET) >>> 4) * 4;
  return len >= TCP_HEADER_LEN_MIN ? len : 0;
}

/** Whether the packet is UDP of DHCP or DHCPv6, to or from client or server. */
function isDhcp(view: DataView, l3: number, limit: number, etherType: number, walked: number): boolean {
  const l4 = l3 + l4Offset(walked);
  if (l4Protocol(walked) !== PROTOCOL_UDP || l4 + UDP_HEADER_LEN > limit) return false;
  const src = view.getUint16(l4 + UDP_SRC_PORT);
  const dst = view.getUint16(l4 + UDP_DST_PORT);
  return etherType === ETHERTYPE_IPV4 ? isDhcpV4Port(src) || isDhcpV4Port(dst) : isDhcpV6Port(src) || isDhcpV6Port(dst);
}

function isDhcpV4Port(port: number): boolean {
  return port === DHCP_SERVER || port === DHCP_CLIENT;
}

function isDhcpV6Port(port: number): boolean {
  return port === DHCPV6_CLIENT || port === DHCPV6_SERVER;
}
