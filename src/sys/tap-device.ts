// Tap devices: an fd side, which weft reads and writes, and a netdev side, which the kernel shows as
// an interface. Every frame is preceded by a virtio-net header of 12 octets (as guests use), and
// every offload the kernel has is on: a 64 KiB TCP segment crosses as one frame.
//
// An existing tap keeps what its maker set: persistence, owner, MTU, address. Only what belongs to
// whoever holds the fd is set on it, the header and the offloads. Opening is in the thread's own
// network namespace (netns.ts). Closing takes 20-28 ms, so it is the main thread's.

import { fstatSync, statSync } from 'node:fs';
import { ERRNO } from './errno.ts';
import { closeFd, ioctl, ioctlNumber, O_NONBLOCK, O_RDWR, openFd } from './fd.ts';
import { tapHolder } from './holders.ts';
import { cString, IFNAMSIZ, IFREQ_SIZE, IFREQ_UNION, ifreq, isInterfaceName } from './ifreq.ts';
import { checkResult, errnoText, SysError } from './sys-error.ts';

// linux/if_tun.h; _IOW('T', n, int) and _IOR('T', n, unsigned int)
const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOWNER = 0x400454cc;
const TUNSETGROUP = 0x400454ce;
const TUNSETOFFLOAD = 0x400454d0;
const TUNGETIFF = 0x800454d2;
const TUNGETVNETHDRSZ = 0x800454d7;
const TUNSETVNETHDRSZ = 0x400454d8;
const TUNGETDEVNETNS = 0x54e3;

const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_PERSIST = 0x0800;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_TUN_EXCL = 0x8000;

/** The reader takes frames whose checksum is still to be finished. */
export const TUN_F_CSUM = 0x01;
/** The reader takes TCP over IPv4 to be segmented. */
export const TUN_F_TSO4 = 0x02;
/** The reader takes TCP over IPv6 to be segmented. */
export const TUN_F_TSO6 = 0x04;
/** The reader takes TCP to be segmented with ECN bits. */
export const TUN_F_TSO_ECN = 0x08;
/** The reader takes UDP over IPv4 to be segmented (Linux 6.2). */
export const TUN_F_USO4 = 0x20;
/** The reader takes UDP over IPv6 to be segmented (Linux 6.2). */
export const TUN_F_USO6 = 0x40;

/** Size of the virtio-net header in front of every frame: virtio_net_hdr_mrg_rxbuf, linux/virtio_net.h. */
export const TAP_VNET_HDR_SIZE = 12;

const TSO = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
/** Tried in this order: all, then what kernels before 6.2 know, then less. */
const OFFLOADS = [TSO | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6, TSO | TUN_F_TSO_ECN, TSO, TUN_F_CSUM, 0];

/** An open tap. */
export interface TapDevice {
  /** Non-blocking; the caller closes it. */
  readonly fd: number;
  readonly name: string;
  /** Offloads the kernel accepted: TUN_F bits. */
  readonly offloads: number;
  /** Whether the interface did not exist before. */
  readonly created: boolean;
  /** Whether the interface outlives the descriptor. */
  readonly persistent: boolean;
}

/** What a tap descriptor is attached to. */
export interface TapInfo {
  readonly name: string;
  readonly persistent: boolean;
  /** Size of the virtio-net header in front of every frame; 0 without one. */
  readonly vnetHdrSize: number;
  /** Whether each frame is preceded by the four octets of struct tun_pi, which weft does not take. */
  readonly packetInfo: boolean;
}

/** How a tap is made, if it has to be; an existing one keeps what it has. */
export interface TapOptions {
  readonly persistent?: boolean;
  /** User and group ids that may open it without further rights. */
  readonly owner?: number;
  readonly group?: number;
}

/**
 * Opens the tap `name` and makes it if there is none. Throws SysError: EBUSY names the process that
 * holds it, EPERM and ENOENT say what is missing.
 */
