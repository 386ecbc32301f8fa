// Port Information machine [17.27].
//
// Keeps what a port knows of the LAN it is on: what the designated bridge there last said, until it is
// too old, or that the port is itself designated. News of either kind asks for new roles (reselect).

import { betterorsameInfo } from './procedures.ts';
import {
  rcvInfo,
  recordAgreement,
  recordDispute,
  recordPriority,
  recordProposal,
  recordTimes,
  setTcFlags,
  updtRcvdInfoWhile,
} from './received.ts';
import type { RcvdInfo, StpBridge, StpPort } from './state.ts';

/** States of the machine. */
export type PimState =
  | 'DISABLED'
  | 'AGED'
  | 'UPDATE'
  | 'CURRENT'
  | 'RECEIVE'
  | 'SUPERIOR_DESIGNATED'
  | 'REPEATED_DESIGNATED'
  | 'INFERIOR_DESIGNATED'
  | 'NOT_DESIGNATED'
  | 'OTHER';

/** Where RECEIVE goes for each kind of message. */
const RECEIVED: Readonly<Record<RcvdInfo, PimState>> = {
  SuperiorDesignatedInfo: 'SUPERIOR_DESIGNATED',
  RepeatedDesignatedInfo: 'REPEATED_DESIGNATED',
  InferiorDesignatedInfo: 'INFERIOR_DESIGNATED',
  InferiorRootAlternateInfo: 'NOT_DESIGNATED',
  OtherInfo: 'OTHER',
};

/** Enters a state, and those that follow without a condition. */
export function enterPim(bridge: StpBridge, port: StpPort, state: PimState): true {
  port.PIM = state;
  switch (state) {
    case 'DISABLED':
      port.rcvdMsg = false;
      port.proposing = port.proposed = port.agree = port.agreed = false;
      port.rcvdInfoWhile = 0;
      port.infoIs = 'Disabled';
      port.reselect = true;
      port.selected = false;
      return true;
    case 'AGED':
      port.infoIs = 'Aged';
      port.reselect = true;
      port.selected = false;
      return true;
    case 'UPDATE':
      port.proposing = port.proposed = false;
      port.agreed = port.agreed && betterorsameInfo(port, 'Mine');
      port.synced = port.synced && port.agreed;
      port.portPriority = port.designatedPriority;
      port.portTimes = port.designatedTimes;
      port.updtInfo = false;
      port.infoIs = 'Mine';
      port.newInfo = true;
      return enterPim(bridge, port, 'CURRENT');
    case 'CURRENT':
      return true;
    case 'RECEIVE':
      port.rcvdInfo = rcvInfo(port);
      return enterPim(bridge, port, RECEIVED[port.rcvdInfo]);
    case 'SUPERIOR_DESIGNATED':
      port.agreed = port.proposing = false;
      recordProposal(port);
      setTcFlags(port);
      port.agree = port.agree && betterorsameInfo(port, 'Received');
      recordPriority(port);
      recordTimes(port);
      updtRcvdInfoWhile(port);
      port.infoIs = 'Received';
      port.reselect = true;
      port.selected = false;
      port.rcvdMsg = false;
      return enterPim(bridge, port, 'CURRENT');
    case 'REPEATED_DESIGNATED':
      recordProposal(port);
      setTcFlags(port);
      updtRcvdInfoWhile(port);
      port.rcvdMsg = false;
      return enterPim(bridge, port, 'CURRENT');
    case 'INFERIOR_DESIGNATED':
      recordDispute(port);
      port.rcvdMsg = false;
      return enterPim(bridge, port, 'CURRENT');
    case 'NOT_DESIGNATED':
      recordAgreement(bridge, port);
      setTcFlags(port);
      port.rcvdMsg = false;
      return enterPim(bridge, port, 'CURRENT');
    case 'OTHER':
      port.rcvdMsg = false;
      return enterPim(bridge, port, 'CURRENT');
  }
}

/** Takes one transition, if one is due. */
export function stepPim(bridge: StpBridge, port: StpPort): boolean {
  const { portEnabled, infoIs, selected, updtInfo, rcvdMsg } = port;
  if (!portEnabled && infoIs !== 'Disabled') return enterPim(bridge, port, 'DISABLED');
  switch (port.PIM) {
    case 'DISABLED':
      if (rcvdMsg) return enterPim(bridge, port, 'DISABLED');
      return portEnabled && enterPim(bridge, port, 'AGED');
    case 'AGED':
      return selected && updtInfo && enterPim(bridge, port, 'UPDATE');
    case 'CURRENT':
      if (selected && updtInfo) return enterPim(bridge, port, 'UPDATE');
      if (infoIs === 'Received' && port.rcvdInfoWhile === 0 && !updtInfo && !rcvdMsg) return enterPim(bridge, port, 'AGED');
      return rcvdMsg && !updtInfo && enterPim(bridge, port, 'RECEIVE');
    default:
      return false;
  }
}
