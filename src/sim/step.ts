// The steps of a frame scenario: what each operation is called, which fields it takes and what
// each field may hold. A step that says anything else is refused by name: a scenario that was half
// understood would pass for the wrong reason.

import { PORT_STATES, type PortState } from '../relay/port-table.ts';
import { parseMac } from '../wire/ethernet.ts';

/** A port as scenarios name it: a number, or the bridge's own interface. */
export type PortLabel = number | 'host';

interface Common {
  /** Which of several bridges; the first when absent. */
  bridge?: string;
  note?: string;
}

/** One frame and where it must go. */
export interface FrameStep extends Common {
  op: 'frame';
  in_port: PortLabel;
  src: string;
  dst: string;
  /** Octets behind the type field: hex, or plain text. */
  payload?: string;
  tags_in?: [];
  /** Every port that must get the frame; null is unchecked. */
  expect_out?: PortLabel[] | null;
  expect_not_out?: PortLabel[];
}

/** An entry as `expect_fdb` lists it. */
export interface ExpectedEntry {
  port: PortLabel;
  mac: string;
  static?: boolean;
  vid?: number;
}

/** Counts that `expect_fdb_counts` may compare. */
export const FDB_COUNTS = ['static', 'dynamic', 'learned', 'expired', 'evicted', 'moved', 'refused'] as const;

/** Flags that `fdb_add` may give an entry, with the words of `bridge fdb`. */
export const ENTRY_FLAGS = ['dynamic', 'static', 'permanent', 'local', 'sticky', 'extern_learn'] as const;

/** Flags that are true or false for a port. */
export const PORT_FLAG_NAMES = ['learning', 'flood', 'mcast_flood', 'bcast_flood', 'isolated', 'hairpin'] as const;

/** One step, as checked by `checkStep`. */
export type Step =
  | FrameStep
  | (Common & { op: 'advance'; seconds: number })
  | (Common & { op: 'repeat'; seconds: number; every_s: number; frames: FrameStep[] })
  | (Common & { op: 'frames_from_many_sources'; in_port: PortLabel; count: number })
  | (Common & { op: 'fdb_add_static'; port: PortLabel; mac: string; vid?: number; repeat?: boolean })
  | (Common & { op: 'fdb_add'; port: PortLabel; mac: string; vid?: number; flags?: (typeof ENTRY_FLAGS)[number][] })
  | (Common & { op: 'fdb_del'; mac: string; vid?: number })
  | (Common & { op: 'fdb_flush'; which?: 'dynamic' | 'static' | 'all'; port?: PortLabel })
  | (Common & { op: 'expect_fdb'; exact?: boolean; entries: ExpectedEntry[] })
  | (Common & { op: 'expect_fdb_present'; mac: string; port?: PortLabel; static?: boolean; vid?: number })
  | (Common & { op: 'expect_fdb_absent'; mac: string; port?: PortLabel; vid?: number })
  | (Common & { op: 'expect_fdb_counts' } & Partial<Record<(typeof FDB_COUNTS)[number], number>>)
  | (Common & { op: 'set_port'; port: PortLabel; mtu?: number; group_fwd_mask?: number } & Partial<
        Record<(typeof PORT_FLAG_NAMES)[number], boolean>
      >)
  | (Common & { op: 'set_port_state'; port: PortLabel; state: PortState | 'blocking' })
  | (Common & { op: 'link_down' | 'link_up' | 'remove_port'; port: PortLabel })
  | (Common & { op: 'bridge_down' | 'bridge_up' })
  | (Common & { op: 'add_bridge'; bridge: string; ports: PortLabel[]; settings?: Record<string, unknown> })
  | (Common & { op: 'note'; text: string });

/** A scenario that cannot be run; the message is a sentence. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError';
}

/** Says what a value must be, when it is not; undefined when it is. */
export type Check = (value: unknown) => string | undefined;

/** Fields by name; a name that ends in `?` may be absent. */
export type Fields = Readonly<Record<string, Check>>;

const VLAN_FILTERING = 'VLAN filtering, which weft does not have yet';

const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');
const text: Check = (value) => (typeof value === 'string' ? undefined : 'must be text');
const address: Check = (value) =>
  typeof value === 'string' && parseMac(value) !== undefined ? undefined : 'must be a MAC address such as 02:00:00:00:00:01';
const label: Check = (value) =>
  value === 'host' || (Number.isInteger(value) && (value as number) >= 1) ? undefined : 'must be a port number or "host"';
const labels: Check = (value) =>
  Array.isArray(value) && value.every((one) => label(one) === undefined) ? undefined : 'must be a list of ports';
