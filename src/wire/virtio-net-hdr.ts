// struct virtio_net_hdr, the header that taps, packet sockets and vhost-user rings put before every
// frame [virtio 1.2, 5.1.6]:
//
//   0       1          2         4          6            8             10
//   +-------+----------+---------+----------+------------+-------------+--------------+
//   | flags | gso type | hdr len | gso size | csum start | csum offset | num buffers  |
//   +-------+----------+---------+----------+------------+-------------+--------------+
//
// num_buffers is there in the 12-octet form only. Fields are little endian: virtio 1 says so, and
// taps and packet sockets use the byte order of the machine, which is little endian wherever weft
// runs. Nothing in it is believed before judgeOffload (offload-facts.ts) has looked at the frame.

/** Octet offsets in the header. */
export const VNET = {
  FLAGS: 0,
  GSO_TYPE: 1,
  HDR_LEN: 2,
  GSO_SIZE: 4,
  CSUM_START: 6,
  CSUM_OFFSET: 8,
  NUM_BUFFERS: 10,
} as const;
/** Octets of the header without num_buffers. */
export const VNET_HDR_LEN = 10;
/** Octets of the header with num_buffers. */
export const VNET_HDR_MRG_LEN = 12;

/** Bits of `flags`. */
export const VNET_FLAG = {
  /** The checksum at csum_start + csum_offset is to be finished. */
  NEEDS_CSUM: 1,
  /** The sender has checked the checksums. */
  DATA_VALID: 2,
} as const;

/** Values of the gso type; ECN is a bit beside them. */
export const VNET_GSO = {
  NONE: 0,
  TCPV4: 1,
  /** UDP to be cut into IP fragments (UFO): never negotiated by weft. */
  UDP: 3,
  TCPV6: 4,
  /** UDP to be cut into datagrams (USO). */
  UDP_L4: 5,
  ECN: 0x80,
} as const;

/** The `flags` of the header at `offset`. */
export function vnetFlags(view: DataView, offset: number): number {
  return view.getUint8(offset + VNET.FLAGS);
}

/** The gso type of the header at `offset`, ECN bit included. */
export function vnetGsoType(view: DataView, offset: number): number {
  return view.getUint8(offset + VNET.GSO_TYPE);
}

/** The gso size of the header at `offset`. */
export function vnetGsoSize(view: DataView, offset: number): number {
  return view.getUint16(offset + VNET.GSO_SIZE, true);
}

/** Where the header at `offset` says checksumming starts, from the first octet of the frame. */
export function vnetCsumStart(view: DataView, offset: number): number {
  return view.getUint16(offset + VNET.CSUM_START, true);
}

/** Where the header at `offset` says the checksum goes, from csum_start. */
export function vnetCsumOffset(view: DataView, offset: number): number {
  return view.getUint16(offset + VNET.CSUM_OFFSET, true);
}

/** Writes the first 10 octets of a header at `offset`. */
export function writeVnetHdr(
  view: DataView,
  offset: number,
  flags: number,
  gsoType: number,
  hdrLen: number,
  gsoSize: number,
  csumStart: number,
  csumOffset: number,
): void {
  view.setUint8(offset + VNET.FLAGS, flags);
  view.setUint8(offset + VNET.GSO_TYPE, gsoType);
  view.setUint16(offset + VNET.HDR_LEN, hdrLen, true);
  view.setUint16(offset + VNET.GSO_SIZE, gsoSize, true);
  view.setUint16(offset + VNET.CSUM_START, csumStart, true);
  view.setUint16(offset + VNET.CSUM_OFFSET, csumOffset, true);
}

/** Writes num_buffers of the 12-octet header at `offset`: the number of receive buffers the frame fills. */
export function writeVnetNumBuffers(view: DataView, offset: number, count: number): void {
  view.setUint16(offset + VNET.NUM_BUFFERS, count, true);
}
