// The variables of the protocol [17.17, 17.18, 17.19] with the standard's names, as plain data: a copy
// of these objects is the whole state. Vectors, times and BPDUs are never changed in place, so a flat
// copy is a copy.
//
// What the standard calls BEGIN is not a variable: the engine enters each machine's first state.

import type { Bpdu, BpduBody, BridgeId } from '../wire/bpdu.ts';
import type { BdmState } from './bridge-detection.ts';
import type { StpEffects } from './effects.ts';
import type { ForceVersion, StpPortSettings } from './parameters.ts';
import type { PimState } from './port-information.ts';
import type { PpmState } from './port-protocol-migration.ts';
import type { PrxState } from './port-receive.ts';
import type { PrtState } from './port-role-transitions.ts';
import type { PstState } from './port-state-transition.ts';
import type { PtxState } from './port-transmit.ts';
import type { PriorityVector } from './priority-vector.ts';
import type { TcmState } from './topology-change.ts';

/** Port roles [17.7]. */
export type PortRole = 'DisabledPort' | 'RootPort' | 'DesignatedPort' | 'AlternatePort' | 'BackupPort';
/** Where a port's information comes from [17.19.10]. */
export type InfoIs = 'Disabled' | 'Aged' | 'Mine' | 'Received';
/** What a received message is worth [17.21.8]. */
export type RcvdInfo =
  | 'SuperiorDesignatedInfo'
  | 'RepeatedDesignatedInfo'
  | 'InferiorDesignatedInfo'
  | 'InferiorRootAlternateInfo'
  | 'OtherInfo';

/** The timer parameters a BPDU carries, in seconds. */
export type Times = Pick<BpduBody, 'messageAge' | 'maxAge' | 'helloTime' | 'forwardDelay'>;

/** Per-Port variables, timers and machine states. */
export interface StpPort extends StpPortSettings {
  readonly portNo: number;
  // Timers, in seconds [17.17].
  edgeDelayWhile: number;
  fdWhile: number;
  helloWhen: number;
  mdelayWhile: number;
  rbWhile: number;
  rcvdInfoWhile: number;
  rrWhile: number;
  tcWhile: number;
  /** How long rapid ageing goes on: the period of FwdDelay in 17.19.1, for which the standard names no timer. */
  ageingWhile: number;
  // Variables [17.19].
  agree: boolean;
  agreed: boolean;
  designatedPriority: PriorityVector;
  designatedTimes: Times;
  disputed: boolean;
  fdbFlush: boolean;
  forward: boolean;
  forwarding: boolean;
  infoIs: InfoIs;
  learn: boolean;
  learning: boolean;
  mcheck: boolean;
  msgPriority: PriorityVector;
  msgTimes: Times;
  newInfo: boolean;
  operEdge: boolean;
  portEnabled: boolean;
  portId: number;
  portPriority: PriorityVector;
  portTimes: Times;
  proposed: boolean;
  proposing: boolean;
  rcvdBPDU: boolean;
  rcvdInfo: RcvdInfo;
  rcvdMsg: boolean;
  rcvdRSTP: boolean;
  rcvdSTP: boolean;
  rcvdTc: boolean;
  rcvdTcAck: boolean;
  rcvdTcn: boolean;
  reRoot: boolean;
  reselect: boolean;
  role: PortRole;
  selected: boolean;
  selectedRole: PortRole;
  sendRSTP: boolean;
  sync: boolean;
  synced: boolean;
  tcAck: boolean;
  tcProp: boolean;
  txCount: number;
  updtInfo: boolean;
  /** The BPDU that rcvdBPDU and rcvdMsg speak of. */
  msg: Bpdu;
  // States of the machines, by the names of Figure 17-12.
  PRX: PrxState;
  PPM: PpmState;
  BDM: BdmState;
  PTX: PtxState;
  PIM: PimState;
  PRT: PrtState;
  PST: PstState;
  TCM: TcmState;
}

/** Per-Bridge variables [17.18] and parameters [17.13]. */
export interface StpBridge {
  BridgeIdentifier: BridgeId;
  BridgePriority: PriorityVector;
  BridgeTimes: Times;
  /** Identifier of the root port, 0 when the bridge is the root. */
  RootPortId: number;
  RootPriority: PriorityVector;
  RootTimes: Times;
  ForceProtocolVersion: ForceVersion;
  TxHoldCount: number;
  /** In order of number. */
  readonly ports: StpPort[];
  readonly effects: StpEffects;
}

/** What a port with these settings is before BEGIN. */
export function newPort(portNo: number, settings: StpPortSettings, bridge: StpBridge): StpPort {
  const { BridgePriority, BridgeTimes } = bridge;
  return {
    ...settings,
    portNo,
    edgeDelayWhile: 0,
    fdWhile: 0,
    helloWhen: 0,
    mdelayWhile: 0,
    rbWhile: 0,
    rcvdInfoWhile: 0,
    rrWhile: 0,
    tcWhile: 0,
    ageingWhile: 0,
    agree: false,
    agreed: false,
    designatedPriority: BridgePriority,
    designatedTimes: BridgeTimes,
    disputed: false,
    fdbFlush: false,
    forward: false,
    forwarding: false,
    infoIs: 'Disabled',
    learn: false,
    learning: false,
    mcheck: false,
    msgPriority: BridgePriority,
    msgTimes: BridgeTimes,
    newInfo: false,
    operEdge: false,
    portEnabled: false,
    portId: portIdOf(portNo, settings.priority),
    portPriority: BridgePriority,
    portTimes: BridgeTimes,
    proposed: false,
    proposing: false,
    rcvdBPDU: false,
    rcvdInfo: 'OtherInfo',
    rcvdMsg: false,
    rcvdRSTP: false,
    rcvdSTP: false,
    rcvdTc: false,
    rcvdTcAck: false,
    rcvdTcn: false,
    reRoot: false,
    reselect: false,
    role: 'DisabledPort',
    selected: false,
    selectedRole: 'DisabledPort',
    sendRSTP: false,
    sync: false,
    synced: false,
    tcAck: false,
    tcProp: false,
    txCount: 0,
    updtInfo: false,
    msg: { kind: 'tcn', version: 0 },
    PRX: 'DISCARD',
    PPM: 'CHECKING_RSTP',
    BDM: 'NOT_EDGE',
    PTX: 'IDLE',
    PIM: 'DISABLED',
    PRT: 'DISABLED_PORT',
    PST: 'DISCARDING',
    TCM: 'INACTIVE',
  };
}

/** Port identifier: four bits of priority over twelve of number [9.2.7]. */
export function portIdOf(portNo: number, priority: number): number {
  return ((priority >> 4) << 12) | portNo;
}

/** Whether two sets of timer parameters are the same. */
export function isSameTimes(a: Times, b: Times): boolean {
  return (
    a.messageAge === b.messageAge && a.maxAge === b.maxAge && a.helloTime === b.helloTime && a.forwardDelay === b.forwardDelay
  );
}
