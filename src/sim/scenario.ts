// Scenario files: a JSON document with a list of entries, each a scenario that can be run or a
// checklist for people. This file tells them apart and checks a runnable one from end to end before
// anything runs.

import { FDB_SIZE_MAX } from '../relay/limits.ts';
import { CHECKS, type Check, checkFields, checkStep, isRecord, type PortLabel, ScenarioError, type Step } from './step.ts';

/** Settings of a scenario's bridge; flags are for every port. */
export interface ScenarioSettings {
  ageing_s?: number;
  /** Size of the FDB. */
  fdb_max?: number;
  fdb_max_learned?: number;
  group_fwd_mask?: number;
  mtu?: number;
  learning?: boolean;
  flood?: boolean;
  mcast_flood?: boolean;
  bcast_flood?: boolean;
  hairpin?: boolean;
  /** Every port but the host's, or the ports listed. */
  isolated?: boolean | PortLabel[];
}

/** A scenario that can be run. */
export interface FrameScenario {
  id: string;
  ports: PortLabel[];
  settings: ScenarioSettings;
  steps: Step[];
}

/** One entry of a document; `raw` is checked by `checkScenario` or `checkTopology`. */
export interface Entry {
  id: string;
  /** Whether the entry carries steps that are more than words. */
  hasSteps: boolean;
  raw: Record<string, unknown>;
  /** What the document says for all its entries. */
  defaults: Record<string, unknown>;
}

/** The bridge a scenario starts with, which steps without a `bridge` mean. */
export const FIRST_BRIDGE = 'br0';

/** Keys a document may keep its entries under. */
const ENTRY_LISTS = ['scenarios', 'checks'];

const never =
  (what: string): Check =>
  () =>
    `needs ${what}, which weft does not have yet`;
const switchedOff =
  (what: string): Check =>
  (value) =>
    value === false || value === 'off' ? undefined : `needs ${what}, which weft does not have yet`;

const SETTINGS: Readonly<Record<string, Check>> = {
  'ageing_s?': CHECKS.wholeUpTo(1_000_000),
  'fdb_max?': (value) =>
    Number.isInteger(value) && (value as number) >= 1 && (value as number) <= FDB_SIZE_MAX
      ? undefined
      : `must be 1 to ${FDB_SIZE_MAX}`,
  'fdb_max_learned?': CHECKS.wholeUpTo(2 ** 32 - 1),
  'group_fwd_mask?': CHECKS.wholeUpTo(65_535),
  'mtu?': CHECKS.wholeUpTo(65_535),
  'learning?': CHECKS.flag,
  'flood?': CHECKS.flag,
  'mcast_flood?': CHECKS.flag,
  'bcast_flood?': CHECKS.flag,
  'hairpin?': CHECKS.flag,
  'isolated?': (value) =>
    typeof value === 'boolean' || CHECKS.labels(value) === undefined ? undefined : 'must be true, false or a list of ports',
  'stp?': switchedOff('spanning tree among frames'),
  'vlan_filtering?': switchedOff('VLAN filtering'),
  'mcast_snooping?': switchedOff('multicast snooping'),
};

const ENTRY: Readonly<Record<string, Check>> = {
  id: CHECKS.text,
  'name?': CHECKS.text,
  'note?': CHECKS.text,
  'source?': () => undefined,
  'setup?': CHECKS.text,
  ports: (value) => {
    if (!Array.isArray(value)) return 'must be a list of ports';
    if (value.some(isRecord)) return CHECKS.vlanFiltering(value);
    return new Set(value).size === value.length ? CHECKS.labels(value) : 'names a port twice';
  },
  'settings?': (value) => (isRecord(value) ? undefined : 'must be an object'),
  steps: () => undefined,
  'mirror?': never('port mirroring'),
};

/** The entries of a parsed file. Throws ScenarioError when it is no scenario file. */
export function entriesOf(document: unknown): Entry[] {
  let list: unknown = document;
  let defaults = {};
  if (isRecord(document)) {
    const key = ENTRY_LISTS.find((name) => Array.isArray(document[name]));
    list = key === undefined ? [document] : document[key];
    if (key !== undefined && isRecord(document['defaults'])) defaults = document['defaults'];
  }
  if (!Array.isArray(list) || list.length === 0) throw new ScenarioError('holds no scenarios');
  const seen = new Set<string>();
  return list.map((raw, n) => {
    if (!isRecord(raw)) throw new ScenarioError(`holds an entry ${n + 1} that is not an object`);
    const { id } = raw;
    if (typeof id !== 'string' || id === '') throw new ScenarioError(`holds an entry ${n + 1} without an 'id'`);
    if (seen.has(id)) throw new ScenarioError(`holds two entries with the id '${id}'`);
    seen.add(id);
    return { id, hasSteps: Array.isArray(raw['steps']) && raw['steps'].some(isRecord), raw, defaults };
  });
}

/** Checks an entry that carries steps of frames. Throws ScenarioError with a sentence that names what cannot be run. */
export function checkScenario({ id, raw }: Entry): FrameScenario {
  const steps = (raw['steps'] as unknown[]).map((step, n) => checkStep(step, `step ${n + 1}`));
  checkFields(raw, ENTRY, 'the scenario');
  const ports = raw['ports'] as PortLabel[];
  const settings = (raw['settings'] ?? {}) as ScenarioSettings;
  checkFields(settings as Record<string, unknown>, SETTINGS, 'settings');
  checkIsolated(settings, ports, 'settings');
  const portsOf = new Map([[FIRST_BRIDGE, ports]]);
  for (const [n, step] of steps.entries()) {
    const where = `step ${n + 1} (${step.op})`;
    if (step.op === 'add_bridge') {
      if (portsOf.has(step.bridge)) throw new ScenarioError(`${where}: there already is a bridge named '${step.bridge}'`);
      const added = step.settings ?? {};
      checkFields(added, SETTINGS, `${where}, settings`);
      checkIsolated(added, step.ports, `${where}, settings`);
      portsOf.set(step.bridge, step.ports);
    }
    checkPorts(step, portsOf, where);
  }
  return { id, ports, settings, steps };
}

function checkIsolated(settings: ScenarioSettings, ports: readonly PortLabel[], where: string): void {
  if (!Array.isArray(settings.isolated)) return;
  const missing = settings.isolated.find((label) => !ports.includes(label));
  if (missing !== undefined) throw new ScenarioError(`${where}: 'isolated' names port ${missing}, which the bridge never had`);
}

/** Refuses a port that its bridge never had: nothing goes in or comes out there, so whatever is expected might seem true. */
function checkPorts(step: Step, portsOf: ReadonlyMap<string, readonly PortLabel[]>, where: string): void {
  const name = step.bridge ?? FIRST_BRIDGE;
  const ports = portsOf.get(name);
  if (ports === undefined) throw new ScenarioError(`${where}: there is no bridge named '${name}'`);
  const named: (PortLabel | undefined)[] = [];
  if ('port' in step) named.push(step.port);
  if ('in_port' in step) named.push(step.in_port);
  if (step.op === 'frame') named.push(...(step.expect_out ?? []), ...(step.expect_not_out ?? []));
  if (step.op === 'expect_fdb') named.push(...step.entries.map(({ port }) => port));
  const missing = named.find((label) => label !== undefined && !ports.includes(label));
  if (missing !== undefined) throw new ScenarioError(`${where}: ${name} never had a port ${missing}`);
  if (step.op === 'repeat') for (const frame of step.frames) checkPorts(frame, portsOf, where);
}
