// Spanning-tree scenarios: bridges with ports on LANs, and steps of changes, a time to settle and what
// must then be so. This file checks one from end to end before anything runs; whatever it does not
// know it refuses by name.

import { BPDU, BPDU_LEN, BPDU_TYPE, emitBpdu } from '../wire/bpdu.ts';
import { parseMac } from '../wire/ethernet.ts';
import type { Entry } from './scenario.ts';
import { CHECKS, type Check, checkFields, type Fields, isRecord, ScenarioError } from './step.ts';

/** Timers and defaults of a file or an entry; seconds. */
export interface TopologyDefaults {
  readonly max_age: number;
  readonly hello_time: number;
  readonly forward_delay: number;
  readonly bridge_priority: number;
  readonly port_priority: number;
}

/** A port of a bridge. */
export interface TopologyPort {
  readonly port: number;
  readonly lan: string | null;
  readonly cost?: number;
  readonly port_priority?: number;
  readonly enabled?: boolean;
  readonly admin_edge?: boolean;
  readonly auto_edge?: boolean;
}

/** A bridge. */
export interface TopologyBridge {
  readonly name: string;
  readonly mac: string;
  readonly priority?: number;
  readonly ports: readonly TopologyPort[];
}

/** One change of a step. */
export type Change =
  | { readonly op: 'connect_port'; readonly bridge: string; readonly port: number; readonly lan: string | null }
  | { readonly op: 'disable_port' | 'enable_port'; readonly bridge: string; readonly port: number }
  | { readonly op: 'link_down' | 'link_up'; readonly lan: string }
  | { readonly op: 'set_bridge_priority'; readonly bridge: string; readonly priority: number }
  | { readonly op: 'set_port_priority'; readonly bridge: string; readonly port: number; readonly port_priority: number }
  | { readonly op: 'set_port_cost'; readonly bridge: string; readonly port: number; readonly cost: number }
  | { readonly op: 'inject_bpdu'; readonly bridge: string; readonly port: number; readonly bpdu: InjectedBpdu };

/** A BPDU to inject, field by field; times in seconds. */
export interface InjectedBpdu {
  readonly protocol_id?: number;
  readonly version?: number;
  readonly type: number;
  readonly flags?: number;
  readonly root_priority?: number;
  readonly root_mac?: string;
  readonly root_path_cost?: number;
  readonly bridge_priority?: number;
  readonly bridge_mac?: string;
  readonly port_id?: number;
  readonly message_age?: number;
  readonly max_age?: number;
  readonly hello_time?: number;
  readonly forward_delay?: number;
}

/** What must be so of a port. */
export interface ExpectedPort {
  readonly port: number;
  readonly state?: string;
  readonly role?: string;
}

/** What must be so of a bridge; only what is given is compared. */
export interface ExpectedBridge {
  readonly is_root?: boolean;
  readonly root_id?: { readonly priority: number; readonly mac: string };
  readonly root_path_cost?: number;
  readonly root_port?: number | null;
  readonly ports?: readonly ExpectedPort[];
}

/** Changes, the time that then passes, and what must be so at its end. */
export interface TopologyStep {
  readonly changes?: readonly Change[];
  readonly settle_s: number;
  readonly expect?: Readonly<Record<string, ExpectedBridge>>;
  readonly note?: string;
}

/** A checked scenario. */
export interface TopologyScenario {
  readonly id: string;
  readonly protocol: 'stp' | 'rstp';
  readonly defaults: TopologyDefaults;
  readonly bridges: readonly TopologyBridge[];
  readonly steps: readonly TopologyStep[];
}

const TIMERS: TopologyDefaults = {
  max_age: 20,
  hello_time: 2,
  forward_delay: 15,
  bridge_priority: 32_768,
  port_priority: 128,
};

const { flag, text, wholeUpTo, oneOf } = CHECKS;
const mac: Check = (value) =>
  typeof value === 'string' && parseMac(value) !== undefined ? undefined : 'must be a MAC address such as 02:00:00:00:00:01';
const lan: Check = (value) =>
  value === null || (typeof value === 'string' && value !== '') ? undefined : 'must be the name of a LAN, or null';
const portNo: Check = (value) =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 255 ? undefined : 'must be a port number, 1 to 255';
const seconds: Check = (value) =>
  typeof value === 'number' && value >= 0 && value <= 100_000 ? undefined : 'must be a number of seconds up to 100000';
