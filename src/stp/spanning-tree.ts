// The Bridge Protocol Entity: one spanning tree of one bridge [802.1D-2004 clause 17].
//
// It has no clock and does no I/O. Its inputs are the calls below; what it wants done leaves through
// StpEffects before the call returns. All its state is plain data (state.ts), so that it can be saved.
//
//   receiveBpdu(port, octets)   a BPDU came in
//   portEnabled(port, on)       the port can be used, or no longer
//   tick()                      one second has passed
//   configure, configurePort, addPort, removePort, mcheck     management
//
// Each call changes a few variables and then runs the machines until none has anything left to do, in
// a fixed order: Port Role Selection, then for each port, by number, Port Receive, Port Protocol
// Migration, Bridge Detection, Port Information, Port Role Transitions, Port State Transition and
// Topology Change; and, when all these are at rest, Port Transmit. The rounds are bounded, and the bound
// is asserted: a round that never ends would be a fault of the machines, whatever was received.

import { assert } from '../lib/assert.ts';
import { type BpduFault, type BridgeId, parseBpdu } from '../wire/bpdu.ts';
import { enterBdm, stepBdm } from './bridge-detection.ts';
import type { StpEffects } from './effects.ts';
import {
  checkStpPortSettings,
  checkStpSettings,
  STP_PORT_NO_MAX,
  type StpPortSettings,
  StpSettingError,
  type StpSettings,
} from './parameters.ts';
import { enterPim, stepPim } from './port-information.ts';
import { enterPpm, stepPpm } from './port-protocol-migration.ts';
import { enterPrx, stepPrx } from './port-receive.ts';
import { enterPrs, stepPrs } from './port-role-selection.ts';
import { enterPrt, stepPrt } from './port-role-transitions.ts';
import { enterPst, stepPst } from './port-state-transition.ts';
import { tickPort } from './port-timers.ts';
import { enterPtx, stepPtx } from './port-transmit.ts';
import type { PriorityVector } from './priority-vector.ts';
import { newPort, portIdOf, type StpBridge, type StpPort } from './state.ts';
import { enterTcm, stepTcm } from './topology-change.ts';

/** What became of a received BPDU: it was processed, or why not. `own` is one this very port sent [9.3.4]. */
export type BpduFate = 'processed' | 'port_disabled' | 'own' | BpduFault;

/** Rounds of the machines one input may take; the longest seen in tests of the worst inputs is below 20. */
export const ROUNDS_MAX = 200;

/** Spanning tree as it was saved. */
export interface StpState {
  readonly version: 1;
  readonly settings: StpSettings;
  readonly bridge: Omit<StpBridge, 'ports' | 'effects'>;
  readonly ports: readonly Readonly<StpPort>[];
}

/** One spanning tree. */
export class SpanningTree {
  readonly #bridge: StpBridge;
  #settings: StpSettings;
  /** Most rounds an input has taken so far. */
  roundsTop = 0;

  /** A bridge without ports. Throws StpSettingError. */
  constructor(settings: StpSettings, effects: StpEffects) {
    checkStpSettings(settings);
    this.#settings = settings;
    const BridgePriority = priorityOf(settings.bridgeId);
    const BridgeTimes = timesOf(settings);
    this.#bridge = {
      BridgeIdentifier: settings.bridgeId,
      BridgePriority,
      BridgeTimes,
      RootPortId: 0,
      RootPriority: BridgePriority,
      RootTimes: BridgeTimes,
      ForceProtocolVersion: settings.forceVersion,
      TxHoldCount: settings.txHoldCount,
      ports: [],
      effects,
    };
    enterPrs(this.#bridge, 'INIT_BRIDGE');
  }

  /** The settings in force. */
  get settings(): StpSettings {
    return this.#settings;
  }

  /** The variables, to look at. */
  get bridge(): Readonly<Omit<StpBridge, 'ports'>> & { readonly ports: readonly Readonly<StpPort>[] } {
    return this.#bridge;
  }

  /** The variables of one port, to look at. */
  port(portNo: number): Readonly<StpPort> | undefined {
    return this.#bridge.ports.find((port) => port.portNo === portNo);
  }

