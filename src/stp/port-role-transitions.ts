// Port Role Transitions machine [17.29].
//
// Takes a port from one role to the next and decides (learn, forward) when it may do what the role
// allows: a root port once no other port was the root port of late, a designated port once its
// neighbour has agreed, it is an edge, or time has passed. Root and alternate ports that are proposed
// to have all other ports sync first, and agree then.
//
// All transitions are qualified by selected && !updtInfo. Where the conditions of several hold at once
// the figure leaves the choice; here a designated port is synced before it would discard (it need not,
// when its neighbour has agreed), and discards before it may learn or forward.

import { allSynced, EdgeDelay, FwdDelay, forwardDelay, HelloTime, MaxAge, reRooted, rstpVersion } from './conditions.ts';
import { setReRootTree, setSyncTree } from './procedures.ts';
import type { PortRole, StpBridge, StpPort } from './state.ts';

/** States of the machine, figure by figure. */
export type PrtState =
  | 'INIT_PORT'
  | 'DISABLE_PORT'
  | 'DISABLED_PORT'
  | 'ROOT_PROPOSED'
  | 'ROOT_AGREED'
  | 'REROOT'
  | 'ROOT_PORT'
  | 'REROOTED'
  | 'ROOT_LEARN'
  | 'ROOT_FORWARD'
  | 'DESIGNATED_PROPOSE'
  | 'DESIGNATED_SYNCED'
  | 'DESIGNATED_RETIRED'
  | 'DESIGNATED_PORT'
  | 'DESIGNATED_DISCARD'
  | 'DESIGNATED_LEARN'
  | 'DESIGNATED_FORWARD'
  | 'ALTERNATE_PROPOSED'
  | 'ALTERNATE_AGREED'
  | 'ALTERNATE_PORT'
  | 'BLOCK_PORT'
  | 'BACKUP_PORT';

/** Where a newly selected role leads. */
const ROLE_STATES: Readonly<Record<PortRole, PrtState>> = {
  DisabledPort: 'DISABLE_PORT',
  RootPort: 'ROOT_PORT',
  DesignatedPort: 'DESIGNATED_PORT',
  AlternatePort: 'BLOCK_PORT',
  BackupPort: 'BLOCK_PORT',
};

/** Enters a state, and those that follow without a condition. */
export function enterPrt(bridge: StpBridge, port: StpPort, state: PrtState): true {
  port.PRT = state;
  switch (state) {
    // Disabled Port [17.29.1]
    case 'INIT_PORT':
      port.role = 'DisabledPort';
      port.learn = port.forward = false;
      port.synced = false;
      port.sync = port.reRoot = true;
      port.rrWhile = FwdDelay(port);
      port.fdWhile = MaxAge(port);
      port.rbWhile = 0;
      return enterPrt(bridge, port, 'DISABLE_PORT');
    case 'DISABLE_PORT':
      port.role = port.selectedRole;
      port.learn = port.forward = false;
      return true;
    case 'DISABLED_PORT':
      port.fdWhile = MaxAge(port);
      port.synced = true;
      port.rrWhile = 0;
      port.sync = port.reRoot = false;
      return true;
    // Root Port [17.29.2]
    case 'ROOT_PROPOSED':
      setSyncTree(bridge);
      port.proposed = false;
      return enterPrt(bridge, port, 'ROOT_PORT');
    case 'ROOT_AGREED':
      port.proposed = port.sync = false;
      port.agree = true;
      port.newInfo = true;
      return enterPrt(bridge, port, 'ROOT_PORT');
    case 'REROOT':
      setReRootTree(bridge);
      return enterPrt(bridge, port, 'ROOT_PORT');
    case 'ROOT_PORT':
      port.role = 'RootPort';
      port.rrWhile = FwdDelay(port);
      return true;
    case 'REROOTED':
      port.reRoot = false;
      return enterPrt(bridge, port, 'ROOT_PORT');
    case 'ROOT_LEARN':
      port.fdWhile = forwardDelay(port);
      port.learn = true;
      return enterPrt(bridge, port, 'ROOT_PORT');
    case 'ROOT_FORWARD':
      port.fdWhile = 0;
      port.forward = true;
      return enterPrt(bridge, port, 'ROOT_PORT');
    // Designated Port [17.29.3]
    case 'DESIGNATED_PROPOSE':
      port.proposing = true;
      port.edgeDelayWhile = EdgeDelay(port);
      port.newInfo = true;
      return enterPrt(bridge, port, 'DESIGNATED_PORT');
    case 'DESIGNATED_SYNCED':
      port.rrWhile = 0;
      port.synced = true;
      port.sync = false;
      return enterPrt(bridge, port, 'DESIGNATED_PORT');
    case 'DESIGNATED_RETIRED':
      port.reRoot = false;
      return enterPrt(bridge, port, 'DESIGNATED_PORT');
    case 'DESIGNATED_PORT':
      port.role = 'DesignatedPort';
      return true;
    case 'DESIGNATED_DISCARD':
      port.learn = port.forward = port.disputed = false;
      port.fdWhile = forwardDelay(port);
      return enterPrt(bridge, port, 'DESIGNATED_PORT');
    case 'DESIGNATED_LEARN':
      port.learn = true;
      port.fdWhile = forwardDelay(port);
      return enterPrt(bridge, port, 'DESIGNATED_PORT');
    case 'DESIGNATED_FORWARD':
      port.forward = true;
      port.fdWhile = 0;
      port.agreed = port.sendRSTP;
      return enterPrt(bridge, port, 'DESIGNATED_PORT');
    // Alternate and Backup Port [17.29.4]
    case 'ALTERNATE_PROPOSED':
      setSyncTree(bridge);
      port.proposed = false;
      return enterPrt(bridge, port, 'ALTERNATE_PORT');
    case 'ALTERNATE_AGREED':
      port.proposed = false;
      port.agree = true;
      port.newInfo = true;
      return enterPrt(bridge, port, 'ALTERNATE_PORT');
    case 'ALTERNATE_PORT':
      port.fdWhile = FwdDelay(port);
      port.synced = true;
      port.rrWhile = 0;
      port.sync = port.reRoot = false;
      return true;
    case 'BLOCK_PORT':
      port.role = port.selectedRole;
      port.learn = port.forward = false;
      return true;
    case 'BACKUP_PORT':
      port.rbWhile = 2 * HelloTime(port);
      return enterPrt(bridge, port, 'ALTERNATE_PORT');
  }
}

