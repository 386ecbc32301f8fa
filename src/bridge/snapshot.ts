// What a bridge shows of itself: plain data, made on request, never on the data path. Keys that
// reach users' JSON are in snake_case with their unit, as everywhere in weft.

import type { PortFlags, PortState } from '../relay/port-table.ts';
import type { SwitchSettings } from './command.ts';

/** Drops of one reason on one port. */
export interface DropSnapshot {
  reason: string;
  /** The reason as a sentence. */
  text: string;
  count: number;
  /** The frame dropped last, where it is known. */
  last?: { src: string; dst: string; ethertype: number; len: number; at_ms: number };
}

/** One port. */
export interface PortSnapshot {
  portNo: number;
  name: string;
  kind: string;
  target: string;
  up: boolean;
  state: PortState;
  flags: PortFlags;
  mtu: number;
  group_fwd_mask: number;
  /** Addresses learned on this port. */
  learned: number;
  rx_frames: number;
  rx_bytes: number;
  relayed: number;
  consumed: number;
  chosen: number;
  originated: number;
  tx_frames: number;
  tx_bytes: number;
  queued: number;
  /** Only reasons that occurred. */
  drops: DropSnapshot[];
}

/** One address. */
export interface FdbSnapshotEntry {
  mac: string;
  portNo: number;
  ifname: string;
  fid: number;
  state: 'dynamic' | 'static' | 'permanent';
  age_s: number;
  flags: string[];
}

/** The switch. */
export interface BridgeSnapshot {
  name: string;
  settings: SwitchSettings;
  fdb: {
    size: number;
    /** Learned entries now. */
    learned: number;
    /** Static, permanent and external entries now. */
    lasting: number;
    learned_total: number;
    moved_total: number;
    expired_total: number;
    evicted_total: number;
    refused_total: number;
  };
  ports: PortSnapshot[];
}
