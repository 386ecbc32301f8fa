// Addresses and routes of interfaces, by rtnetlink(7), in the network namespace the thread is in
// (netns.ts). The host port is given its address here; whether a host lives on an interface, which
// decides how it may be used as an uplink, is read here. All functions throw SysError.

import { ERRNO } from './errno.ts';
import { formatIp, parseIp } from './ip-text.ts';
import { attribute, attributeNumber, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, netlinkRequest, parseAttributes } from './netlink.ts';
import { AF_INET, AF_INET6 } from './socket.ts';
import { SysError } from './sys-error.ts';

// linux/rtnetlink.h
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_TABLE = 15;
const RT_TABLE_MAIN = 254;

/** struct ifaddrmsg: family (u8), prefix length (u8), flags (u8), scope (u8), ifindex (u32); linux/if_addr.h. */
const IFADDRMSG_SIZE = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_F_PERMANENT = 0x80;

/** struct rtmsg: family, destination length, source length, tos, table, protocol, scope, type (u8 each), flags (u32). */
const RTMSG_SIZE = 12;
const RTMSG_TABLE = 4;

/** linux/rtnetlink.h, enum rt_scope_t. */
const SCOPES = new Map([
  [0, 'global'],
  [200, 'site'],
  [253, 'link'],
  [254, 'host'],
]);

/** An address of an interface. */
export interface InterfaceAddress {
  readonly ifindex: number;
  readonly family: 'ipv4' | 'ipv6';
  /** As people write it, without the prefix. */
  readonly address: string;
  readonly prefixLen: number;
  /** How far it is valid: `global`, `site`, `link`, `host`, or a number. */
  readonly scope: string;
  /** Whether someone set it, or the kernel made it for good; false for one learned for a time. */
  readonly permanent: boolean;
}

/** An IPv4 route of the main table. */
export interface Route {
  /** Undefined for a default route. */
  readonly destination: string | undefined;
  readonly prefixLen: number;
  readonly gateway: string | undefined;
  /** Interface it leaves by; undefined when it has none or several. */
  readonly ifindex: number | undefined;
  readonly metric: number;
}

/** Addresses of one interface, or of all. */
export function listAddresses(ifindex?: number): InterfaceAddress[] {
  return netlinkRequest('list the addresses', RTM_GETADDR, NLM_F_DUMP, Buffer.alloc(IFADDRMSG_SIZE))
    .filter((message) => message.type === RTM_NEWADDR)
    .map(({ body }): InterfaceAddress => {
      const attributes = parseAttributes(body, IFADDRMSG_SIZE);
      // IFA_ADDRESS is the other side's on a point-to-point interface; IFA_LOCAL, where there is one, is always ours.
      const octets = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS) ?? Buffer.alloc(4);
      const scope = body.readUInt8(3);
      return {
        ifindex: body.readUInt32LE(4),
        family: body.readUInt8(0) === AF_INET6 ? 'ipv6' : 'ipv4',
        address: formatIp(octets),
        prefixLen: body.readUInt8(1),
        scope: SCOPES.get(scope) ?? `${scope}`,
        permanent: (body.readUInt8(2) & IFA_F_PERMANENT) !== 0,
      };
    })
    .filter((address) => ifindex === undefined || address.ifindex === ifindex);
}

/** Gives an interface an address; no error when it has it already. */
export function addAddress(ifindex: number, address: string, prefixLen: number): void {
  const body = addressBody(ifindex, address, prefixLen);
  try {
    netlinkRequest(`add address ${address}/${prefixLen}`, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body);
  } catch (error) {
    if (!(error instanceof SysError) || error.errno !== ERRNO.EEXIST) throw error;
  }
}

/** Takes an address away; no error when it, or the interface, is not there. */
export function deleteAddress(ifindex: number, address: string, prefixLen: number): void {
  try {
    netlinkRequest(`delete address ${address}/${prefixLen}`, RTM_DELADDR, 0, addressBody(ifindex, address, prefixLen));
  } catch (error) {
    if (!(error instanceof SysError) || (error.errno !== ERRNO.EADDRNOTAVAIL && error.errno !== ERRNO.ENODEV)) throw error;
  }
}

/** IPv4 routes of the main table. */
export function listRoutes(): Route[] {
  const request = Buffer.alloc(RTMSG_SIZE);
  request.writeUInt8(AF_INET, 0);
  return netlinkRequest('list the routes', RTM_GETROUTE, NLM_F_DUMP, request)
    .filter((message) => message.type === RTM_NEWROUTE)
    .map(({ body }) => ({ body, attributes: parseAttributes(body, RTMSG_SIZE) }))
    .filter(({ body, attributes }) => (attributeNumber(attributes, RTA_TABLE) ?? body.readUInt8(RTMSG_TABLE)) === RT_TABLE_MAIN)
    .map(({ body, attributes }) => ({
      destination: optionalIp(attributes.get(RTA_DST)),
      prefixLen: body.readUInt8(1),
      gateway: optionalIp(attributes.get(RTA_GATEWAY)),
      ifindex: attributeNumber(attributes, RTA_OIF),
      metric: attributeNumber(attributes, RTA_PRIORITY) ?? 0,
    }));
}

function optionalIp(octets: Buffer | undefined): string | undefined {
  return octets === undefined ? undefined : formatIp(octets);
}

function addressBody(ifindex: number, address: string, prefixLen: number): Buffer {
  const octets = parseIp(address);
  if (octets === undefined || !Number.isInteger(prefixLen) || prefixLen < 0 || prefixLen > octets.length * 8) {
    throw new SysError(`${address}/${prefixLen} is no Internet address with a prefix length, such as 192.0.2.1/24`, ERRNO.EINVAL);
  }
  const message = Buffer.alloc(IFADDRMSG_SIZE);
  message.writeUInt8(octets.length === 4 ? AF_INET : AF_INET6, 0);
  message.writeUInt8(prefixLen, 1);
  message.writeUInt32LE(ifindex, 4);
  const parts = [message, attribute(IFA_LOCAL, octets), attribute(IFA_ADDRESS, octets)];
  if (octets.length === 4 && prefixLen < 31) parts.push(attribute(IFA_BROADCAST, broadcastOf(octets, prefixLen)));
  return Buffer.concat(parts);
}

/** The highest address of an IPv4 prefix. */
function broadcastOf(octets: Buffer, prefixLen: number): Buffer {
  const broadcast = Buffer.alloc(4);
  const hostBits = prefixLen === 0 ? 0xffffffff : 0xffffffff >>> prefixLen;
  broadcast.writeUInt32BE((octets.readUInt32BE() | hostBits) >>> 0);
  return broadcast;
}
