// One production bridge in a simulation: its ports by the labels scenarios use, and a way to hand
// it a frame and see where the copies go. Every copy counts as sent, so the accounts must balance.

import { Bridge } from '../bridge/bridge.ts';
import type { PortSettings } from '../bridge/command.ts';
import { memoryOf } from '../lib/memory.ts';
import { Batch } from '../relay/batch.ts';
import { TransmitResult } from '../relay/egress.ts';
import { outcomeName } from '../relay/verdict.ts';
import { ETHERNET, ETHERTYPE, type Mac, writeMac } from '../wire/ethernet.ts';
import type { ScenarioSettings } from './scenario.ts';
import type { PortLabel } from './step.ts';

/** Longest payload a frame of a scenario may have. */
export const PAYLOAD_LEN_MAX = 65_535;

const SALT = 0x5eed;

/** What became of a frame. */
export interface Sent {
  /** Ports that got a copy, in order, the host last. */
  out: PortLabel[];
  /** Traffic kind or drop reason. */
  outcome: string;
}

/** A bridge with labelled ports. */
export class SimBridge {
  readonly bridge: Bridge;
  readonly #numbers = new Map<PortLabel, number>();
  readonly #labels = new Map<number, PortLabel>();
  readonly #batch = new Batch();
  readonly #memory = memoryOf(new ArrayBuffer(ETHERNET.HEADER_LEN + PAYLOAD_LEN_MAX));
  readonly #result = new TransmitResult();

  /** A bridge with all its ports up. Throws CommandError for settings a bridge refuses. */
  constructor(name: string, ports: readonly PortLabel[], settings: ScenarioSettings, now: number) {
    this.bridge = new Bridge({
      name,
      salt: SALT,
      ...(settings.fdb_max !== undefined && { fdbSize: settings.fdb_max }),
      settings: {
        ...(settings.ageing_s !== undefined && { ageing_time_s: settings.ageing_s }),
        ...(settings.fdb_max_learned !== undefined && { fdb_max_learned: settings.fdb_max_learned }),
        ...(settings.group_fwd_mask !== undefined && { group_fwd_mask: settings.group_fwd_mask }),
      },
    });
    // The host last: it takes a number that no label claims.
    const ordered = [...ports].sort((a, b) => (a === 'host' ? 1 : 0) - (b === 'host' ? 1 : 0));
    for (const label of ordered) this.#addPort(label, settings, now);
  }

  /** The number of a port, or 0 when the bridge has no such port. */
  portNoOf(label: PortLabel): number {
    return this.#numbers.get(label) ?? 0;
  }

  /** The label of a port number. */
  labelOf(portNo: number): PortLabel {
    return this.#labels.get(portNo) ?? portNo;
  }

  /** Takes a port out of the bridge; it keeps no label. */
  removePort(label: PortLabel, now: number): void {
    const portNo = this.portNoOf(label);
    this.bridge.apply({ type: 'port_remove', portNo }, now);
    this.#numbers.delete(label);
    this.#labels.delete(portNo);
  }

  /** Has the bridge decide one frame. A port that is not in the bridge sends into nowhere. */
  send(label: PortLabel, src: Mac, dst: Mac, payload: Uint8Array, now: number): Sent {
    const portNo = this.portNoOf(label);
    if (portNo === 0) return { out: [], outcome: 'not in the bridge' };
    const { view, u8 } = this.#memory;
    writeMac(view, ETHERNET.DST, dst.hi, dst.lo);
    writeMac(view, ETHERNET.SRC, src.hi, src.lo);
    view.setUint16(ETHERNET.TYPE, ETHERTYPE.IPV4);
    u8.set(payload, ETHERNET.HEADER_LEN);
    const len = ETHERNET.HEADER_LEN + payload.length;
    this.#batch.reset(portNo);
    this.#batch.add(this.#batch.useMemory(this.#memory), 0, len);
    this.bridge.ingest(this.#batch, now);

    const { egress } = this.bridge;
    const out: PortLabel[] = [];
    for (let k = 0; k < egress.portCount; k++) {
      const port = egress.ports[k] as number;
      const copies = egress.count[port] as number;
      this.#result.clear();
      this.#result.sent = copies;
      this.#result.sentBytes = copies * len;
      this.bridge.transmitted(port, this.#result);
      for (let n = 0; n < copies; n++) out.push(this.labelOf(port));
    }
    return { out: sortLabels(out), outcome: outcomeName(this.#batch.verdict[0] as number) };
  }

  #addPort(label: PortLabel, settings: ScenarioSettings, now: number): void {
    const {
      mtu,
      isolated = false,
      learning = true,
      flood = true,
      mcast_flood = true,
      bcast_flood = true,
      hairpin = false,
    } = settings;
    const isStation = label !== 'host';
    const portSettings: Partial<PortSettings> = {
      learning,
      flood,
      mcast_flood,
      bcast_flood,
      hairpin: hairpin && isStation,
      isolated: typeof isolated === 'boolean' ? isolated && isStation : isolated.includes(label),
      ...(mtu !== undefined && { mtu }),
    };
    const portNo = this.bridge.apply(
      {
        type: 'port_add',
        name: `${label}`,
        kind: 'memory',
        target: 'simulation',
        settings: portSettings,
        ...(label !== 'host' && { portNo: label }),
      },
      now,
    );
    this.bridge.apply({ type: 'port_link', portNo, up: true }, now);
    this.#numbers.set(label, portNo);
    this.#labels.set(portNo, label);
  }
}

/** Labels in order: numbers, then the host. */
export function sortLabels(labels: readonly PortLabel[]): PortLabel[] {
  const rank = (label: PortLabel): number => (label === 'host' ? Number.POSITIVE_INFINITY : label);
  return [...labels].sort((a, b) => (a === b ? 0 : rank(a) - rank(b)));
}
