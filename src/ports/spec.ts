// What a port is made from: `KIND:TARGET[,name=NAME][,key=value]…`, or the same as YAML.

import type { PortSettings } from '../bridge/command.ts';

/** Kinds of port. */
export const PORT_KINDS = ['tap', 'netdev', 'stream', 'fd'] as const;
export type PortKind = (typeof PORT_KINDS)[number];

/** A port as asked for. */
export interface PortSpec {
  kind: PortKind;
  /** Interface name, socket path or descriptor number, by kind. */
  target: string;
  /** Name in the switch; by default the interface's, or the last part of the path without its extension. */
  name: string;
  /** Network namespace the interface lives in: a name of `ip netns`, `pid:N` or a path. */
  netns?: string;
  /** stream: dial the path and retry, instead of listening. */
  connect?: boolean;
  /** tap: address and prefix length to put on the interface (host port). */
  address?: string;
  /** tap: MAC address of the interface. */
  mac?: string;
  /** The host's own port (host), a port to the outside (uplink), or a plain one. */
  role?: 'host' | 'uplink';
  /** netdev: leave the host's stack on the interface (shared uplink). */
  shared?: boolean;
  settings: Partial<PortSettings>;
}
