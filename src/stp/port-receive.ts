// Port Receive machine [17.23].
//
// Takes one BPDU at a time from the port and hands it on as rcvdMsg; a BPDU is also the sign that
// there is a bridge on the LAN, which ends operEdge and restarts the wait for its silence.

import { MigrateTime } from './conditions.ts';
import { updtBPDUVersion } from './received.ts';
import type { StpBridge, StpPort } from './state.ts';

/** States of the machine. */
export type PrxState = 'DISCARD' | 'RECEIVE';

/** Enters a state. */
export function enterPrx(_bridge: StpBridge, port: StpPort, state: PrxState): true {
  port.PRX = state;
  switch (state) {
    case 'DISCARD':
      port.rcvdBPDU = port.rcvdRSTP = port.rcvdSTP = false;
      port.rcvdMsg = false;
      port.edgeDelayWhile = MigrateTime;
      return true;
    case 'RECEIVE':
      updtBPDUVersion(port);
      port.operEdge = port.rcvdBPDU = false;
      port.rcvdMsg = true;
      port.edgeDelayWhile = MigrateTime;
      return true;
  }
}

/** Takes one transition, if one is due. */
export function stepPrx(bridge: StpBridge, port: StpPort): boolean {
  const { portEnabled, rcvdBPDU, rcvdMsg } = port;
  if ((rcvdBPDU || port.edgeDelayWhile !== MigrateTime) && !portEnabled) return enterPrx(bridge, port, 'DISCARD');
  switch (port.PRX) {
    case 'DISCARD':
      return rcvdBPDU && portEnabled && enterPrx(bridge, port, 'RECEIVE');
    case 'RECEIVE':
      return rcvdBPDU && portEnabled && !rcvdMsg && enterPrx(bridge, port, 'RECEIVE');
  }
}
