// What a running switch shows: the bridge's snapshot joined with what main knows of the devices.

import type { BridgeSnapshot, PortSnapshot } from '../bridge/snapshot.ts';
import type { LoopSnapshot } from './message.ts';

/** A port with the device under it. */
export interface PortView extends PortSnapshot {
  role: 'host' | 'uplink' | 'plain';
  /** Address of the interface behind the port, where there is one. */
  mac: string | undefined;
  /** Why the port is down, in words; undefined when it is up. */
  reason: string | undefined;
}

/** A whole switch. */
export interface SwitchView extends Omit<BridgeSnapshot, 'ports'> {
  pid: number;
  uptime_s: number;
  /** Time of the bridge's clock now, in ms; drop times (`at_ms`) are on the same clock. */
  now_ms: number;
  loop: LoopSnapshot;
  ports: PortView[];
}

/** What happened to a port, for logs and subscribers. */
export interface SwitchEvent {
  type: 'port_added' | 'port_removed' | 'port_up' | 'port_down';
  port: string;
  /** Why it went down. */
  reason?: string;
}
