// How an uplink may be used without taking the host's network away. An interface that the host itself
// lives on is shared: a packet socket carries the guests' frames, and the host's stack keeps it. An
// interface the host has no use for is the switch's alone: by a macvtap where that can be.

import { readdirSync } from 'node:fs';
import { macvtapName } from '../sys/macvtap.ts';
import { getLink } from '../sys/rtnetlink.ts';
import { listAddresses } from '../sys/rtnetlink-address.ts';

/** Whether an uplink is left to the host as well, and why in words. */
export interface UplinkDecision {
  isShared: boolean;
  why: string;
}

/** Decides for the interface `ifname`. Throws SysError when there is none. */
export function decideUplink(ifname: string): UplinkDecision {
  const link = getLink(ifname);
  // Every interface that is up has a link-local IPv6 address; nobody reaches a host by that alone.
  const address = listAddresses(link.ifindex).find(({ family, scope }) => family === 'ipv4' || scope !== 'link');
  if (address !== undefined)
    return { isShared: true, why: `the host has the address ${address.address}/${address.prefixLen} on it` };
  const upper = upperOf(ifname, macvtapName(link.ifindex));
  if (upper !== undefined) return { isShared: true, why: `the host has the interface ${upper} on top of it` };
  return { isShared: false, why: 'the host has no address on it' };
}

/** An interface stacked on `ifname` (a VLAN, a macvlan, a bond it is part of), our own left out; /sys shows it as a link upper_NAME. */
function upperOf(ifname: string, own: string): string | undefined {
  try {
    return readdirSync(`/sys/class/net/${ifname}`)
      .find((entry) => entry.startsWith('upper_') && entry !== `upper_${own}`)
      ?.slice('upper_'.length);
  } catch {
    return undefined;
  }
}
