// Random networks of bridges from a seed, and an oracle of its own for what they must settle on.

import { Prng } from '../../src/lib/prng.ts';
import { type Attachment, Network } from '../../src/sim/network.ts';
import type { TreeBridge } from '../../src/sim/tree-bridge.ts';
import { FORCE_VERSION, STP_PORT_SETTINGS_DEFAULT, STP_SETTINGS_DEFAULT } from '../../src/stp/parameters.ts';
import { compareBridgeIds } from '../../src/stp/priority-vector.ts';

/** Which protocol the bridges speak. */
export type Protocols = 'rstp' | 'stp' | 'mixed';

/** Seconds after which a network with the default timers must be at rest. */
export const REST_BOUND_S = STP_SETTINGS_DEFAULT.maxAge + 2 * STP_SETTINGS_DEFAULT.forwardDelay;

/** Up to 7 bridges on up to 10 LANs, most of them links, not all connected; not started. */
export function randomNetwork(seed: number, protocols: Protocols, endsMax = 3): Network {
  const random = new Prng(seed);
  const network = new Network();
  const count = 2 + random.below(6);
  const ports: { lan: string; cost: number }[][] = Array.from({ length: count }, () => []);
  const lans = 1 + random.below(10);
  for (let n = 0; n < lans; n++) {
    const ends = random.below(4) === 0 ? 1 + random.below(endsMax) : 2;
    for (let end = 0; end < ends; end++) ports[random.below(count)].push({ lan: `lan${n}`, cost: 1 + random.below(3) * 10 });
  }
  for (const [n, list] of ports.entries()) {
    const isOld = protocols === 'stp' || (protocols === 'mixed' && random.below(2) === 0);
    network.addBridge(
      `B${n}`,
      {
        ...STP_SETTINGS_DEFAULT,
        forceVersion: isOld ? FORCE_VERSION.STP : FORCE_VERSION.RSTP,
        bridgeId: { priority: random.below(3) * 4096, hi: 0x0200, lo: random.below(1000) * 16 + n },
      },
      list.map(({ lan, cost }, k) => ({
        ...STP_PORT_SETTINGS_DEFAULT,
        portNo: k + 1,
        lan,
        enabled: true,
        pathCost: cost,
        priority: random.below(16) * 16,
      })),
      random.below(1000),
    );
  }
  return network;
}

/** Something happens to the network; only with `mayDemote` does a bridge get a worse priority. */
export function randomEvent(network: Network, random: Prng, mayDemote: boolean): string {
  const end = network.attachments[random.below(network.attachments.length)];
  const { bridge, portNo } = end;
  switch (random.below(5)) {
    case 0:
      network.enable(end, !end.enabled);
      return `${bridge.name} port ${portNo} ${end.enabled ? 'on' : 'off'}`;
    case 1:
    case 2: {
      const up = random.below(2) === 0;
      network.setLan(end.lan as string, up);
      return `${end.lan} ${up ? 'up' : 'down'}`;
    }
    case 3: {
      const before = bridge.tree.settings.bridgeId.priority;
      const priority = Math.min(mayDemote ? 61_440 : before, random.below(16) * 4096);
      bridge.tree.configure({ bridgeId: { ...bridge.tree.settings.bridgeId, priority } });
      return `${bridge.name} priority ${priority}`;
    }
    default: {
      const pathCost = 1 + random.below(50);
      bridge.tree.configurePort(portNo, { pathCost });
      return `${bridge.name} port ${portNo} cost ${pathCost}`;
    }
  }
}

/** What is wrong with roots and costs, worked out from the cabling alone. */
export function costFaults(network: Network): string[] {
  const links = network.attachments.filter((end): end is Attachment & { lan: string } => end.lan !== null && network.isUp(end));
  const faults: string[] = [];
  const unseen = new Set<TreeBridge>(network.bridges);
  const idOf = (bridge: TreeBridge) => bridge.tree.settings.bridgeId;
  while (unseen.size > 0) {
    // The best of those left is the root of its part: whatever is connected to a better one has been seen.
    const root = [...unseen].reduce((a, b) => (compareBridgeIds(idOf(a), idOf(b)) < 0 ? a : b));
    const costs = new Map<TreeBridge, number>([[root, 0]]);
    for (let isMoving = true; isMoving; ) {
      isMoving = false;
      for (const from of links) {
        const cost = costs.get(from.bridge);
        if (cost === undefined) continue;
        for (const to of links) {
          if (to.lan !== from.lan || to.bridge === from.bridge) continue;
          const next = cost + (to.bridge.tree.port(to.portNo)?.pathCost ?? 0);
          if (next >= (costs.get(to.bridge) ?? Number.POSITIVE_INFINITY)) continue;
          costs.set(to.bridge, next);
          isMoving = true;
        }
      }
    }
    for (const [bridge, cost] of costs) {
      unseen.delete(bridge);
      const { RootBridgeID, RootPathCost } = bridge.tree.bridge.RootPriority;
      if (compareBridgeIds(RootBridgeID, idOf(root)) !== 0 || RootPathCost !== cost)
        faults.push(
          `${bridge.name}: root ${RootBridgeID.lo} at ${RootPathCost}, expected ${root.name} (${idOf(root).lo}) at ${cost}`,
        );
    }
  }
  return faults;
}
