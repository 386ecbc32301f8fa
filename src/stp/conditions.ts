// State machine conditions [17.20], by the standard's names. Those that are a single variable
// (AdminEdge, AutoEdge, TxHoldCount) are read where they are.

import { FORCE_VERSION } from './parameters.ts';
import type { StpBridge, StpPort } from './state.ts';

/** Seconds a port waits before it may change the kind of BPDU it sends [17.13.9, 17.20.9]. */
export const MigrateTime = 3;

/** Whether every port has the role selected for it and is synced, or is the root port [17.20.3]. */
export function allSynced({ ports }: StpBridge): boolean {
  return ports.every(
    ({ selected, role, selectedRole, synced }) => selected && role === selectedRole && (role === 'RootPort' || synced),
  );
}

/** [17.20.4] */
export function EdgeDelay(port: StpPort): number {
  return port.operPointToPointMAC ? MigrateTime : MaxAge(port);
}

/** How long a port waits for the others before its next state: HelloTime among RSTP bridges [17.20.5]. */
export function forwardDelay(port: StpPort): number {
  return port.sendRSTP ? HelloTime(port) : FwdDelay(port);
}

/** [17.20.6] */
export function FwdDelay({ designatedTimes }: StpPort): number {
  return designatedTimes.forwardDelay;
}

/** [17.20.7] */
export function HelloTime({ designatedTimes }: StpPort): number {
  return designatedTimes.helloTime;
}

/** [17.20.8] */
export function MaxAge({ designatedTimes }: StpPort): number {
  return designatedTimes.maxAge;
}

/** Whether no other port was the root port of late [17.20.10]. */
export function reRooted({ ports }: StpBridge, port: StpPort): boolean {
  return ports.every((other) => other === port || other.rrWhile === 0);
}

/** [17.20.11] */
export function rstpVersion({ ForceProtocolVersion }: StpBridge): boolean {
  return ForceProtocolVersion >= FORCE_VERSION.RSTP;
}
