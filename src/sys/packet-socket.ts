// Packet sockets (packet(7)): the netdev side of an interface. The kernel hands over a copy of
// every frame the interface receives, and sends what is written.
//
// With PACKET_VNET_HDR every frame is preceded by a virtio-net header of 10 octets, so offloaded
// frames cross whole. The kernel takes the VLAN tag out of a received frame; PACKET_AUXDATA brings
// it back as a control message, whose layout is exported here for whoever parses it.
// Opening, closing (7-11 ms) and options are the main thread's; frames are read elsewhere.

import { ERRNO } from './errno.ts';
import { closeFd, setNonBlocking } from './fd.ts';
import {
  AF_PACKET,
  bindSocket,
  openSocket,
  SOCK_NONBLOCK,
  SOCK_RAW,
  setReceiveBufferSize,
  setSendBufferSize,
  setSocketOption,
  socketAddress,
  socketFamily,
  socketOption,
  socketType,
} from './socket.ts';
import { checkResult, SysError } from './sys-error.ts';

// linux/if_packet.h, linux/socket.h
/** Level of packet socket options and of their control messages. */
export const SOL_PACKET = 263;
/** Type of the control message that carries a struct tpacket_auxdata. */
export const PACKET_AUXDATA = 8;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_STATISTICS = 6;
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_MR_PROMISC = 1;
const PACKET_MR_ALLMULTI = 2;

/** linux/if_ether.h */
const ETH_P_ALL = 0x0003;

/** struct sockaddr_ll: family (u16), protocol (be16), ifindex (s32), hardware type, packet type, address: 20 octets. */
const SOCKADDR_LL_SIZE = 20;
const SOCKADDR_LL_PROTOCOL = 2;
const SOCKADDR_LL_IFINDEX = 4;
/** struct packet_mreq: ifindex (s32), type (u16), address length (u16), address (8 octets). */
const PACKET_MREQ_SIZE = 16;
/** struct tpacket_stats: packets (u32), drops (u32). */
const TPACKET_STATS_SIZE = 8;

/** Size of the virtio-net header in front of every frame: struct virtio_net_hdr, linux/virtio_net.h. */
export const PACKET_VNET_HDR_SIZE = 10;

/** struct cmsghdr: length with this header (u64), level (s32), type (s32); then the data, all at multiples of eight. */
export const CMSG_LEVEL = 8;
export const CMSG_TYPE = 12;
export const CMSG_DATA = 16;
/** struct tpacket_auxdata: status (u32), len (u32), snaplen (u32), mac (u16), net (u16), VLAN TCI (u16), VLAN TPID (u16). */
export const AUXDATA_SIZE = 20;
export const AUXDATA_STATUS = 0;
export const AUXDATA_VLAN_TCI = 16;
export const AUXDATA_VLAN_TPID = 18;
/** Room the control message of one received frame takes. */
export const AUXDATA_CONTROL_SIZE = CMSG_DATA + 24;

/** Status: the checksum is still to be finished. */
export const TP_STATUS_CSUMNOTREADY = 0x08;
/** Status: a VLAN tag was taken out, its TCI is in the auxdata. */
export const TP_STATUS_VLAN_VALID = 0x10;
/** Status: the TPID of that tag is in the auxdata, too; otherwise it is 0x8100. */
export const TP_STATUS_VLAN_TPID_VALID = 0x40;
/** Status: the checksum was checked and is right. */
export const TP_STATUS_CSUM_VALID = 0x80;

/** How a packet socket is opened; buffer sizes in octets. */
export interface PacketSocketOptions {
  /** Interface, in the thread's network namespace. */
  readonly ifindex: number;
  readonly receiveBufferSize?: number;
  readonly sendBufferSize?: number;
}

/** An open packet socket, non-blocking, in promiscuous mode; the caller closes `fd`. */
export interface PacketSocket {
  readonly fd: number;
  readonly ifindex: number;
  /** Size of the header in front of every frame: PACKET_VNET_HDR_SIZE, or 0 where the kernel refused it. */
  readonly vnetHdrSize: number;
  /** Buffers as the kernel granted them (twice what was asked, or less than that). */
  readonly receiveBufferSize: number;
  readonly sendBufferSize: number;
}

/** Frames of a packet socket since the last reading. */
export interface PacketStatistics {
  /** Offered to the socket, the dropped ones included. */
  readonly frames: number;
  /** Dropped by the kernel because the receive buffer was full. */
  readonly drops: number;
}

