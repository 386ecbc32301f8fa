// Port Transmit machine [17.26].
//
// Sends a BPDU when there is news, and on designated ports every HelloTime; not more than TxHoldCount
// in a second. All transitions are qualified by selected && !updtInfo, so that nothing is said that the
// bridge is about to change.
//
// Two choices. Figure 17-17 lets a disabled port send; what it cannot send stays news here. And the
// engine steps this machine when no other has anything left to do, so that one BPDU tells the outcome
// instead of several the way to it.

import { HelloTime } from './conditions.ts';
import type { StpBridge, StpPort } from './state.ts';
import { txConfig, txRstp, txTcn } from './transmitted.ts';

/** States of the machine. */
export type PtxState = 'TRANSMIT_INIT' | 'IDLE' | 'TRANSMIT_PERIODIC' | 'TRANSMIT_CONFIG' | 'TRANSMIT_TCN' | 'TRANSMIT_RSTP';

/** Enters a state, and those that follow without a condition. */
export function enterPtx(bridge: StpBridge, port: StpPort, state: PtxState): true {
  port.PTX = state;
  switch (state) {
    case 'TRANSMIT_INIT':
      port.newInfo = true;
      port.txCount = 0;
      return enterPtx(bridge, port, 'IDLE');
    case 'IDLE':
      port.helloWhen = HelloTime(port);
      return true;
    case 'TRANSMIT_PERIODIC':
      port.newInfo ||= port.role === 'DesignatedPort' || (port.role === 'RootPort' && port.tcWhile !== 0);
      return enterPtx(bridge, port, 'IDLE');
    case 'TRANSMIT_CONFIG':
      port.newInfo = false;
      txConfig(bridge, port);
      port.txCount += 1;
      port.tcAck = false;
      return enterPtx(bridge, port, 'IDLE');
    case 'TRANSMIT_TCN':
      port.newInfo = false;
      txTcn(bridge, port);
      port.txCount += 1;
      return enterPtx(bridge, port, 'IDLE');
    case 'TRANSMIT_RSTP':
      port.newInfo = false;
      txRstp(bridge, port);
      port.txCount += 1;
      port.tcAck = false;
      return enterPtx(bridge, port, 'IDLE');
  }
}

/** Takes one transition, if one is due. */
export function stepPtx(bridge: StpBridge, port: StpPort): boolean {
  const { sendRSTP, role } = port;
  if (!port.selected || port.updtInfo || role === 'DisabledPort') return false;
  if (port.helloWhen === 0) return enterPtx(bridge, port, 'TRANSMIT_PERIODIC');
  if (!port.newInfo || port.txCount >= bridge.TxHoldCount) return false;
  if (!sendRSTP && role === 'DesignatedPort') return enterPtx(bridge, port, 'TRANSMIT_CONFIG');
  if (!sendRSTP && role === 'RootPort') return enterPtx(bridge, port, 'TRANSMIT_TCN');
  return sendRSTP && enterPtx(bridge, port, 'TRANSMIT_RSTP');
}
