// What the kernel knows of interfaces, and changes to it: the part of rtnetlink(7) that weft needs.
// Every function speaks to the network namespace the thread is in (netns.ts) and throws SysError.

import { ERRNO } from './errno.ts';
import { isInterfaceName } from './ifreq.ts';
import {
  type Attributes,
  attribute,
  attributeNumber,
  attributeString,
  attributeText,
  attributeU32,
  type NetlinkMessage,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  nestedAttribute,
  netlinkRequest,
  parseAttributes,
} from './netlink.ts';
import { SysError } from './sys-error.ts';

// linux/rtnetlink.h
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;

// linux/if.h
export const IFF_UP = 0x1;
export const IFF_LOOPBACK = 0x8;
export const IFF_RUNNING = 0x40;
export const IFF_NOARP = 0x80;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;

/** struct ifinfomsg: family (u8), padding, type (u16), index (s32), flags (u32), changed flags (u32). */
const IFINFOMSG_SIZE = 16;

// linux/if_link.h
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_GROUP = 27;
const IFLA_EXT_MASK = 29;
const IFLA_CARRIER = 33;
const IFLA_LINK_NETNSID = 37;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_MACVLAN_MODE = 1;
const MACVLAN_MODE_PASSTHRU = 8;

/** linux/rtnetlink.h: leave the counters out of the answer. */
const RTEXT_FILTER_SKIP_STATS = 8;

/** Operational states by number (linux/if.h, RFC 2863). */
const OPERSTATES = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'] as const;

/** Operational state of an interface, RFC 2863. */
export type Operstate = (typeof OPERSTATES)[number];

/** An interface as the kernel shows it. */
export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** IFF bits. */
  readonly flags: number;
  /** Kind of device: ARPHRD number of linux/if_arp.h; 1 is Ethernet. */
  readonly hardwareType: number;
  readonly mtu: number;
  /** Six octets for Ethernet; of another length, or none, for others. */
  readonly mac: Uint8Array;
  readonly operstate: Operstate;
  /** Whether the device sees its other side; false also while it is down. */
  readonly carrier: boolean;
  /** Kind of virtual device (`tun`, `veth`, `bridge`, …); undefined for hardware. */
  readonly kind: string | undefined;
  /** ifindex of the bridge or bond it is a port of, and the kind of that. */
  readonly master: number | undefined;
  readonly masterKind: string | undefined;
  /** Number of the group it is in, by which many are changed at once; 0 unless somebody chose one. */
  readonly group: number;
  /** Text that people or programs put on it (`ip link set … alias`), up to 255 octets; it stays when the interface moves. */
  readonly alias: string | undefined;
  /** ifindex of the device it sits on, or of a veth's other end; in the namespace `peerNetnsId` when that is given. */
  readonly peer: number | undefined;
  readonly peerNetnsId: number | undefined;
}

/** A change to an interface; what is left out stays. */
export interface LinkChange {
  readonly up?: boolean;
  /** Whether the interface answers and asks by ARP (IFF_NOARP when false). */
  readonly arp?: boolean;
  /** Whether the interface takes frames to every group address (IFF_ALLMULTI). */
  readonly allMulticast?: boolean;
  readonly mtu?: number;
  /** Six octets. */
  readonly mac?: Uint8Array;
  readonly group?: number;
  /** Up to 255 octets. */
  readonly alias?: string;
}

/** All interfaces of the namespace. */
export function listLinks(): Link[] {
  const body = Buffer.concat([ifinfomsg(0), attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)]);
  return netlinkRequest('list the interfaces', RTM_GETLINK, NLM_F_DUMP, body)
    .filter((message) => message.type === RTM_NEWLINK)
    .map(parseLink);
}

/** An interface by name or ifindex; undefined when there is none. */
export function findLink(which: string | number): Link | undefined {
  if (typeof which === 'string' && !isInterfaceName(which)) return undefined;
  const selector = typeof which === 'string' ? [ifinfomsg(0), attributeString(IFLA_IFNAME, which)] : [ifinfomsg(which)];
  const body = Buffer.concat([...selector, attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)]);
  try {
    const message = netlinkRequest(`look up interface ${which}`, RTM_GETLINK, 0, body)[0];
    return message === undefined ? undefined : parseLink(message);
  } catch (error) {
    if (error instanceof SysError && error.errno === ERRNO.ENODEV) return undefined;
    throw error;
  }
}

/** As `findLink`; throws SysError when there is no such interface. */
export function getLink(which: string | number): Link {
  const link = findLink(which);
  if (link === undefined) {
    throw new SysError(`there is no interface ${which}; \`ip link\` lists those there are`, ERRNO.ENODEV);
  }
  return link;
}

