// One production bridge with spanning tree in a simulation: the protocol engine and the relay, joined
// by the effects as in the switch. States become port states of the relay, so that its egress masks
// decide what a frame does.

import type { PortState } from '../relay/port-table.ts';
import type { StpEffects } from '../stp/effects.ts';
import type { StpPortSettings, StpSettings } from '../stp/parameters.ts';
import { FORCE_VERSION } from '../stp/parameters.ts';
import { SpanningTree } from '../stp/spanning-tree.ts';
import type { StpPort } from '../stp/state.ts';
import { SimBridge } from './sim-bridge.ts';

/** Roles as users read them. */
export const ROLE_WORDS = {
  DisabledPort: 'disabled',
  RootPort: 'root',
  DesignatedPort: 'designated',
  AlternatePort: 'alternate',
  BackupPort: 'backup',
} as const satisfies Record<StpPort['role'], string>;

/** Called with each BPDU a bridge sends and whenever a port begins to forward. */
export interface TreeBridgeEvents {
  transmit(bridge: TreeBridge, portNo: number, bpdu: Uint8Array): void;
  forwarded(): void;
}

const FDB_SIZE = 64;
const AGEING_TIME_S = 300;

/** A bridge of a simulated network. */
export class TreeBridge implements StpEffects {
  readonly name: string;
  readonly tree: SpanningTree;
  readonly relay: SimBridge;
  readonly #events: TreeBridgeEvents;
  readonly #rapid = new Map<number, number>();
  #now = 0;

  /** A bridge whose ports are all down. Throws StpSettingError. */
  constructor(
    name: string,
    settings: StpSettings,
    ports: readonly (StpPortSettings & { portNo: number })[],
    events: TreeBridgeEvents,
  ) {
    this.name = name;
    this.#events = events;
    this.relay = new SimBridge(
      name,
      ports.map(({ portNo }) => portNo),
      { fdb_max: FDB_SIZE },
      0,
    );
    this.tree = new SpanningTree(settings, this);
    for (const { portNo, ...portSettings } of ports) {
      this.relay.bridge.apply({ type: 'port_link', portNo, up: false }, 0);
      this.tree.addPort(portNo, portSettings);
    }
  }

  /** Says that the port can send and receive, or no longer. */
  setUp(portNo: number, up: boolean, now: number): void {
    this.#now = now;
    this.relay.bridge.apply({ type: 'port_link', portNo, up }, now);
    this.tree.portEnabled(portNo, up);
  }

  /** Hands the bridge a BPDU. */
  receive(portNo: number, bpdu: Uint8Array, now: number): void {
    this.#now = now;
    this.tree.receiveBpdu(portNo, bpdu);
  }

  /** Lets one second pass. */
  tick(now: number): void {
    this.#now = now;
    this.relay.bridge.tick(now);
    this.tree.tick();
  }

  /** The state of a port in the words of 802.1D: what does not relay is listening in STP where it waits for its time. */
  stateOf(port: Readonly<StpPort>): PortState {
    if (!port.portEnabled) return 'disabled';
    if (port.forwarding) return 'forwarding';
    if (port.learning) return 'learning';
    const isWaiting = port.role === 'RootPort' || port.role === 'DesignatedPort';
    return isWaiting && this.tree.settings.forceVersion === FORCE_VERSION.STP ? 'listening' : 'discarding';
  }

  transmitBpdu(portNo: number, bpdu: Uint8Array): void {
    this.#events.transmit(this, portNo, bpdu);
  }

  setLearning(portNo: number, on: boolean): void {
    this.relay.bridge.apply({ type: 'port_state', portNo, state: on ? 'learning' : 'discarding' }, this.#now);
  }

  setForwarding(portNo: number, on: boolean): void {
    this.relay.bridge.apply({ type: 'port_state', portNo, state: on ? 'forwarding' : 'discarding' }, this.#now);
    if (on) this.#events.forwarded();
  }

  flushFdb(portNo: number): void {
    this.relay.bridge.apply({ type: 'fdb_flush', portNo }, this.#now);
  }

  /** The relay has one ageing time: as long as one port is to age rapidly, all do, as in 802.1D-1998. */
  setRapidAgeing(portNo: number, seconds: number): void {
    if (seconds === 0) this.#rapid.delete(portNo);
    else this.#rapid.set(portNo, seconds);
    const ageing = this.#rapid.size === 0 ? AGEING_TIME_S : Math.min(...this.#rapid.values());
    this.relay.bridge.apply({ type: 'switch_set', settings: { ageing_time_s: ageing } }, this.#now);
  }
}
