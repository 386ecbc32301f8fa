// Bridge Detection machine [17.25].
//
// Decides whether a port is an edge: nobody but stations behind it, so that it may forward at once and
// its coming and going is no topology change. AdminEdge says so until a BPDU is heard; AutoEdge finds
// it out when the port has proposed and no bridge has said a word.

import type { StpBridge, StpPort } from './state.ts';

/** States of the machine. */
export type BdmState = 'EDGE' | 'NOT_EDGE';

/** Enters a state. */
export function enterBdm(_bridge: StpBridge, port: StpPort, state: BdmState): true {
  port.BDM = state;
  port.operEdge = state === 'EDGE';
  return true;
}

/** Takes one transition, if one is due. */
export function stepBdm(bridge: StpBridge, port: StpPort): boolean {
  const { portEnabled, adminEdge, operEdge } = port;
  switch (port.BDM) {
    case 'EDGE':
      return ((!portEnabled && !adminEdge) || !operEdge) && enterBdm(bridge, port, 'NOT_EDGE');
    case 'NOT_EDGE': {
      const isAlone = port.edgeDelayWhile === 0 && port.autoEdge && port.sendRSTP && port.proposing;
      return ((!portEnabled && adminEdge) || isAlone) && enterBdm(bridge, port, 'EDGE');
    }
  }
}