const list: Check = (value) => (Array.isArray(value) ? undefined : 'must be a list');
const record: Check = (value) => (isRecord(value) ? undefined : 'must be an object');
const anything: Check = () => undefined;
const u16 = wholeUpTo(0xffff);
const cost: Check = (value) =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 200_000_000
    ? undefined
    : 'must be a path cost, 1 to 200000000';

const ENTRY: Fields = {
  id: text,
  'name?': text,
  protocol: (value) => (value === 'stp' || value === 'rstp' ? undefined : 'must be stp or rstp, the only protocols weft speaks'),
  'source?': anything,
  'note?': text,
  'expect_origin?': text,
  'duplicate_of?': text,
  'defaults?': record,
  bridges: list,
  steps: list,
};
const DEFAULTS: Fields = {
  'max_age?': wholeUpTo(40),
  'hello_time?': wholeUpTo(10),
  'forward_delay?': wholeUpTo(30),
  'bridge_priority?': u16,
  'port_priority?': wholeUpTo(255),
  'upstream_default_cost?': anything,
};
const BRIDGE: Fields = { name: text, mac, 'priority?': u16, ports: list };
const PORT: Fields = {
  port: portNo,
  lan,
  'cost?': cost,
  'port_priority?': wholeUpTo(255),
  'enabled?': flag,
  'admin_edge?': flag,
  'auto_edge?': flag,
};
const STEP: Fields = { 'changes?': list, settle_s: seconds, 'expect?': record, 'asserted_upstream?': anything, 'note?': text };
const BPDU_FIELDS: Fields = {
  'protocol_id?': u16,
  'version?': wholeUpTo(255),
  type: (value) =>
    Object.values(BPDU_TYPE).includes(value as 0) ? undefined : 'must be the type of a BPDU: 0 (Config), 128 (TCN) or 2 (RST)',
  'flags?': wholeUpTo(255),
  'root_priority?': u16,
  'root_mac?': mac,
  'root_path_cost?': wholeUpTo(2 ** 32 - 1),
  'bridge_priority?': u16,
  'bridge_mac?': mac,
  'port_id?': u16,
  'message_age?': wholeUpTo(255),
  'max_age?': wholeUpTo(255),
  'hello_time?': wholeUpTo(255),
  'forward_delay?': wholeUpTo(255),
};
const onPort: Fields = { bridge: text, port: portNo };
const OPERATIONS: Readonly<Record<string, Fields>> = {
  connect_port: { ...onPort, lan },
  disable_port: onPort,
  enable_port: onPort,
  link_down: { lan: text },
  link_up: { lan: text },
  set_bridge_priority: { bridge: text, priority: u16, 'requested_priority?': anything },
  set_port_priority: { ...onPort, port_priority: wholeUpTo(255) },
  set_port_cost: { ...onPort, cost },
  inject_bpdu: { ...onPort, bpdu: record },
};
const EXPECTED: Fields = {
  'is_root?': flag,
  'root_id?': record,
  'root_path_cost?': wholeUpTo(2 ** 32 - 1),
  'root_port?': (value) => (value === null ? undefined : portNo(value)),
  'ports?': list,
};
const EXPECTED_PORT: Fields = {
  port: portNo,
  'state?': oneOf('disabled', 'blocking', 'discarding', 'listening', 'learning', 'forwarding'),
  'role?': oneOf('disabled', 'root', 'designated', 'alternate', 'backup'),
  'derived?': flag,
};

/** Whether an entry is a spanning-tree scenario. */
export function isTopology({ raw }: Entry): boolean {
  return 'bridges' in raw || 'protocol' in raw;
}

/** Checks an entry. Throws ScenarioError with a sentence that names what cannot be run. */
export function checkTopology({ id, raw, defaults: shared }: Entry): TopologyScenario {
  checkFields(raw, ENTRY, 'the scenario');
  const own = (raw['defaults'] ?? {}) as Record<string, unknown>;
  checkFields(shared, DEFAULTS, 'defaults of the file');
  checkFields(own, DEFAULTS, 'defaults');
  const portsOf = new Map<string, Set<number>>();
  for (const [n, bridge] of (raw['bridges'] as unknown[]).entries()) checkBridge(bridge, `bridge ${n + 1}`, portsOf);
  for (const [n, step] of (raw['steps'] as unknown[]).entries()) checkTopologyStep(step, `step ${n + 1}`, portsOf);
  return {
    id,
    protocol: raw['protocol'] as 'stp' | 'rstp',
    defaults: { ...TIMERS, ...shared, ...own },
    bridges: raw['bridges'] as TopologyBridge[],
    steps: raw['steps'] as TopologyStep[],
  };
}