export function openTap(name: string, options: TapOptions = {}): TapDevice {
  if (!isInterfaceName(name)) {
    throw new SysError(
      `${JSON.stringify(name)} cannot be an interface's name: 1 to 15 octets, no slash, colon, per cent sign or space`,
      ERRNO.EINVAL,
    );
  }
  const fd = openTunDevice();
  try {
    const created = attach(fd, name);
    configureTapHeader(fd);
    const offloads = setTapOffloads(fd);
    if (created) {
      if (options.owner !== undefined) checkResult(ioctlNumber(fd, TUNSETOWNER, options.owner), `set the owner of tap ${name}`);
      if (options.group !== undefined) checkResult(ioctlNumber(fd, TUNSETGROUP, options.group), `set the group of tap ${name}`);
      if (options.persistent) setTapPersistent(fd, true);
    }
    return { fd, name, offloads, created, persistent: tapInfo(fd)?.persistent ?? false };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Whether the interface behind `fd` outlives its last descriptor. Throws SysError. */
export function setTapPersistent(fd: number, persistent: boolean): void {
  checkResult(ioctlNumber(fd, TUNSETPERSIST, persistent ? 1 : 0), 'change the persistence of a tap');
}

/** Sets the virtio-net header of a tap descriptor that has one, opened here or inherited, to TAP_VNET_HDR_SIZE. Throws SysError. */
export function configureTapHeader(fd: number): void {
  checkResult(ioctl(fd, TUNSETVNETHDRSZ, int(TAP_VNET_HDR_SIZE)), 'set the virtio-net header size of a tap');
}

/** Turns on every offload the kernel has for a tap with a virtio-net header; returns which (TUN_F bits). */
export function setTapOffloads(fd: number): number {
  return OFFLOADS.find((offloads) => ioctlNumber(fd, TUNSETOFFLOAD, offloads) >= 0) ?? 0;
}

/** What the descriptor is attached to; undefined when it is no tap, or none with an interface. */
export function tapInfo(fd: number): TapInfo | undefined {
  const request = Buffer.alloc(IFREQ_SIZE);
  if (ioctl(fd, TUNGETIFF, request) < 0) return undefined;
  const flags = request.readUInt16LE(IFREQ_UNION);
  if ((flags & IFF_TAP) === 0) return undefined;
  const size = int(0);
  const vnetHdrSize = (flags & IFF_VNET_HDR) !== 0 && ioctl(fd, TUNGETVNETHDRSZ, size) >= 0 ? size.readInt32LE() : 0;
  return {
    name: cString(request, 0, IFNAMSIZ),
    persistent: (flags & IFF_PERSIST) !== 0,
    vnetHdrSize,
    packetInfo: (flags & IFF_NO_PI) === 0,
  };
}

/** A descriptor of the network namespace the tap's interface is in (it may have been moved); the caller closes it. Throws SysError. */
export function openTapNetns(fd: number): number {
  return checkResult(ioctlNumber(fd, TUNGETDEVNETNS, 0), 'find the network namespace of a tap');
}

/** Whether the tap's interface is in the network namespace of this thread. Throws SysError. */
export function isTapInOwnNetns(fd: number): boolean {
  const netns = openTapNetns(fd);
  try {
    return fstatSync(netns).ino === statSync('/proc/thread-self/ns/net').ino;
  } finally {
    closeFd(netns);
  }
}

const NO_DRIVER = 'there is no /dev/net/tun; load the driver with `modprobe tun`';
const OPEN_ADVICE: ReadonlyMap<number, string> = new Map([
  [ERRNO.ENOENT, NO_DRIVER],
  [ERRNO.ENODEV, NO_DRIVER],
  [ERRNO.ENXIO, NO_DRIVER],
  [ERRNO.EACCES, 'this needs root, or the right to read and write /dev/net/tun'],
]);

function openTunDevice(): number {
  try {
    return openFd('/dev/net/tun', O_RDWR | O_NONBLOCK);
  } catch (error) {
    const advice = error instanceof SysError ? OPEN_ADVICE.get(error.errno) : undefined;
    throw advice === undefined ? error : new SysError(`cannot make taps: ${advice}`, (error as SysError).errno);
  }
}

/** Attaches `fd` to the tap `name`; whether that made the interface. */
function attach(fd: number, name: string): boolean {
  const flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  // With IFF_TUN_EXCL the kernel refuses an interface that exists, so that there is no race in telling who made it.
  const made = setInterface(fd, name, flags | IFF_TUN_EXCL);
  if (made >= 0) return true;
  let result = made;
  if (made === -ERRNO.EBUSY) {
    result = setInterface(fd, name, flags);
    // A tap made with multi_queue takes only descriptors that say so; one queue is all we use of it.
    if (result === -ERRNO.EINVAL) result = setInterface(fd, name, flags | IFF_MULTI_QUEUE);
  }
  if (result < 0) throw attachError(name, result);
  return false;
}

function setInterface(fd: number, name: string, flags: number): number {
  const request = ifreq(name);
  request.writeUInt16LE(flags, IFREQ_UNION);
  return ioctl(fd, TUNSETIFF, request);
}

function attachError(name: string, result: number): SysError {
  switch (-result) {
    case ERRNO.EBUSY: {
      const holder = tapHolder(name);
      const who = holder === undefined ? 'another process' : `${holder.command} (pid ${holder.pid})`;
      return new SysError(`cannot open tap ${name}: ${who} holds it; stop that first, or use the port kind netdev`, result);
    }
    case ERRNO.EPERM:
      return new SysError(`cannot open tap ${name}: this needs root, or a tap whose owner you are (\`ip tuntap add\`)`, result);
    case ERRNO.EINVAL:
      return new SysError(
        `cannot open tap ${name}: an interface of that name exists and is no tap; use the port kind netdev`,
        result,
      );
    default:
      return new SysError(`cannot open tap ${name}: ${errnoText(result)}`, result);
  }
}

function int(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeInt32LE(value);
  return octets;
}
