// Whether an interface can be taken over by a macvtap, and what to do when it cannot: what holds for
// a netdev port, and that nothing else stands on it.

import type { Link } from '../sys/rtnetlink.ts';
import { type NetdevFacts, netdevRefusal } from './netdev-refusal.ts';

/** Interfaces that stand on another one, which their `peer` names; a veth's names its other end. */
const UPPER_KINDS = ['vlan', 'macvlan', 'macvtap', 'ipvlan', 'ipvtap', 'macsec'];
/** The kernel would put ours on what these stand on, in place of them. */
const UNFIT_KINDS = ['macvlan', 'macvtap', 'ipvlan', 'ipvtap'];

/** What of an interface shows what it stands on. */
export type UpperFacts = Pick<Link, 'name' | 'kind' | 'peer' | 'peerNetnsId'>;

/** Why the interface cannot be taken over, as a sentence; undefined when it can. `links`: all of its namespace. */
export function macvtapRefusal(facts: NetdevFacts, ifindex: number, links: readonly UpperFacts[]): string | undefined {
  const refusal = netdevRefusal(facts, false);
  if (refusal !== undefined) return refusal;
  const { name, kind = '' } = facts.link;
  if (UNFIT_KINDS.includes(kind)) {
    return `${name} is itself a ${kind}; use netdev:${name}, or a macvtap on the interface that it stands on`;
  }
  const upper = links.find((link) => isOn(link, ifindex));
  if (upper === undefined) return undefined;
  return (
    `the ${upper.kind} ${upper.name} stands on ${name} and would get no frames any more; use netdev:${name},shared, ` +
    `or delete it first with \`ip link del ${upper.name}\``
  );
}

function isOn({ kind, peer, peerNetnsId }: UpperFacts, ifindex: number): boolean {
  return peer === ifindex && peerNetnsId === undefined && kind !== undefined && UPPER_KINDS.includes(kind);
}