/** The octets of a BPDU to inject, exactly as they are described. */
export function injectedOctets(bpdu: InjectedBpdu): Uint8Array {
  const idOf = (priority = 0, address = '00:00:00:00:00:00') => ({ priority, ...(parseMac(address) ?? { hi: 0, lo: 0 }) });
  const version = bpdu.version ?? (bpdu.type === BPDU_TYPE.RST ? 2 : 0);
  const octets = emitBpdu({
    kind: bpdu.type === BPDU_TYPE.TCN ? 'tcn' : bpdu.type === BPDU_TYPE.RST ? 'rst' : 'config',
    version,
    flags: bpdu.flags ?? 0,
    rootId: idOf(bpdu.root_priority, bpdu.root_mac),
    rootPathCost: bpdu.root_path_cost ?? 0,
    bridgeId: idOf(bpdu.bridge_priority, bpdu.bridge_mac),
    portId: bpdu.port_id ?? 0,
    messageAge: bpdu.message_age ?? 0,
    maxAge: bpdu.max_age ?? TIMERS.max_age,
    helloTime: bpdu.hello_time ?? TIMERS.hello_time,
    forwardDelay: bpdu.forward_delay ?? TIMERS.forward_delay,
  });
  // A Config BPDU is padded to the shortest frame, so the octet a later version has is there.
  const padded = octets.length < BPDU_LEN.RST ? new Uint8Array(BPDU_LEN.RST) : octets;
  padded.set(octets);
  new DataView(padded.buffer).setUint16(BPDU.PROTOCOL_ID, bpdu.protocol_id ?? 0);
  return padded;
}

function checkedRecord(value: unknown, fields: Fields, where: string): Record<string, unknown> {
  if (!isRecord(value)) throw new ScenarioError(`${where} is not an object`);
  checkFields(value, fields, where);
  return value;
}

function checkBridge(value: unknown, where: string, portsOf: Map<string, Set<number>>): void {
  const { name, ports } = checkedRecord(value, BRIDGE, where) as unknown as TopologyBridge;
  if (portsOf.has(name)) throw new ScenarioError(`${where}: there already is a bridge named '${name}'`);
  const numbers = new Set<number>();
  for (const [n, port] of ports.entries()) {
    const { port: number } = checkedRecord(port, PORT, `${where} (${name}), port ${n + 1}`) as unknown as TopologyPort;
    if (numbers.has(number)) throw new ScenarioError(`${where} (${name}) has port ${number} twice`);
    numbers.add(number);
  }
  portsOf.set(name, numbers);
}

function checkTopologyStep(value: unknown, where: string, portsOf: ReadonlyMap<string, ReadonlySet<number>>): void {
  const { changes = [], expect = {} } = checkedRecord(value, STEP, where) as unknown as TopologyStep;
  for (const change of changes as readonly unknown[]) {
    const op = isRecord(change) ? change['op'] : undefined;
    if (typeof op !== 'string') throw new ScenarioError(`${where} has a change without an operation ('op')`);
    const fields = Object.hasOwn(OPERATIONS, op) ? OPERATIONS[op] : undefined;
    if (fields === undefined) throw new ScenarioError(`${where}: weft does not know the operation '${op}'`);
    const { bridge, port, bpdu } = checkedRecord(change, { op: text, ...fields }, `${where} (${op})`);
    if (bridge !== undefined) checkNamed(bridge as string, port as number | undefined, portsOf, `${where} (${op})`);
    if (bpdu !== undefined) checkedRecord(bpdu, BPDU_FIELDS, `${where} (${op}), bpdu`);
  }
  for (const [name, expected] of Object.entries(expect as Record<string, unknown>)) {
    const { ports = [], root_id } = checkedRecord(expected, EXPECTED, `${where}, expect ${name}`) as ExpectedBridge;
    checkNamed(name, undefined, portsOf, where);
    if (root_id !== undefined) checkedRecord(root_id, { priority: u16, mac }, `${where}, expect ${name}, root_id`);
    for (const port of ports as readonly unknown[]) {
      const checked = checkedRecord(port, EXPECTED_PORT, `${where}, expect ${name}, port`) as unknown as ExpectedPort;
      checkNamed(name, checked.port, portsOf, where);
    }
  }
}

function checkNamed(
  name: string,
  port: number | undefined,
  portsOf: ReadonlyMap<string, ReadonlySet<number>>,
  where: string,
): void {
  const ports = portsOf.get(name);
  if (ports === undefined) throw new ScenarioError(`${where}: there is no bridge named '${name}'`);
  if (port !== undefined && !ports.has(port)) throw new ScenarioError(`${where}: ${name} has no port ${port}`);
}
