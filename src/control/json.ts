// The JSON that users and scripts hold on to: what the control socket answers with and `weft --json`
// prints, word for word. Keys follow iproute2 where it has a word, durations carry their unit.
// Tables for people are made from these shapes too, so nothing is shown that JSON lacks.
//
// Without a spanning tree a port has no role, cost or priority: those are null until there is one.

import type { PortSettings, SwitchSettings } from '../bridge/command.ts';
import type { FdbSnapshotEntry } from '../bridge/snapshot.ts';
import type { PortView, SwitchView } from '../loop/view.ts';
import type { PortState } from '../relay/port-table.ts';

/** One port, of `weft ports`. */
export interface PortJson {
  ifname: string;
  kind: string;
  target: string;
  port_no: number;
  link: 'up' | 'down';
  /** Why the link is down, in words. */
  down_reason: string | null;
  state: PortState;
  role: null;
  path_cost: null;
  priority: null;
  mtu: number;
  mac: string | null;
  rx_frames: number;
  rx_bytes: number;
  tx_frames: number;
  tx_bytes: number;
  drops: Record<string, number>;
  /** What the port is for: the host's own, the way out, or a plain one. */
  purpose: 'host' | 'uplink' | 'plain';
  /** Settings that `weft port set` changes; `mtu` stands above. */
  settings: Omit<PortSettings, 'mtu'>;
  /** Addresses learned here. */
  learned: number;
}

/** One address, of `weft fdb`. */
export interface FdbJson {
  mac: string;
  ifname: string;
  /** Left out for untagged traffic. */
  vlan?: number;
  state: 'dynamic' | 'static' | 'permanent';
  age_s: number;
  flags: string[];
}

/** Drops of one reason on one port, of `weft drops`. */
export interface DropJson {
  ifname: string;
  reason: string;
  text: string;
  count: number;
  /** The frame dropped last; null where the device did not say which. */
  last: { src: string; dst: string; ethertype: number; len: number; age_s: number } | null;
}

/** What a port or the switch has counted since it was made. */
export interface CountersJson {
  rx_frames: number;
  rx_bytes: number;
  tx_frames: number;
  tx_bytes: number;
  /** Drops of every reason. */
  drops: number;
}

/** Counters at one moment, of the control socket's `stats`; `weft stats` makes rates of two. */
export interface StatsSampleJson {
  /** Time of the sample, in ms of the switch's clock. */
  now_ms: number;
  switch: CountersJson;
  ports: (CountersJson & { ifname: string })[];
}

/** How an uplink is used: shared with the host by a packet socket, or the switch's alone by a macvtap or a packet socket (netdev). */
export type UplinkMode = 'shared' | 'macvtap' | 'netdev';

/** The switch as a whole, of `weft show`. */
export interface ShowJson {
  name: string;
  pid: number;
  uptime_s: number;
  /** What the forwarding thread waits with. */
  backend: 'epoll' | 'io_uring';
  stp: 'off';
  settings: SwitchSettings;
  fdb: SwitchView['fdb'];
  ports: { count: number; up: number };
  host: { ifname: string; mac: string | null; address: string | null } | null;
  uplink: { ifname: string; mode: UplinkMode } | null;
  /** Sentences about frames that weft lost count of: a fault of weft, so empty. */
  imbalances: string[];
}

/** What `show` needs and a view does not hold: how host and uplink were set up. */
export interface SwitchSetup {
  host: { ifname: string; address: string | null } | null;
  uplink: { ifname: string; mode: UplinkMode } | null;
}

/** A port as JSON. */
export function portJson(port: PortView): PortJson {
  return {
    ifname: port.name,
    kind: port.kind,
    target: port.target,
    port_no: port.portNo,
    link: port.up ? 'up' : 'down',
    down_reason: port.reason ?? null,
    state: port.state,
    role: null,
    path_cost: null,
    priority: null,
    mtu: port.mtu,
    mac: port.mac ?? null,
    rx_frames: port.rx_frames,
    rx_bytes: port.rx_bytes,
    tx_frames: port.tx_frames,
    tx_bytes: port.tx_bytes,
    drops: Object.fromEntries(port.drops.map(({ reason, count }) => [reason, count])),
    purpose: port.role,
    settings: { ...port.flags, group_fwd_mask: port.group_fwd_mask },
    learned: port.learned,
  };
}

/** An address as JSON. */
export function fdbJson(entry: FdbSnapshotEntry): FdbJson {
  const { mac, ifname, fid, state, age_s, flags } = entry;
  return { mac, ifname, ...(fid !== 0 && { vlan: fid }), state, age_s, flags };
}

/** Every drop of a switch as JSON, by port. */
export function dropsJson(view: SwitchView): DropJson[] {
  return view.ports.flatMap((port) =>
    port.drops.map(({ reason, text, count, last }) => {
      if (last === undefined) return { ifname: port.name, reason, text, count, last: null };
      const { at_ms, ...frame } = last;
      return {
        ifname: port.name,
        reason,
        text,
        count,
        last: { ...frame, age_s: Math.max(0, Math.round((view.now_ms - at_ms) / 1000)) },
      };
    }),
  );
}

/** Counters of a switch and its ports as JSON. */
export function statsSampleJson(view: SwitchView): StatsSampleJson {
  const sum: CountersJson = { rx_frames: 0, rx_bytes: 0, tx_frames: 0, tx_bytes: 0, drops: 0 };
  const ports = view.ports.map((port) => {
    const { rx_frames, rx_bytes, tx_frames, tx_bytes } = port;
    const drops = port.drops.reduce((total, { count }) => total + count, 0);
    sum.rx_frames += rx_frames;
    sum.rx_bytes += rx_bytes;
    sum.tx_frames += tx_frames;
    sum.tx_bytes += tx_bytes;
    sum.drops += drops;
    return { ifname: port.name, rx_frames, rx_bytes, tx_frames, tx_bytes, drops };
  });
  return { now_ms: view.now_ms, switch: sum, ports };
}

/** The switch as JSON. */
export function showJson(view: SwitchView, setup: SwitchSetup): ShowJson {
  const { host } = setup;
  return {
    name: view.name,
    pid: view.pid,
    uptime_s: view.uptime_s,
    backend: view.loop.backend,
    stp: 'off',
    settings: view.settings,
    fdb: view.fdb,
    ports: { count: view.ports.length, up: view.ports.filter((port) => port.up).length },
    host: host && { ...host, mac: view.ports.find((port) => port.role === 'host')?.mac ?? null },
    uplink: setup.uplink,
    imbalances: view.loop.imbalances,
  };
}