/** Changes an interface, all of `change` in one request. */
export function setLink(ifindex: number, change: LinkChange): void {
  let flags = 0;
  let mask = 0;
  if (change.up !== undefined) {
    mask |= IFF_UP;
    flags |= change.up ? IFF_UP : 0;
  }
  if (change.arp !== undefined) {
    mask |= IFF_NOARP;
    flags |= change.arp ? 0 : IFF_NOARP;
  }
  if (change.allMulticast !== undefined) {
    mask |= IFF_ALLMULTI;
    flags |= change.allMulticast ? IFF_ALLMULTI : 0;
  }
  const parts = [ifinfomsg(ifindex, flags, mask)];
  if (change.mtu !== undefined) parts.push(attributeU32(IFLA_MTU, change.mtu));
  if (change.mac !== undefined) parts.push(attribute(IFLA_ADDRESS, change.mac));
  if (change.group !== undefined) parts.push(attributeU32(IFLA_GROUP, change.group));
  if (change.alias !== undefined) parts.push(attribute(IFLA_IFALIAS, Buffer.from(change.alias)));
  netlinkRequest(`change interface ${ifindex}`, RTM_NEWLINK, 0, Buffer.concat(parts));
}

/** Makes a macvtap in passthru mode on the interface `lower`, with its MTU and address; EBUSY or EINVAL when something else is on that. */
export function addMacvtap(name: string, lower: number): void {
  const mode = nestedAttribute(IFLA_INFO_DATA, attributeU32(IFLA_MACVLAN_MODE, MACVLAN_MODE_PASSTHRU));
  const body = Buffer.concat([
    ifinfomsg(0),
    attributeString(IFLA_IFNAME, name),
    attributeU32(IFLA_LINK, lower),
    nestedAttribute(IFLA_LINKINFO, attributeString(IFLA_INFO_KIND, 'macvtap'), mode),
  ]);
  netlinkRequest(`make macvtap ${name}`, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body);
}

/** Deletes a virtual interface (a veth takes its other end along). */
export function deleteLink(ifindex: number): void {
  netlinkRequest(`delete interface ${ifindex}`, RTM_DELLINK, 0, ifinfomsg(ifindex));
}

/** Deletes all interfaces of a group; ENODEV when there is none. */
export function deleteLinkGroup(group: number): void {
  const body = Buffer.concat([ifinfomsg(0), attributeU32(IFLA_GROUP, group)]);
  netlinkRequest(`delete the interfaces of group ${group}`, RTM_DELLINK, 0, body);
}

/** Reads an RTM_NEWLINK or RTM_DELLINK message. */
export function parseLink(message: NetlinkMessage): Link {
  const { body } = message;
  const attributes = parseAttributes(body, IFINFOMSG_SIZE);
  const info = nested(attributes, IFLA_LINKINFO);
  return {
    ifindex: body.readInt32LE(4),
    name: attributeText(attributes, IFLA_IFNAME) ?? '',
    flags: body.readUInt32LE(8),
    hardwareType: body.readUInt16LE(2),
    mtu: attributeNumber(attributes, IFLA_MTU) ?? 0,
    mac: Uint8Array.from(attributes.get(IFLA_ADDRESS) ?? []),
    operstate: OPERSTATES[attributeNumber(attributes, IFLA_OPERSTATE) ?? 0] ?? 'unknown',
    carrier: attributeNumber(attributes, IFLA_CARRIER) === 1 && (body.readUInt32LE(8) & IFF_UP) !== 0,
    kind: attributeText(info, IFLA_INFO_KIND),
    master: attributeNumber(attributes, IFLA_MASTER),
    masterKind: attributeText(info, IFLA_INFO_SLAVE_KIND),
    group: attributeNumber(attributes, IFLA_GROUP) ?? 0,
    alias: attributeText(attributes, IFLA_IFALIAS),
    peer: attributeNumber(attributes, IFLA_LINK),
    peerNetnsId: attributeNumber(attributes, IFLA_LINK_NETNSID),
  };
}

function nested(attributes: Attributes, type: number): Attributes {
  return parseAttributes(attributes.get(type) ?? Buffer.alloc(0));
}

function ifinfomsg(ifindex: number, flags = 0, mask = 0): Buffer {
  const octets = Buffer.alloc(IFINFOMSG_SIZE);
  octets.writeInt32LE(ifindex, 4);
  octets.writeUInt32LE(flags, 8);
  octets.writeUInt32LE(mask, 12);
  return octets;
}
