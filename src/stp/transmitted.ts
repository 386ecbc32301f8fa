// Procedures that make a BPDU [17.21.19 to 17.21.21].

import { BPDU_FLAG, BPDU_ROLE, BPDU_VERSION_RST, type BpduBody, emitBpdu } from '../wire/bpdu.ts';
import type { PortRole, StpBridge, StpPort } from './state.ts';

const ROLE_BITS: Readonly<Record<PortRole, number>> = {
  DisabledPort: BPDU_ROLE.UNKNOWN,
  RootPort: BPDU_ROLE.ROOT,
  DesignatedPort: BPDU_ROLE.DESIGNATED,
  AlternatePort: BPDU_ROLE.ALTERNATE_BACKUP,
  BackupPort: BPDU_ROLE.ALTERNATE_BACKUP,
};

/** [17.21.19] */
export function txConfig({ effects }: StpBridge, port: StpPort): void {
  const flags = (port.tcWhile !== 0 ? BPDU_FLAG.TC : 0) | (port.tcAck ? BPDU_FLAG.TC_ACK : 0);
  effects.transmitBpdu(port.portNo, emitBpdu({ kind: 'config', version: 0, ...body(port, flags) }));
}

/** [17.21.20] */
export function txRstp({ effects }: StpBridge, port: StpPort): void {
  const flags =
    ROLE_BITS[port.role] |
    (port.agree ? BPDU_FLAG.AGREEMENT : 0) |
    (port.proposing ? BPDU_FLAG.PROPOSAL : 0) |
    (port.tcWhile !== 0 ? BPDU_FLAG.TC : 0) |
    (port.learning ? BPDU_FLAG.LEARNING : 0) |
    (port.forwarding ? BPDU_FLAG.FORWARDING : 0);
  effects.transmitBpdu(port.portNo, emitBpdu({ kind: 'rst', version: BPDU_VERSION_RST, ...body(port, flags) }));
}

/** [17.21.21] */
export function txTcn({ effects }: StpBridge, port: StpPort): void {
  effects.transmitBpdu(port.portNo, emitBpdu({ kind: 'tcn', version: 0 }));
}

function body({ designatedPriority, designatedTimes }: StpPort, flags: number): BpduBody {
  return {
    flags,
    rootId: designatedPriority.RootBridgeID,
    rootPathCost: designatedPriority.RootPathCost,
    bridgeId: designatedPriority.DesignatedBridgeID,
    portId: designatedPriority.DesignatedPortID,
    ...designatedTimes,
  };
}