/** Takes one transition, if one is due. */
export function stepPrt(bridge: StpBridge, port: StpPort): boolean {
  const next = transition(bridge, port);
  return next !== undefined && enterPrt(bridge, port, next);
}

function transition(bridge: StpBridge, port: StpPort): PrtState | undefined {
  if (!port.selected || port.updtInfo) return undefined;
  if (port.role !== port.selectedRole) return ROLE_STATES[port.selectedRole];
  switch (port.PRT) {
    case 'DISABLE_PORT':
      return !port.learning && !port.forwarding ? 'DISABLED_PORT' : undefined;
    case 'DISABLED_PORT':
      return port.fdWhile !== MaxAge(port) || port.sync || port.reRoot || !port.synced ? 'DISABLED_PORT' : undefined;
    case 'ROOT_PORT':
      return fromRootPort(bridge, port);
    case 'DESIGNATED_PORT':
      return fromDesignatedPort(port);
    case 'BLOCK_PORT':
      return !port.learning && !port.forwarding ? 'ALTERNATE_PORT' : undefined;
    case 'ALTERNATE_PORT':
      return fromAlternatePort(bridge, port);
    default:
      return undefined;
  }
}

function fromRootPort(bridge: StpBridge, port: StpPort): PrtState | undefined {
  const { proposed, agree, learn, forward, reRoot } = port;
  if (proposed && !agree) return 'ROOT_PROPOSED';
  if ((!agree && allSynced(bridge)) || (proposed && agree)) return 'ROOT_AGREED';
  if (!forward && !reRoot) return 'REROOT';
  if (port.rrWhile !== FwdDelay(port)) return 'ROOT_PORT';
  if (reRoot && forward) return 'REROOTED';
  if (forward) return undefined;
  const isRapid = rstpVersion(bridge) && port.rbWhile === 0 && reRooted(bridge, port);
  if (port.fdWhile !== 0 && !isRapid) return undefined;
  return learn ? 'ROOT_FORWARD' : 'ROOT_LEARN';
}

function fromDesignatedPort(port: StpPort): PrtState | undefined {
  const { learn, forward, agreed, proposing, operEdge, sync, synced, reRoot, rrWhile } = port;
  if (!forward && !agreed && !proposing && !operEdge) return 'DESIGNATED_PROPOSE';
  if ((!port.learning && !port.forwarding && !synced) || (agreed && !synced) || (operEdge && !synced) || (sync && synced))
    return 'DESIGNATED_SYNCED';
  if (rrWhile === 0 && reRoot) return 'DESIGNATED_RETIRED';
  if (((sync && !synced) || (reRoot && rrWhile !== 0) || port.disputed) && !operEdge && (learn || forward))
    return 'DESIGNATED_DISCARD';
  const mayPass = (port.fdWhile === 0 || agreed || operEdge) && (rrWhile === 0 || !reRoot) && !sync;
  if (!mayPass || forward) return undefined;
  return learn ? 'DESIGNATED_FORWARD' : 'DESIGNATED_LEARN';
}

function fromAlternatePort(bridge: StpBridge, port: StpPort): PrtState | undefined {
  const { proposed, agree } = port;
  if (proposed && !agree) return 'ALTERNATE_PROPOSED';
  if ((!agree && allSynced(bridge)) || (proposed && agree)) return 'ALTERNATE_AGREED';
  // fdWhile is compared with what ALTERNATE_PORT sets it to; with forwardDelay instead the machine would never rest.
  if (port.fdWhile !== FwdDelay(port) || port.sync || port.reRoot || !port.synced) return 'ALTERNATE_PORT';
  return port.rbWhile !== 2 * HelloTime(port) && port.role === 'BackupPort' ? 'BACKUP_PORT' : undefined;
}
