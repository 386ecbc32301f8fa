// State machine procedures [17.21] that touch many ports, or that more than one machine uses. Those
// that take a BPDU apart are in received.ts, those that make one in transmitted.ts, the selection of
// roles in roles.ts. disableLearning() and its like [17.21.3 to 17.21.6] are the effects themselves.

import { FwdDelay, HelloTime, rstpVersion } from './conditions.ts';
import { comparePriorities } from './priority-vector.ts';
import type { StpBridge, StpPort } from './state.ts';

/**
 * Whether new information of the given origin is at least as good as what the port holds from the same origin
 * [17.21.1]. Figure 17-18 writes the calls without the argument: UPDATE means Mine, SUPERIOR_DESIGNATED means Received.
 */
export function betterorsameInfo(port: StpPort, newInfoIs: 'Received' | 'Mine'): boolean {
  if (port.infoIs !== newInfoIs) return false;
  const news = newInfoIs === 'Received' ? port.msgPriority : port.designatedPriority;
  return comparePriorities(news, port.portPriority) <= 0;
}

/** [17.21.2] */
export function clearReselectTree({ ports }: StpBridge): void {
  for (const port of ports) port.reselect = false;
}

/** [17.21.7] */
export function newTcWhile({ RootTimes }: StpBridge, port: StpPort): void {
  if (port.tcWhile !== 0) return;
  if (port.sendRSTP) {
    port.tcWhile = HelloTime(port) + 1;
    port.newInfo = true;
  } else {
    port.tcWhile = RootTimes.maxAge + RootTimes.forwardDelay;
  }
}

/** [17.21.14] */
export function setSyncTree({ ports }: StpBridge): void {
  for (const port of ports) port.sync = true;
}

/** [17.21.15] */
export function setReRootTree({ ports }: StpBridge): void {
  for (const port of ports) port.reRoot = true;
}

/** [17.21.16] */
export function setSelectedTree({ ports }: StpBridge): void {
  if (ports.some(({ reselect }) => reselect)) return;
  for (const port of ports) port.selected = true;
}

/** Every port but the one that calls [17.21.18]. */
export function setTcPropTree({ ports }: StpBridge, caller: StpPort): void {
  if (caller.restrictedTcn) return;
  for (const port of ports) if (port !== caller) port.tcProp = true;
}

/** [17.21.24] */
export function updtRoleDisabledTree({ ports }: StpBridge): void {
  for (const port of ports) port.selectedRole = 'DisabledPort';
}

/**
 * Has the filtering database forget what it learned on the port: at once in RSTP, by rapid ageing in STP
 * [17.19.1, 17.19.7]. It does so before it returns, so fdbFlush is reset again.
 */
export function setFdbFlush(bridge: StpBridge, port: StpPort): void {
  port.fdbFlush = true;
  if (rstpVersion(bridge)) bridge.effects.flushFdb(port.portNo);
  else {
    port.ageingWhile = FwdDelay(port);
    bridge.effects.setRapidAgeing(port.portNo, port.ageingWhile);
  }
  port.fdbFlush = false;
}
