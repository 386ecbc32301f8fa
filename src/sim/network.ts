// A network of bridges on shared LANs in virtual time.
//
// A LAN is a hub: what one port sends every other port on it hears, also other ports of the same
// bridge. A LAN with at most two ports is a point-to-point link. A port on no LAN has link, and nobody
// is there. Each bridge has its own second; a BPDU arrives at the instant it is sent, one at a time in
// the order of sending, so that a run is the same each time.

import { assert } from '../lib/assert.ts';
import type { StpPortSettings, StpSettings } from '../stp/parameters.ts';
import { loopOf } from './active-topology.ts';
import { TreeBridge, type TreeBridgeEvents } from './tree-bridge.ts';

/** A port to make: its number, its LAN and whether it is switched on. */
export interface NetworkPort extends StpPortSettings {
  readonly portNo: number;
  readonly lan: string | null;
  readonly enabled: boolean;
}

/** One end of a LAN. */
export interface Attachment {
  readonly bridge: TreeBridge;
  readonly portNo: number;
  lan: string | null;
  /** Switched on by management. */
  enabled: boolean;
}

interface Message {
  readonly from: Attachment;
  readonly bpdu: Uint8Array;
}

const TICK_MS = 1000;
/** BPDUs delivered at one instant at the most, for each port there is: far above what TxHoldCount lets through. */
const DELIVERIES_PER_PORT = 1000;

/** Bridges, LANs and the time. */
export class Network implements TreeBridgeEvents {
  readonly bridges: TreeBridge[] = [];
  readonly attachments: Attachment[] = [];
  /** Virtual time in ms. */
  now = 0;
  /** BPDUs delivered so far. */
  delivered = 0;
  /** Called at every instant at which a forwarding loop appears. */
  onLoop: ((sentence: string) => void) | undefined;
  readonly #downLans = new Set<string>();
  readonly #nextTicks: number[] = [];
  readonly #queue: Message[] = [];
  #hasNewPath = false;
  #isStarted = false;

  /** Adds a bridge; its seconds begin `phaseMs` after those of the network. Throws StpSettingError. */
  addBridge(name: string, settings: StpSettings, ports: readonly NetworkPort[], phaseMs = 0): TreeBridge {
    assert(!this.#isStarted, 'a bridge is added before the network starts');
    const bridge = new TreeBridge(
      name,
      settings,
      ports.map(({ lan: _lan, enabled: _enabled, ...port }) => port),
      this,
    );
    this.bridges.push(bridge);
    this.#nextTicks.push(TICK_MS + phaseMs);
    for (const { portNo, lan, enabled } of ports) this.attachments.push({ bridge, portNo, lan, enabled });
    return bridge;
  }

  /** Switches on all links at once. */
  start(): void {
    this.#isStarted = true;
    for (const { lan } of this.attachments) this.#setPointToPoint(lan);
    for (const end of this.attachments) if (this.isUp(end)) end.bridge.setUp(end.portNo, true, this.now);
    this.#deliver();
  }

  /** The end that is a port of a bridge. */
  attachment(bridge: TreeBridge, portNo: number): Attachment {
    const end = this.attachments.find((one) => one.bridge === bridge && one.portNo === portNo);
    assert(end !== undefined, () => `${bridge.name} has no port ${portNo}`);
    return end;
  }

  /** Whether a port can send and receive. */
  isUp({ enabled, lan }: Attachment): boolean {
    return enabled && (lan === null || !this.#downLans.has(lan));
  }

  /** Ports on a LAN, up or not. */
  endsOf(lan: string): Attachment[] {
    return this.attachments.filter((end) => end.lan === lan);
  }

  /** Plugs a port in elsewhere; its link does not go down meanwhile. */
  connect(end: Attachment, lan: string | null): void {
    const before = end.lan;
    const wasUp = this.isUp(end);
    end.lan = lan;
    this.#setPointToPoint(before);
    this.#setPointToPoint(lan);
    if (lan === null) end.bridge.tree.configurePort(end.portNo, { operPointToPointMAC: true });
    if (this.isUp(end) !== wasUp) end.bridge.setUp(end.portNo, !wasUp, this.now);
    this.#hasNewPath = true;
    this.#deliver();
  }

  /** Switches a port on or off. */
  enable(end: Attachment, on: boolean): void {
    const wasUp = this.isUp(end);
    end.enabled = on;
    if (this.isUp(end) !== wasUp) end.bridge.setUp(end.portNo, !wasUp, this.now);
    this.#deliver();
  }

  /** Takes link from all ports of a LAN, or gives it back. */
  setLan(lan: string, up: boolean): void {
    if (up) this.#downLans.delete(lan);
    else this.#downLans.add(lan);
    for (const end of this.endsOf(lan)) if (end.enabled) end.bridge.setUp(end.portNo, up, this.now);
    this.#deliver();
  }

  /** Hands a port a BPDU from outside. */
  inject(end: Attachment, bpdu: Uint8Array): void {
    if (this.isUp(end)) end.bridge.receive(end.portNo, bpdu, this.now);
    this.#deliver();
  }

  /** Lets time pass; `onSecond` is called when a second of the network is over. */
  advance(seconds: number, onSecond?: () => void): void {
    this.#deliver();
    const until = this.now + Math.round(seconds * 1000);
    let nextSecond = (Math.floor(this.now / TICK_MS) + 1) * TICK_MS;
    for (;;) {
      const next = Math.min(...this.#nextTicks);
      while (nextSecond < next && nextSecond <= until) {
        nextSecond += TICK_MS;
        onSecond?.();
      }
      if (next > until) break;
      this.now = next;
      for (const [n, bridge] of this.bridges.entries()) {
        if (this.#nextTicks[n] !== next) continue;
        this.#nextTicks[n] = next + TICK_MS;
        bridge.tick(next);
        this.#deliver();
      }
    }
    this.now = until;
  }

  transmit(bridge: TreeBridge, portNo: number, bpdu: Uint8Array): void {
    this.#queue.push({ from: this.attachment(bridge, portNo), bpdu });
  }

  forwarded(): void {
    this.#hasNewPath = true;
  }

  /** Delivers what was sent, and what is sent in answer, until nothing is under way. */
  #deliver(): void {
    this.#checkLoop();
    let count = 0;
    for (let message = this.#queue.shift(); message !== undefined; message = this.#queue.shift()) {
      const { from, bpdu } = message;
      if (from.lan === null || !this.isUp(from)) continue;
      for (const end of this.attachments) {
        if (end.lan !== from.lan || end === from || !this.isUp(end)) continue;
        end.bridge.receive(end.portNo, bpdu, this.now);
        this.delivered++;
        count++;
        this.#checkLoop();
      }
      assert(count < DELIVERIES_PER_PORT * (this.attachments.length + 1), 'bridges answer each other without end');
    }
  }

  #checkLoop(): void {
    if (!this.#hasNewPath) return;
    this.#hasNewPath = false;
    const loop = this.onLoop === undefined ? undefined : loopOf(this);
    if (loop !== undefined) this.onLoop?.(loop);
  }

  #setPointToPoint(lan: string | null): void {
    if (lan === null) return;
    const ends = this.endsOf(lan);
    const operPointToPointMAC = ends.length <= 2;
    for (const { bridge, portNo } of ends) {
      if (bridge.tree.port(portNo)?.operPointToPointMAC !== operPointToPointMAC)
        bridge.tree.configurePort(portNo, { operPointToPointMAC });
    }
  }
}