const wholeUpTo =
  (max: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max
      ? undefined
      : `must be a whole number up to ${max}`;
const seconds: Check = (value) =>
  typeof value === 'number' && value >= 0 && value <= 1_000_000 ? undefined : 'must be a number of seconds up to 1000000';
const oneOf =
  (...words: readonly string[]): Check =>
  (value) =>
    words.includes(value as string) ? undefined : `must be one of ${words.join(', ')}`;
/** 0 and 1 both name the one VLAN of a bridge that does not filter. */
const vid: Check = (value) => (value === 0 || value === 1 ? undefined : `needs ${VLAN_FILTERING}`);
const noTags: Check = (value) => (Array.isArray(value) && value.length === 0 ? undefined : `needs ${VLAN_FILTERING}`);

/** Checks and settings that more than the steps need. */
export const CHECKS = { flag, text, label, labels, wholeUpTo, oneOf, vlanFiltering: (() => `needs ${VLAN_FILTERING}`) as Check };

const flags = Object.fromEntries(PORT_FLAG_NAMES.map((name) => [`${name}?`, flag]));

const OPERATIONS: Readonly<Record<string, Fields>> = {
  frame: {
    in_port: label,
    src: address,
    dst: address,
    'payload?': text,
    'tags_in?': noTags,
    'expect_out?': (value) => (value === null ? undefined : labels(value)),
    'expect_not_out?': labels,
  },
  advance: { seconds },
  repeat: {
    seconds,
    every_s: (value) =>
      typeof value === 'number' && value >= 0.001 && value <= 1_000_000 ? undefined : 'must be a number of seconds',
    frames: (value) => (Array.isArray(value) ? undefined : 'must be a list of frames'),
  },
  frames_from_many_sources: { in_port: label, count: wholeUpTo(1_000_000) },
  fdb_add_static: { port: label, mac: address, 'vid?': vid, 'repeat?': flag },
  fdb_add: {
    port: label,
    mac: address,
    'vid?': vid,
    'flags?': (value) => {
      if (!Array.isArray(value)) return 'must be a list of words';
      const unknown = value.find((word) => !ENTRY_FLAGS.includes(word));
      return unknown === undefined ? undefined : `holds '${unknown}', which is none of ${ENTRY_FLAGS.join(', ')}`;
    },
  },
  fdb_del: { mac: address, 'vid?': vid },
  fdb_flush: { 'which?': oneOf('dynamic', 'static', 'all'), 'port?': label },
  expect_fdb: { 'exact?': flag, entries: (value) => (Array.isArray(value) ? undefined : 'must be a list of entries') },
  expect_fdb_present: { mac: address, 'port?': label, 'static?': flag, 'vid?': vid },
  expect_fdb_absent: { mac: address, 'port?': label, 'vid?': vid },
  expect_fdb_counts: Object.fromEntries(FDB_COUNTS.map((name) => [`${name}?`, wholeUpTo(2 ** 32)])),
  set_port: {
    port: label,
    ...flags,
    'mtu?': wholeUpTo(65_535),
    'group_fwd_mask?': wholeUpTo(65_535),
    'locked?': () => 'needs locked ports, which weft does not have yet',
  },
  set_port_state: { port: label, state: oneOf(...PORT_STATES, 'blocking') },
  set_pvid: { 'port?': CHECKS.vlanFiltering, 'pvid?': CHECKS.vlanFiltering },
  link_down: { port: label },
  link_up: { port: label },
  bridge_down: {},
  bridge_up: {},
  add_bridge: { bridge: text, ports: labels, 'settings?': (value) => (isRecord(value) ? undefined : 'must be an object') },
  remove_port: { port: label },
  note: { text },
};

const COMMON: Fields = { 'op?': text, 'bridge?': text, 'note?': text };

/** Whether `value` is an object with named fields. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Throws ScenarioError unless `value` has exactly the fields it may have. `where` starts the sentence. */
export function checkFields(value: Record<string, unknown>, fields: Fields, where: string): void {
  for (const [name, given] of Object.entries(value)) {
    const check = fields[name] ?? fields[`${name}?`];
    if (check === undefined) throw new ScenarioError(`${where} has a field '${name}' that weft does not know`);
    const fault = check(given);
    if (fault !== undefined) throw new ScenarioError(`${where}: '${name}' ${fault} (it is ${JSON.stringify(given)})`);
  }
  for (const name of Object.keys(fields)) {
    if (!name.endsWith('?') && !(name in value)) throw new ScenarioError(`${where} lacks the field '${name}'`);
  }
}

/** Checks one step. `where` starts the sentence of a refusal, as "step 3". Throws ScenarioError. */
export function checkStep(value: unknown, where: string): Step {
  if (!isRecord(value)) throw new ScenarioError(`${where} is not an object`);
  const { op } = value;
  if (typeof op !== 'string') throw new ScenarioError(`${where} has no operation ('op')`);
  const fields = Object.hasOwn(OPERATIONS, op) ? OPERATIONS[op] : undefined;
  if (fields === undefined) throw new ScenarioError(`${where}: weft does not know the operation '${op}'`);
  if (op === 'set_pvid') throw new ScenarioError(`${where}: the operation 'set_pvid' needs ${VLAN_FILTERING}`);
  const named = `${where} (${op})`;
  checkFields(value, { ...COMMON, ...fields }, named);
  if (op === 'repeat') {
    for (const [n, frame] of (value['frames'] as unknown[]).entries()) {
      const checked = checkStep(frame, `${named}, frame ${n + 1}`);
      if (checked.op !== 'frame') throw new ScenarioError(`${named}: '${checked.op}' cannot be repeated, only 'frame' can`);
    }
  }
  if (op === 'expect_fdb') {
    for (const [n, entry] of (value['entries'] as unknown[]).entries()) {
      if (!isRecord(entry)) throw new ScenarioError(`${named}: entry ${n + 1} is not an object`);
      checkFields(entry, { port: label, mac: address, 'static?': flag, 'vid?': vid, 'note?': text }, `${named}, entry ${n + 1}`);
    }
  }
  return value as unknown as Step;
}
