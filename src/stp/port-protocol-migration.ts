// Port Protocol Migration machine [17.24].
//
// Chooses the kind of BPDU a port sends. It starts with RST BPDUs and sticks to them for MigrateTime;
// after that a Config or TCN BPDU makes it speak STP, for at least MigrateTime again, until an RST
// BPDU is heard or management sets mcheck. In STP mode it never sends an RST BPDU.

import { MigrateTime, rstpVersion } from './conditions.ts';
import type { StpBridge, StpPort } from './state.ts';

/** States of the machine. */
export type PpmState = 'CHECKING_RSTP' | 'SELECTING_STP' | 'SENSING';

/** Enters a state. */
export function enterPpm(bridge: StpBridge, port: StpPort, state: PpmState): true {
  port.PPM = state;
  switch (state) {
    case 'CHECKING_RSTP':
      port.mcheck = false;
      port.sendRSTP = rstpVersion(bridge);
      port.mdelayWhile = MigrateTime;
      return true;
    case 'SELECTING_STP':
      port.sendRSTP = false;
      port.mdelayWhile = MigrateTime;
      return true;
    case 'SENSING':
      port.rcvdRSTP = port.rcvdSTP = false;
      return true;
  }
}

/** Takes one transition, if one is due. */
export function stepPpm(bridge: StpBridge, port: StpPort): boolean {
  const { mdelayWhile, portEnabled, mcheck, sendRSTP } = port;
  switch (port.PPM) {
    case 'CHECKING_RSTP':
      if (mdelayWhile !== MigrateTime && !portEnabled) return enterPpm(bridge, port, 'CHECKING_RSTP');
      return mdelayWhile === 0 && enterPpm(bridge, port, 'SENSING');
    case 'SELECTING_STP':
      return (mdelayWhile === 0 || !portEnabled || mcheck) && enterPpm(bridge, port, 'SENSING');
    case 'SENSING':
      if (!portEnabled || mcheck || (rstpVersion(bridge) && !sendRSTP && port.rcvdRSTP))
        return enterPpm(bridge, port, 'CHECKING_RSTP');
      return sendRSTP && port.rcvdSTP && enterPpm(bridge, port, 'SELECTING_STP');
  }
}