  /** Takes in a BPDU: `octets` is what followed the LLC header. */
  receiveBpdu(portNo: number, octets: Uint8Array): BpduFate {
    const port = this.#port(portNo);
    if (!port.portEnabled) return 'port_disabled';
    const bpdu = parseBpdu(octets);
    if (typeof bpdu === 'string') return bpdu;
    if (bpdu.kind !== 'tcn' && bpdu.portId === port.portId && isSame(bpdu.bridgeId, this.#bridge.BridgeIdentifier)) return 'own';
    port.msg = bpdu;
    port.rcvdBPDU = true;
    this.#run();
    return 'processed';
  }

  /** Says that a port can send and receive, or no longer can [17.19.18]. */
  portEnabled(portNo: number, on: boolean): void {
    this.#port(portNo).portEnabled = on;
    this.#run();
  }

  /** Lets one second pass. */
  tick(): void {
    for (const port of this.#bridge.ports) tickPort(this.#bridge, port);
    this.#run();
  }

  /** Adds a port, disabled. Throws StpSettingError. */
  addPort(portNo: number, settings: StpPortSettings): void {
    if (!Number.isInteger(portNo) || portNo < 1 || portNo > STP_PORT_NO_MAX)
      throw new StpSettingError(`port number ${portNo} is outside 1..${STP_PORT_NO_MAX}, which is all a port identifier holds`);
    assert(this.port(portNo) === undefined, `spanning tree has port ${portNo} already`);
    checkStpPortSettings(settings);
    const { ports } = this.#bridge;
    const port = newPort(portNo, settings, this.#bridge);
    const behind = ports.findIndex((other) => other.portNo > portNo);
    ports.splice(behind < 0 ? ports.length : behind, 0, port);
    this.#begin(port);
    this.#run();
  }

  /** Takes a port out. */
  removePort(portNo: number): void {
    this.portEnabled(portNo, false);
    const { ports } = this.#bridge;
    ports.splice(ports.indexOf(this.#port(portNo)), 1);
    this.#run();
  }

  /** Changes settings of the bridge [17.13]. Throws StpSettingError. */
  configure(changes: Partial<StpSettings>): void {
    const before = this.#settings;
    const next = { ...before, ...changes };
    checkStpSettings(next);
    this.#settings = next;
    const bridge = this.#bridge;
    bridge.BridgeIdentifier = next.bridgeId;
    bridge.BridgePriority = priorityOf(next.bridgeId);
    bridge.BridgeTimes = timesOf(next);
    bridge.ForceProtocolVersion = next.forceVersion;
    bridge.TxHoldCount = next.txHoldCount;
    const isOther = next.forceVersion !== before.forceVersion;
    for (const port of bridge.ports) {
      if (next.txHoldCount !== before.txHoldCount) port.txCount = 0; // [17.13.12]
      if (isOther) this.#begin(port); // [17.13.4]
      reselect(port);
    }
    // Without ports no machine would be asked to.
    enterPrs(bridge, isOther ? 'INIT_BRIDGE' : 'ROLE_SELECTION');
    this.#run();
  }

  /** Changes settings of a port [17.13]. Throws StpSettingError. */
  configurePort(portNo: number, changes: Partial<StpPortSettings>): void {
    const port = this.#port(portNo);
    checkStpPortSettings({ ...port, ...changes });
    Object.assign(port, changes);
    port.portId = portIdOf(portNo, port.priority);
    reselect(port);
    this.#run();
  }

  /** Tries RST BPDUs again on a port that speaks STP [17.19.13]. */
  mcheck(portNo: number): void {
    this.#port(portNo).mcheck = true;
    this.#run();
  }

  /** The whole state, copied. */
  save(): StpState {
    const { ports, effects: _effects, ...bridge } = this.#bridge;
    return { version: 1, settings: this.#settings, bridge, ports: ports.map((port) => ({ ...port })) };
  }

  /** Spanning tree in exactly the saved state; no effect is repeated. */
  static restore(state: StpState, effects: StpEffects): SpanningTree {
    const tree = new SpanningTree(state.settings, effects);
    Object.assign(tree.#bridge, state.bridge);
    for (const port of state.ports) tree.#bridge.ports.push({ ...port });
    return tree;
  }

  #port(portNo: number): StpPort {
    const port = this.#bridge.ports.find((one) => one.portNo === portNo);
    assert(port !== undefined, () => `spanning tree has no port ${portNo}`);
    return port;
  }

  /** BEGIN, for one port. */
  #begin(port: StpPort): void {
    const bridge = this.#bridge;
    port.designatedTimes = bridge.BridgeTimes;
    enterPrx(bridge, port, 'DISCARD');
    enterPpm(bridge, port, 'CHECKING_RSTP');
    enterBdm(bridge, port, port.adminEdge ? 'EDGE' : 'NOT_EDGE');
    enterPtx(bridge, port, 'TRANSMIT_INIT');
    enterPim(bridge, port, 'DISABLED');
    port.selectedRole = 'DisabledPort';
    enterPrt(bridge, port, 'INIT_PORT');
    enterPst(bridge, port, 'DISCARDING');
    enterTcm(bridge, port, 'INACTIVE');
  }

  /** Runs the machines until all are at rest. */
  #run(): void {
    const bridge = this.#bridge;
    let rounds = 0;
    for (let isMoving = true; isMoving; rounds++) {
      assert(rounds < ROUNDS_MAX, () => `spanning tree does not come to rest: ${JSON.stringify(bridge.ports)}`);
      isMoving = stepPrs(bridge);
      for (const port of bridge.ports) if (stepPort(bridge, port)) isMoving = true;
    }
    if (rounds > this.roundsTop) this.roundsTop = rounds;
    // PERIODIC, then one BPDU; more would need news that only the other machines make.
    for (const port of bridge.ports) while (stepPtx(bridge, port));
  }
}

/** One step of each machine of a port but Port Transmit. */
function stepPort(bridge: StpBridge, port: StpPort): boolean {
  let isMoving = stepPrx(bridge, port);
  isMoving = stepPpm(bridge, port) || isMoving;
  isMoving = stepBdm(bridge, port) || isMoving;
  isMoving = stepPim(bridge, port) || isMoving;
  isMoving = stepPrt(bridge, port) || isMoving;
  isMoving = stepPst(bridge, port) || isMoving;
  return stepTcm(bridge, port) || isMoving;
}

/** What a change of the port's part in the selection calls for [17.13.7, 17.13.10, 17.13.11]. */
function reselect(port: StpPort): void {
  port.reselect = true;
  port.selected = false;
}

function priorityOf(id: BridgeId): PriorityVector {
  return { RootBridgeID: id, RootPathCost: 0, DesignatedBridgeID: id, DesignatedPortID: 0, BridgePortID: 0 };
}

function timesOf({ helloTime, maxAge, forwardDelay }: StpSettings): StpBridge['BridgeTimes'] {
  return { messageAge: 0, maxAge, helloTime, forwardDelay };
}

function isSame(a: BridgeId, b: BridgeId): boolean {
  return a.priority === b.priority && a.hi === b.hi && a.lo === b.lo;
}
