// The commands a bridge obeys besides frames and time: plain data, so that they can be sent between
// threads, recorded and replayed. Whoever sends one has resolved names to numbers.

import type { PortFlags, PortState } from '../relay/port-table.ts';

/** Settings of a port that may change while it runs. */
export interface PortSettings extends PortFlags {
  mtu: number;
  /** Reserved groups (01-80-C2-00-00-0X) forwarded from this port, one bit each; bit 1 (PAUSE) is refused. */
  group_fwd_mask: number;
}

/** Settings of the whole switch, with the kernel bridge's names where it has them. */
export interface SwitchSettings {
  /** Seconds; 0 floods everything and learns nothing. */
  ageing_time_s: number;
  /** Reserved groups forwarded from every port; bits 0 to 2 are refused, as by the kernel. */
  group_fwd_mask: number;
  /** Learned addresses allowed; 0 = as many as the table holds. */
  fdb_max_learned: number;
  /** Whether the switch relays at all (`ip link set br0 up|down`). Going down forgets what was learned, as in the kernel. */
  up: boolean;
}

/** A command: what is to change, with everything needed to do it. */
export type Command =
  | { type: 'port_add'; name: string; kind: string; target: string; portNo?: number; settings?: Partial<PortSettings> }
  | { type: 'port_remove'; portNo: number }
  | { type: 'port_set'; portNo: number; settings: Partial<PortSettings> }
  /** Carrier of the device. Losing it flushes what was learned there. */
  | { type: 'port_link'; portNo: number; up: boolean }
  | { type: 'port_state'; portNo: number; state: PortState }
  | { type: 'fdb_add'; portNo: number; mac: string; fid?: number; flags: number }
  | { type: 'fdb_del'; mac: string; fid?: number }
  /** Forgets what was learned: on one port, or everywhere. */
  | { type: 'fdb_flush'; portNo?: number }
  | { type: 'switch_set'; settings: Partial<SwitchSettings> };

/** A command that cannot be obeyed; the message is a sentence for the user. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}
