// Topology Change machine [17.31].
//
// Notices that a port has begun to forward, hears of such changes from other bridges, tells both to all
// other ports, and has the filtering database forget what may have moved.

import { newTcWhile, setFdbFlush, setTcPropTree } from './procedures.ts';
import type { StpBridge, StpPort } from './state.ts';

/** States of the machine. */
export type TcmState =
  | 'INACTIVE'
  | 'LEARNING'
  | 'DETECTED'
  | 'ACTIVE'
  | 'NOTIFIED_TCN'
  | 'NOTIFIED_TC'
  | 'PROPAGATING'
  | 'ACKNOWLEDGED';

/** Enters a state, and those that follow without a condition. */
export function enterTcm(bridge: StpBridge, port: StpPort, state: TcmState): true {
  port.TCM = state;
  switch (state) {
    case 'INACTIVE':
      setFdbFlush(bridge, port);
      port.tcWhile = 0;
      port.tcAck = false;
      return true;
    case 'LEARNING':
      port.rcvdTc = port.rcvdTcn = port.rcvdTcAck = false;
      port.tcProp = false;
      return true;
    case 'DETECTED':
      newTcWhile(bridge, port);
      setTcPropTree(bridge, port);
      port.newInfo = true;
      return enterTcm(bridge, port, 'ACTIVE');
    case 'ACTIVE':
      return true;
    case 'NOTIFIED_TCN':
      newTcWhile(bridge, port);
      return enterTcm(bridge, port, 'NOTIFIED_TC');
    case 'NOTIFIED_TC':
      port.rcvdTcn = port.rcvdTc = false;
      if (port.role === 'DesignatedPort') port.tcAck = true;
      setTcPropTree(bridge, port);
      return enterTcm(bridge, port, 'ACTIVE');
    case 'PROPAGATING':
      newTcWhile(bridge, port);
      setFdbFlush(bridge, port);
      port.tcProp = false;
      return enterTcm(bridge, port, 'ACTIVE');
    case 'ACKNOWLEDGED':
      port.tcWhile = 0;
      port.rcvdTcAck = false;
      return enterTcm(bridge, port, 'ACTIVE');
  }
}

/** Takes one transition, if one is due. */
export function stepTcm(bridge: StpBridge, port: StpPort): boolean {
  const { role, operEdge } = port;
  const isActive = role === 'RootPort' || role === 'DesignatedPort';
  const hasHeard = port.rcvdTc || port.rcvdTcn || port.rcvdTcAck || port.tcProp;
  switch (port.TCM) {
    case 'INACTIVE':
      return port.learn && !port.fdbFlush && enterTcm(bridge, port, 'LEARNING');
    case 'LEARNING':
      if (isActive && port.forward && !operEdge) return enterTcm(bridge, port, 'DETECTED');
      if (hasHeard) return enterTcm(bridge, port, 'LEARNING');
      return !isActive && !port.learn && !port.learning && enterTcm(bridge, port, 'INACTIVE');
    case 'ACTIVE':
      if (!isActive || operEdge) return enterTcm(bridge, port, 'LEARNING');
      if (port.rcvdTcn) return enterTcm(bridge, port, 'NOTIFIED_TCN');
      if (port.rcvdTc) return enterTcm(bridge, port, 'NOTIFIED_TC');
      if (port.tcProp && !operEdge) return enterTcm(bridge, port, 'PROPAGATING');
      return port.rcvdTcAck && enterTcm(bridge, port, 'ACKNOWLEDGED');
    default:
      return false;
  }
}
