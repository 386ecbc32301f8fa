// What must hold of a network of bridges, checked from outside: by its ports' states, and by frames.
//
//   always    forwarding ports, bridges and LANs form no ring
//   at rest   in each connected part all bridges name the same root, every bridge and LAN is reached
//             over exactly one path, and a broadcast arrives once on every LAN

import { formatMac } from '../wire/ethernet.ts';
import type { Attachment, Network } from './network.ts';
import type { TreeBridge } from './tree-bridge.ts';

type Node = TreeBridge | string;

const STATION = { hi: 0x0200, lo: 0x5a5a_0001 };
const BROADCAST = { hi: 0xffff, lo: 0xffffffff };
const PAYLOAD = new Uint8Array(46);

/** Sets that are joined edge by edge. */
class Parts {
  readonly #parents = new Map<Node, Node>();

  find(node: Node): Node {
    const parent = this.#parents.get(node);
    if (parent === undefined) return node;
    const top = this.find(parent);
    this.#parents.set(node, top);
    return top;
  }

  /** False when the two were joined already. */
  join(a: Node, b: Node): boolean {
    const [topA, topB] = [this.find(a), this.find(b)];
    if (topA === topB) return false;
    this.#parents.set(topA, topB);
    return true;
  }
}

/** Ends that are up and on a LAN. */
function links(network: Network): (Attachment & { lan: string })[] {
  return network.attachments.filter((end): end is Attachment & { lan: string } => end.lan !== null && network.isUp(end));
}

function isForwarding({ bridge, portNo }: Attachment): boolean {
  return bridge.tree.port(portNo)?.forwarding === true;
}

/** A sentence about a ring of forwarding ports, if there is one. */
export function loopOf(network: Network): string | undefined {
  const parts = new Parts();
  for (const end of links(network)) {
    if (isForwarding(end) && !parts.join(end.bridge, end.lan))
      return `a forwarding loop through ${end.bridge.name} port ${end.portNo} on ${end.lan}, after ${network.now / 1000} s`;
  }
  return undefined;
}

/** Whether every port that is up has reached the state its role leads to. */
export function isAtRest(network: Network): boolean {
  return network.attachments.every((end) => {
    if (!network.isUp(end)) return true;
    const port = end.bridge.tree.port(end.portNo);
    const isActive = port?.role === 'RootPort' || port?.role === 'DesignatedPort';
    return port !== undefined && port.role !== 'DisabledPort' && port.forwarding === isActive && port.learning === isActive;
  });
}

/** What is wrong with a network at rest, one sentence a fault. */
export function restFaults(network: Network): string[] {
  const ends = links(network);
  const physical = new Parts();
  const active = new Parts();
  const faults: string[] = [];
  for (const { bridge, lan } of ends) physical.join(bridge, lan);
  for (const end of ends) if (isForwarding(end)) active.join(end.bridge, end.lan);
  const nodes: Node[] = [...new Set<Node>([...network.bridges, ...ends.map(({ lan }) => lan)])];
  const nameOf = (node: Node): string => (typeof node === 'string' ? node : node.name);
  const firsts = new Map<Node, Node>();
  const roots = new Map<Node, TreeBridge>();
  for (const node of nodes) {
    const part = physical.find(node);
    const first = firsts.get(part) ?? node;
    firsts.set(part, first);
    if (active.find(node) !== active.find(first))
      faults.push(`${nameOf(node)} and ${nameOf(first)} are connected, but no path of forwarding ports joins them`);
    if (typeof node === 'string') continue;
    const other = roots.get(part) ?? node;
    roots.set(part, other);
    if (rootText(other) !== rootText(node))
      faults.push(`${other.name} takes ${rootText(other)} for the root, ${node.name} ${rootText(node)}`);
  }
  const loop = loopOf(network);
  if (loop !== undefined) faults.push(loop);
  for (const [part, first] of firsts) {
    const lan = nodes.find((node): node is string => typeof node === 'string' && physical.find(node) === part);
    if (lan === undefined) continue;
    const copies = broadcast(network, lan);
    for (const node of nodes) {
      if (typeof node !== 'string' || physical.find(node) !== physical.find(first)) continue;
      const count = copies.get(node) ?? 0;
      if (count !== 1) faults.push(`a broadcast on ${lan} is heard ${count} times on ${node}`);
    }
  }
  return faults;
}

/** How often a broadcast of a station on `lan` is heard on each LAN; a storm is cut off. */
function broadcast(network: Network, lan: string): Map<string, number> {
  const copies = new Map<string, number>();
  const ends = links(network);
  const queue: { lan: string; from: Attachment | undefined }[] = [{ lan, from: undefined }];
  for (let n = 0; n < queue.length && n <= 4 * ends.length; n++) {
    const { lan: here, from } = queue[n] as (typeof queue)[number];
    copies.set(here, (copies.get(here) ?? 0) + 1);
    for (const end of ends) {
      if (end.lan !== here || end === from) continue;
      const { out } = end.bridge.relay.send(end.portNo, STATION, BROADCAST, PAYLOAD, network.now);
      for (const portNo of out) {
        const next = ends.find((one) => one.bridge === end.bridge && one.portNo === portNo);
        if (next !== undefined) queue.push({ lan: next.lan, from: next });
      }
    }
  }
  return copies;
}

function rootText({ tree }: TreeBridge): string {
  const { priority, hi, lo } = tree.bridge.RootPriority.RootBridgeID;
  return `${priority}.${formatMac(hi, lo)}`;
}
