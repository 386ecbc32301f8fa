// Port Role Selection machine [17.28], one for the bridge.
//
// Whenever a port asks for it (reselect), computes the root and a role for every port. Its two states
// are a start and a loop, so the state is not kept.

import { clearReselectTree, setSelectedTree, updtRoleDisabledTree } from './procedures.ts';
import { updtRolesTree } from './roles.ts';
import type { StpBridge } from './state.ts';

/** States of the machine. */
export type PrsState = 'INIT_BRIDGE' | 'ROLE_SELECTION';

/** Enters a state, and those that follow without a condition. */
export function enterPrs(bridge: StpBridge, state: PrsState): true {
  switch (state) {
    case 'INIT_BRIDGE':
      updtRoleDisabledTree(bridge);
      return enterPrs(bridge, 'ROLE_SELECTION');
    case 'ROLE_SELECTION':
      clearReselectTree(bridge);
      updtRolesTree(bridge);
      setSelectedTree(bridge);
      return true;
  }
}

/** Takes one transition, if one is due. */
export function stepPrs(bridge: StpBridge): boolean {
  return bridge.ports.some(({ reselect }) => reselect) && enterPrs(bridge, 'ROLE_SELECTION');
}
