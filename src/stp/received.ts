// Procedures that take a received BPDU apart [17.21.8 to 17.21.13, 17.21.17, 17.21.22, 17.21.23].
//
// Timers run in whole seconds, so the times of a message are rounded as they are read; the standard
// rounds only the sum of Message Age and one second, which comes to the same.

import { BPDU_FLAG, BPDU_ROLE, type Bpdu } from '../wire/bpdu.ts';
import { rstpVersion } from './conditions.ts';
import { comparePriorities, isSameBridge, isSuperior } from './priority-vector.ts';
import { isSameTimes, type RcvdInfo, type StpBridge, type StpPort, type Times } from './state.ts';

/** The role of the port that sent a BPDU; a Config BPDU, and an RST BPDU that does not tell, is from a designated one [9.2.9]. */
function senderRole(msg: Bpdu): number {
  if (msg.kind !== 'rst') return BPDU_ROLE.DESIGNATED;
  const role = msg.flags & BPDU_FLAG.ROLE;
  return role === BPDU_ROLE.UNKNOWN ? BPDU_ROLE.DESIGNATED : role;
}

/** Whether an RST BPDU has a flag, which a Config BPDU and an RST BPDU without a role do not have [9.2.9]. */
function hasRstFlag(msg: Bpdu, flag: number): boolean {
  return msg.kind === 'rst' && (msg.flags & BPDU_FLAG.ROLE) !== BPDU_ROLE.UNKNOWN && (msg.flags & flag) !== 0;
}

/**
 * What the message is worth [17.21.8]. A TCN BPDU says nothing about priorities. Figure 17-18 gives it to the state
 * OTHER, which does not call setTcFlags(); yet 17.21.17 has that procedure set rcvdTcn, so it is called here.
 */
export function rcvInfo(port: StpPort): RcvdInfo {
  const { msg } = port;
  if (msg.kind === 'tcn') {
    setTcFlags(port);
    return 'OtherInfo';
  }
  port.msgPriority = {
    RootBridgeID: msg.rootId,
    RootPathCost: msg.rootPathCost,
    DesignatedBridgeID: msg.bridgeId,
    DesignatedPortID: msg.portId,
  };
  port.msgTimes = {
    messageAge: Math.round(msg.messageAge),
    maxAge: Math.round(msg.maxAge),
    helloTime: Math.round(msg.helloTime),
    forwardDelay: Math.round(msg.forwardDelay),
  };
  const order = comparePriorities(port.msgPriority, port.portPriority);
  if (senderRole(msg) !== BPDU_ROLE.DESIGNATED) return order >= 0 ? 'InferiorRootAlternateInfo' : 'OtherInfo';
  if (isSuperior(port.msgPriority, port.portPriority)) return 'SuperiorDesignatedInfo';
  if (order !== 0) return 'InferiorDesignatedInfo';
  // Times are compared as recordTimes() keeps them, or a Hello Time of 0 would be news for ever.
  return isSameTimes(recordedTimes(port.msgTimes), port.portTimes) ? 'RepeatedDesignatedInfo' : 'SuperiorDesignatedInfo';
}

/**
 * Whether the neighbour agrees [17.21.9]. Only a neighbour can: between two ports of one bridge on the same LAN, what the
 * other port said before the bridge changed its mind would count as consent to what it says now, and both would forward.
 */
export function recordAgreement(bridge: StpBridge, port: StpPort): void {
  const isNeighbour = !isSameBridge(port.msgPriority.DesignatedBridgeID, bridge.BridgeIdentifier);
  port.agreed = isNeighbour && rstpVersion(bridge) && port.operPointToPointMAC && hasRstFlag(port.msg, BPDU_FLAG.AGREEMENT);
  if (port.agreed) port.proposing = false;
}

/**
 * A port that learns claims to be designated with worse information than ours: it does not hear us, and both would
 * forward [17.21.10]. 802.1D-2004 sets agreed and clears proposing here, as in 802.1w, which leaves `disputed` [17.19.6]
 * that Figure 17-22 acts on without anyone to set it; as in 802.1Q-2005 13.26, disputed is set and agreed cleared.
 */
export function recordDispute(port: StpPort): void {
  if (!hasRstFlag(port.msg, BPDU_FLAG.LEARNING)) return;
  port.disputed = true;
  port.agreed = false;
}

/** [17.21.11] */
export function recordProposal(port: StpPort): void {
  if (senderRole(port.msg) === BPDU_ROLE.DESIGNATED && hasRstFlag(port.msg, BPDU_FLAG.PROPOSAL)) port.proposed = true;
}

/** [17.21.12] */
export function recordPriority(port: StpPort): void {
  port.portPriority = port.msgPriority;
}

/** [17.21.13] */
export function recordTimes(port: StpPort): void {
  port.portTimes = recordedTimes(port.msgTimes);
}

/** Hello Time is 1 s at the least [17.21.13]. */
function recordedTimes(times: Times): Times {
  return times.helloTime >= 1 ? times : { ...times, helloTime: 1 };
}

/** [17.21.17] */
export function setTcFlags(port: StpPort): void {
  const { msg } = port;
  if (msg.kind === 'tcn') {
    port.rcvdTcn = true;
    return;
  }
  if ((msg.flags & BPDU_FLAG.TC) !== 0) port.rcvdTc = true;
  if ((msg.flags & BPDU_FLAG.TC_ACK) !== 0) port.rcvdTcAck = true;
}

/** [17.21.22] */
export function updtBPDUVersion(port: StpPort): void {
  if (port.msg.kind === 'rst') port.rcvdRSTP = true;
  else port.rcvdSTP = true;
}

/** Three Hello Times, unless the information is too old to be passed on [17.21.23]. */
export function updtRcvdInfoWhile(port: StpPort): void {
  const { messageAge, maxAge, helloTime } = port.portTimes;
  port.rcvdInfoWhile = messageAge + 1 <= maxAge ? 3 * helloTime : 0;
}