/** Enough for some thousand small frames, or some hundred of 64 KiB, between two turns. */
const BUFFER_SIZE = 8 << 20;

/**
 * Opens a packet socket on one interface: every frame it receives, none it sends, tags in auxdata,
 * offloaded frames whole. Throws SysError: EPERM says what is missing, ENODEV that the interface is not there.
 */
export function openPacketSocket(options: PacketSocketOptions): PacketSocket {
  const { ifindex } = options;
  // Protocol 0 receives nothing: no frame of another interface slips in before the socket is bound to this one.
  const fd = openPacketFd();
  try {
    const configured = configure(fd, options);
    addMembership(fd, ifindex, PACKET_MR_PROMISC);
    addMembership(fd, ifindex, PACKET_MR_ALLMULTI);
    bindPacketSocket(fd, ifindex);
    return { fd, ifindex, ...configured };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/**
 * Sets up an inherited packet socket as `openPacketSocket` would; what it is bound to and which
 * frames it is a member for stay as they were. Throws SysError when it is none, or not bound to one interface.
 */
export function adoptPacketSocket(fd: number): PacketSocket {
  const ifindex = packetSocketInterface(fd);
  if (ifindex === undefined) throw new SysError(`descriptor ${fd} is no packet socket`, ERRNO.ENOTSOCK);
  if (ifindex <= 0) throw new SysError(`the packet socket ${fd} is not bound to an interface`, ERRNO.EINVAL);
  setNonBlocking(fd);
  return { fd, ifindex, ...configure(fd, {}) };
}

/** Reads and resets the kernel's counters of the socket; undefined when `fd` is no packet socket. */
export function readPacketStatistics(fd: number): PacketStatistics | undefined {
  const statistics = socketOption(fd, SOL_PACKET, PACKET_STATISTICS, TPACKET_STATS_SIZE);
  return statistics && { frames: statistics.readUInt32LE(0), drops: statistics.readUInt32LE(4) };
}

/** The interface a raw packet socket is bound to (0: all); undefined when `fd` is none. */
export function packetSocketInterface(fd: number): number | undefined {
  if (socketFamily(fd) !== AF_PACKET || socketType(fd) !== SOCK_RAW) return undefined;
  return socketAddress(fd, SOCKADDR_LL_SIZE)?.readInt32LE(SOCKADDR_LL_IFINDEX);
}

function openPacketFd(): number {
  try {
    return openSocket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0, 'a packet socket');
  } catch (error) {
    if (!(error instanceof SysError) || error.errno !== ERRNO.EPERM) throw error;
    throw new SysError(
      'cannot open a packet socket: this needs root (CAP_NET_RAW in the namespace of the interface)',
      error.errno,
    );
  }
}

function configure(fd: number, options: Omit<PacketSocketOptions, 'ifindex'>): Omit<PacketSocket, 'fd' | 'ifindex'> {
  const vnetHdr = setSocketOption(fd, SOL_PACKET, PACKET_VNET_HDR, 1) === 0;
  checkResult(setSocketOption(fd, SOL_PACKET, PACKET_AUXDATA, 1), 'have VLAN tags reported by a packet socket');
  checkResult(
    setSocketOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1),
    'keep outgoing frames from a packet socket (Linux 4.20)',
  );
  return {
    vnetHdrSize: vnetHdr ? PACKET_VNET_HDR_SIZE : 0,
    receiveBufferSize: setReceiveBufferSize(fd, options.receiveBufferSize ?? BUFFER_SIZE),
    sendBufferSize: setSendBufferSize(fd, options.sendBufferSize ?? BUFFER_SIZE),
  };
}

function addMembership(fd: number, ifindex: number, type: number): void {
  const request = Buffer.alloc(PACKET_MREQ_SIZE);
  request.writeInt32LE(ifindex, 0);
  request.writeUInt16LE(type, 4);
  checkResult(setSocketOption(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, request), `receive all frames of interface ${ifindex}`);
}

function bindPacketSocket(fd: number, ifindex: number): void {
  const address = Buffer.alloc(SOCKADDR_LL_SIZE);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(ETH_P_ALL, SOCKADDR_LL_PROTOCOL);
  address.writeInt32LE(ifindex, SOCKADDR_LL_IFINDEX);
  checkResult(bindSocket(fd, address), `bind a packet socket to interface ${ifindex}`);
}
