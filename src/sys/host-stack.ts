// Keeps the host's own protocols off an interface that is a port of the switch. A packet socket
// gets a copy; the host would get every frame too, past all policy: it answered DHCP, ARP and
// unicast to its own address on ports that were to be isolated. Three things together stop it:
//
// - a filter at the interface's ingress drops everything behind the packet socket (traffic-control.ts);
// - IPv6 is turned off, so the host neither announces itself nor asks for routers there;
// - ARP is turned off, so the host asks for nobody's address there.
//
// Where a macvtap has taken the interface over, the filter hands it what is addressed to groups instead;
// the rest never comes to the host.
//
// What is changed is one plain record, known before anything is, which can be written to a journal and
// undone by another process, also when only half of it was done. Undoing restores exactly what was found, and touches nothing that was found that way.
// The kernel forgets an interface's IPv6 addresses when IPv6 goes off: they are part of the record.

import { readFileSync, writeFileSync } from 'node:fs';
import { ERRNO } from './errno.ts';
import { findLink, getLink, IFF_NOARP, setLink } from './rtnetlink.ts';
import { addAddress, listAddresses } from './rtnetlink-address.ts';
import { SysError } from './sys-error.ts';
import {
  addClsact,
  addDropFilter,
  addGroupFilter,
  deleteFilter,
  deleteUnusedClsact,
  hasClsact,
  hasFilter,
} from './traffic-control.ts';

/** What `keepHostOff` changed on an interface. Plain data, made for JSON. */
export interface HostStackRecord {
  readonly ifindex: number;
  /** The clsact discipline was ours. */
  readonly madeClsact: boolean;
  /** ARP was on. */
  readonly turnedArpOff: boolean;
  /** IPv6 was on. */
  readonly turnedIpv6Off: boolean;
  /** The IPv6 addresses it had, those the kernel makes by itself left out. */
  readonly ipv6Addresses: readonly { readonly address: string; readonly prefixLen: number }[];
}

/**
 * Cuts the host's stack off an interface of the thread's network namespace, and returns what has to
 * be undone. `announce` gets that before anything is changed. Frames are dropped, or those to groups
 * handed to the interface `groupsTo`. A failure undoes what was done and throws SysError.
 */
export function keepHostOff(
  ifindex: number,
  announce: (record: HostStackRecord) => void = () => {},
  groupsTo?: number,
): HostStackRecord {
  const link = getLink(ifindex);
  const turnedArpOff = (link.flags & IFF_NOARP) === 0;
  const turnedIpv6Off = readDisableIpv6(link.name) === '0';
  const ipv6Addresses = turnedIpv6Off ? staticIpv6Addresses(ifindex) : [];
  const madeClsact = !hasClsact(ifindex) || hasFilter(ifindex);
  announce({ ifindex, madeClsact, turnedArpOff, turnedIpv6Off, ipv6Addresses });
  let record: HostStackRecord = { ifindex, madeClsact: false, turnedArpOff: false, turnedIpv6Off: false, ipv6Addresses };
  try {
    record = { ...record, madeClsact: addClsact(ifindex) };
    // Found already there, it was left by a process that died: then its discipline is ours as well.
    const isFirst = groupsTo === undefined ? addDropFilter(ifindex) : addGroupFilter(ifindex, groupsTo);
    if (!isFirst) record = { ...record, madeClsact: true };
    if (turnedIpv6Off) {
      record = { ...record, turnedIpv6Off };
      writeDisableIpv6(link.name, '1');
    }
    if (turnedArpOff) {
      record = { ...record, turnedArpOff };
      setLink(ifindex, { arp: false });
    }
    return record;
  } catch (error) {
    restoreHost(record);
    throw explained(link.name, error);
  }
}

/** Turns IPv6 off on an interface of ours, for good. Throws SysError. */
export function turnIpv6Off(name: string): void {
  if (readDisableIpv6(name) === '0') writeDisableIpv6(name, '1');
}

/** Undoes what the record says, in the network namespace it was made in; nothing when the interface is gone. Throws SysError. */
export function restoreHost(record: HostStackRecord): void {
  const { ifindex } = record;
  const link = findLink(ifindex);
  if (link === undefined) return;
  if (record.turnedArpOff) setLink(ifindex, { arp: true });
  if (record.turnedIpv6Off) {
    writeDisableIpv6(link.name, '0');
    for (const { address, prefixLen } of record.ipv6Addresses) addAddress(ifindex, address, prefixLen);
  }
  deleteFilter(ifindex);
  if (record.madeClsact) deleteUnusedClsact(ifindex);
}

function explained(name: string, error: unknown): unknown {
  if (!(error instanceof SysError)) return error;
  if (error.errno === ERRNO.EINVAL) {
    const advice = `another program has a filter there (\`tc filter show dev ${name} ingress\`); remove it, or use another interface`;
    return new SysError(`cannot keep the host off ${name}: ${advice}`, error.errno);
  }
  return new SysError(`cannot keep the host off ${name}: ${error.message}`, error.errno);
}

/** Addresses someone gave the interface; link-local ones come back by themselves, learned ones by the next advertisement. */
function staticIpv6Addresses(ifindex: number): { address: string; prefixLen: number }[] {
  return listAddresses(ifindex)
    .filter(({ family, scope, permanent }) => family === 'ipv6' && scope !== 'link' && permanent)
    .map(({ address, prefixLen }) => ({ address, prefixLen }));
}

// /proc/sys/net follows the network namespace of the thread that opens the file.

function disableIpv6Path(name: string): string {
  return `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`;
}

/** `0`, `1`, or undefined where the kernel has no IPv6 (or none on so small an MTU). */
function readDisableIpv6(name: string): string | undefined {
  try {
    return readFileSync(disableIpv6Path(name), 'utf8').trim();
  } catch {
    return undefined;
  }
}

function writeDisableIpv6(name: string, value: string): void {
  try {
    writeFileSync(disableIpv6Path(name), value);
  } catch (error) {
    const number = (error as NodeJS.ErrnoException).errno ?? ERRNO.EIO;
    throw new SysError(`cannot turn IPv6 ${value === '1' ? 'off' : 'on'} on ${name}: ${(error as Error).message}`, number);
  }
}
