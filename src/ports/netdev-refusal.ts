// Whether an interface can be a netdev port, and what to do when it cannot. A decision on plain
// facts, so that it can be tried for interfaces this machine does not have.

import type { InterfaceInfo } from '../sys/interface-info.ts';
import type { Link } from '../sys/rtnetlink.ts';
import type { InterfaceAddress } from '../sys/rtnetlink-address.ts';

/** linux/if_arp.h */
const ARPHRD_ETHER = 1;

/** What is known of an interface. */
export interface NetdevFacts {
  readonly link: Pick<Link, 'name' | 'kind' | 'hardwareType' | 'master' | 'masterKind'>;
  readonly info: Pick<InterfaceInfo, 'wireless' | 'loopback' | 'bridgePort'>;
  readonly addresses: readonly Pick<InterfaceAddress, 'family' | 'address' | 'scope' | 'permanent'>[];
}

/** Why the interface cannot be a port, as a sentence; undefined when it can. `shared`: the host's stack stays on it. */
export function netdevRefusal({ link, info, addresses }: NetdevFacts, shared: boolean): string | undefined {
  const { name } = link;
  if (info.loopback) return `${name} is the loopback interface, which has no other side; use a tap or one end of a veth pair`;
  if (info.wireless) {
    return (
      `${name} is wireless: its access point takes frames from the address of the station only, so nothing behind a switch ` +
      'would get an answer; use a wired interface, or route between the host port and it'
    );
  }
  if (link.hardwareType !== ARPHRD_ETHER) {
    return `${name} carries no Ethernet frames, so it cannot be bridged; route between the host port and it`;
  }
  if (link.kind === 'bridge') {
    return (
      `${name} is itself a kernel bridge; use its interfaces in place of it, or a veth pair with one end in it ` +
      `(\`ip link add weft0 type veth peer name weft1 master ${name}\`)`
    );
  }
  if (info.bridgePort) {
    return `${name} is a port of a kernel bridge, which takes its frames; take it out first with \`ip link set ${name} nomaster\``;
  }
  if (link.master !== undefined) {
    const whole = link.masterKind === undefined ? 'another interface' : `a ${link.masterKind}`;
    return `${name} is part of ${whole}, which takes its frames; use that one, or take it out with \`ip link set ${name} nomaster\``;
  }
  const own = shared ? undefined : addresses.find(isHostAddress);
  if (own !== undefined) {
    return (
      `the host has the address ${own.address} on ${name} and would be cut off; leave the host on it with netdev:${name},shared, ` +
      `or take the address away first with \`ip addr flush dev ${name}\``
    );
  }
  return undefined;
}

/** Whether someone gave the host this address; one that the interface made itself, or learned, is nobody's loss. */
function isHostAddress({ family, scope, permanent }: NetdevFacts['addresses'][number]): boolean {
  return family === 'ipv4' || (scope === 'global' && permanent);
}
