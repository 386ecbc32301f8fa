// A bridge's spanning tree variables made to measure, and effects that are written down.

import type { StpEffects } from '../../src/stp/effects.ts';
import { FORCE_VERSION, STP_PORT_SETTINGS_DEFAULT, STP_SETTINGS_DEFAULT, type StpSettings } from '../../src/stp/parameters.ts';
import type { PriorityVector } from '../../src/stp/priority-vector.ts';
import { newPort, type StpBridge, type StpPort } from '../../src/stp/state.ts';
import { type Bpdu, type BpduBody, type BridgeId, parseBpdu } from '../../src/wire/bpdu.ts';

/** Effects as a list of words; BPDUs apart, taken apart. */
export class WrittenEffects implements StpEffects {
  readonly words: string[] = [];
  readonly sent: { portNo: number; bpdu: Bpdu }[] = [];

  transmitBpdu(portNo: number, octets: Uint8Array): void {
    const bpdu = parseBpdu(octets);
    if (typeof bpdu === 'string') {
      // What is about to be too old is still said to the last bridge that it reaches, which does not take it.
      if (bpdu !== 'too_old') throw new Error(`sent a BPDU that nobody processes: ${bpdu}`);
      this.words.push(`${portNo}: ${bpdu}`);
      return;
    }
    this.sent.push({ portNo, bpdu });
    this.words.push(`${portNo}: ${bpdu.kind}`);
  }

  setLearning(portNo: number, on: boolean): void {
    this.words.push(`${portNo}: learning ${on}`);
  }

  setForwarding(portNo: number, on: boolean): void {
    this.words.push(`${portNo}: forwarding ${on}`);
  }

  flushFdb(portNo: number): void {
    this.words.push(`${portNo}: flush`);
  }

  setRapidAgeing(portNo: number, seconds: number): void {
    this.words.push(`${portNo}: ageing ${seconds}`);
  }

  /** What was written since the last call. */
  take(): string[] {
    this.sent.length = 0;
    return this.words.splice(0);
  }
}

/** An identifier: bridge `n`, or `n` with a priority. */
export function bridgeId(n: number, priority = 32_768): BridgeId {
  return { priority, hi: 0x0200, lo: n };
}

/** A vector: root, cost, designated bridge, its port. */
export function vector(root: number, cost: number, designated: number, port: number): PriorityVector {
  return {
    RootBridgeID: bridgeId(root),
    RootPathCost: cost,
    DesignatedBridgeID: bridgeId(designated),
    DesignatedPortID: 0x8000 | port,
  };
}

/** Settings of bridge `n`. */
export function settingsOf(n: number, changes: Partial<StpSettings> = {}): StpSettings {
  return { ...STP_SETTINGS_DEFAULT, bridgeId: bridgeId(n), ...changes };
}

/** Bridge 5 with ports 1, 2 … whose variables are the default ones, settled, changed as given. */
export function bridgeOf(ports: readonly Partial<StpPort>[], changes: Partial<StpBridge> = {}) {
  const effects = new WrittenEffects();
  const id = bridgeId(5);
  const BridgePriority = { ...vector(5, 0, 5, 0), DesignatedPortID: 0, BridgePortID: 0 };
  const BridgeTimes = { messageAge: 0, maxAge: 20, helloTime: 2, forwardDelay: 15 };
  const bridge: StpBridge = {
    BridgeIdentifier: id,
    BridgePriority,
    BridgeTimes,
    RootPortId: 0,
    RootPriority: BridgePriority,
    RootTimes: BridgeTimes,
    ForceProtocolVersion: FORCE_VERSION.RSTP,
    TxHoldCount: 6,
    ports: [],
    effects,
    ...changes,
  };
  for (const [n, vars] of ports.entries()) {
    const port = newPort(n + 1, STP_PORT_SETTINGS_DEFAULT, bridge);
    const designatedPriority = vector(5, 0, 5, n + 1);
    Object.assign(port, { portEnabled: true, selected: true, sendRSTP: true, infoIs: 'Mine', PIM: 'CURRENT', helloWhen: 2 });
    Object.assign(port, { designatedPriority, portPriority: designatedPriority, ...vars });
    bridge.ports.push(port);
  }
  return { bridge, effects, port: bridge.ports[0] };
}

/** An RST BPDU of bridge `designated`, changed as given. */
export function bpduOf(root: number, cost: number, designated: number, port: number, changes: Partial<BpduBody> = {}) {
  const bpdu = {
    kind: 'rst' as const,
    version: 2,
    flags: 0x0c,
    rootId: bridgeId(root),
    rootPathCost: cost,
    bridgeId: bridgeId(designated),
    portId: 0x8000 | port,
    messageAge: 0,
    maxAge: 20,
    helloTime: 2,
    forwardDelay: 15,
    ...changes,
  };
  return bpdu satisfies Bpdu;
}
