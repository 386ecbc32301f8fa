// updtRolesTree [17.21.25]: from what every port has heard, the root, the way to it, and a role for
// each port. The letters are the clause's.

import { comparePriorities, isSameBridge, type PriorityVector } from './priority-vector.ts';
import { isSameTimes, type PortRole, type StpBridge, type StpPort } from './state.ts';

/** A path cost is 32 bits wide on the wire; what adds up to more is the worst there is. */
const ROOT_PATH_COST_MAX = 2 ** 32 - 1;

/** Computes RootPriority and RootTimes of the bridge, and of each port designatedPriority, designatedTimes and selectedRole. */
export function updtRolesTree(bridge: StpBridge): void {
  const { BridgeIdentifier, BridgePriority, BridgeTimes, ports } = bridge;
  let best: PriorityVector = BridgePriority;
  let rootPort: StpPort | undefined;
  for (const port of ports) {
    const rootPath = rootPathPriority(port); // a)
    if (rootPath === undefined || port.restrictedRole) continue;
    if (isSameBridge(rootPath.DesignatedBridgeID, BridgeIdentifier)) continue; // b)
    if (comparePriorities(rootPath, best) < 0) {
      best = rootPath;
      rootPort = port;
    }
  }
  bridge.RootPriority = best;
  bridge.RootPortId = rootPort?.portId ?? 0;
  // c)
  bridge.RootTimes =
    rootPort === undefined ? BridgeTimes : { ...rootPort.portTimes, messageAge: rootPort.portTimes.messageAge + 1 };
  for (const port of ports) {
    // d)
    port.designatedPriority = {
      RootBridgeID: best.RootBridgeID,
      RootPathCost: best.RootPathCost,
      DesignatedBridgeID: BridgeIdentifier,
      DesignatedPortID: port.portId,
    };
    port.designatedTimes = { ...bridge.RootTimes, helloTime: BridgeTimes.helloTime }; // e)
    port.selectedRole = roleOf(bridge, port, rootPort);
  }
}

/** What a port offers as the way to the root, if it has heard anything. */
function rootPathPriority({ infoIs, portPriority, pathCost, portId }: StpPort): PriorityVector | undefined {
  if (infoIs !== 'Received') return undefined;
  const RootPathCost = Math.min(ROOT_PATH_COST_MAX, portPriority.RootPathCost + pathCost);
  return { ...portPriority, RootPathCost, BridgePortID: portId };
}

/** The role of one port; sets or resets its updtInfo. */
function roleOf({ BridgeIdentifier }: StpBridge, port: StpPort, rootPort: StpPort | undefined): PortRole {
  const { designatedPriority, portPriority } = port;
  const order = comparePriorities(designatedPriority, portPriority);
  switch (port.infoIs) {
    case 'Disabled': // f)
      return 'DisabledPort';
    case 'Aged': // g)
      port.updtInfo = true;
      return 'DesignatedPort';
    case 'Mine': // h)
      if (order !== 0 || !isSameTimes(port.designatedTimes, port.portTimes)) port.updtInfo = true;
      return 'DesignatedPort';
    case 'Received':
      port.updtInfo = false;
      if (port === rootPort) return 'RootPort'; // i)
      if (order < 0) {
        port.updtInfo = true; // l)
        return 'DesignatedPort';
      }
      // j), k)
      return isSameBridge(portPriority.DesignatedBridgeID, BridgeIdentifier) ? 'BackupPort' : 'AlternatePort';
  }
}
