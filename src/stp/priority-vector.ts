// Priority vectors [17.6]: which of two pieces of spanning tree information is better.
//
// A vector is compared component by component, and the lower number is better in each: the root, the
// cost of the path to it, the bridge that says so, its port, and last the port that heard it. Every
// comparison of the protocol is made here; nowhere else compares parts.

import type { BridgeId } from '../wire/bpdu.ts';

/** A vector with the standard's names for its components. The fifth is compared only where both have it. */
export interface PriorityVector {
  readonly RootBridgeID: BridgeId;
  readonly RootPathCost: number;
  readonly DesignatedBridgeID: BridgeId;
  readonly DesignatedPortID: number;
  readonly BridgePortID?: number;
}

/** Bits of a port identifier that are the port's number; the four above are its priority [9.2.7]. */
const PORT_NUMBER_MASK = 0x0fff;

/** Below 0 when `a` is the better identifier (the lower number), 0 when they are the same. */
export function compareBridgeIds(a: BridgeId, b: BridgeId): number {
  return a.priority - b.priority || a.hi - b.hi || a.lo - b.lo;
}

/** Below 0 when `a` is better than `b`, 0 when they are the same, above 0 when it is worse. */
export function comparePriorities(a: PriorityVector, b: PriorityVector): number {
  return (
    compareBridgeIds(a.RootBridgeID, b.RootBridgeID) ||
    a.RootPathCost - b.RootPathCost ||
    compareBridgeIds(a.DesignatedBridgeID, b.DesignatedBridgeID) ||
    a.DesignatedPortID - b.DesignatedPortID ||
    (a.BridgePortID ?? 0) - (b.BridgePortID ?? 0)
  );
}

/** Whether two identifiers have the same Bridge Address, whatever their priorities. */
export function isSameBridge(a: BridgeId, b: BridgeId): boolean {
  return a.hi === b.hi && a.lo === b.lo;
}

/**
 * Whether a message with priority `msg` replaces what a port holds: it is better, or says anything else and comes from the
 * designated port the port heard last, which knows better what it said.
 */
export function isSuperior(msg: PriorityVector, held: PriorityVector): boolean {
  const order = comparePriorities(msg, held);
  if (order !== 0 && isSameBridge(msg.DesignatedBridgeID, held.DesignatedBridgeID)) {
    if (((msg.DesignatedPortID ^ held.DesignatedPortID) & PORT_NUMBER_MASK) === 0) return true;
  }
  return order < 0;
}
