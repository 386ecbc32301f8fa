// Runs a frame scenario through production bridges in virtual time.
//
// Time starts at 0 and passes only in `advance` and `repeat`; once in every second of it each bridge
// gets its tick, as from the loop. A step that expects nothing is ok when the bridge obeyed it. When
// the last step is done, every frame must be accounted for on every port of every bridge.

import { CommandError } from '../bridge/command.ts';
import type { BridgeSnapshot, FdbSnapshotEntry } from '../bridge/snapshot.ts';
import { FDB_FLAG } from '../relay/fdb.ts';
import { formatMac, type Mac, parseMac } from '../wire/ethernet.ts';
import { FIRST_BRIDGE, type FrameScenario, type ScenarioSettings } from './scenario.ts';
import { PAYLOAD_LEN_MAX, SimBridge, sortLabels } from './sim-bridge.ts';
import { type ExpectedEntry, FDB_COUNTS, type FrameStep, type PortLabel, type Step } from './step.ts';

/** What one step did, and what it should have done (null: nothing was expected). */
export interface StepResult {
  op: string;
  ok: boolean;
  got: unknown;
  expected: unknown;
  /** The step in words. */
  text: string;
  /** What the scenario says about the step. */
  note?: string;
}

/** What a scenario did. */
export interface ScenarioResult {
  id: string;
  ok: boolean;
  steps: StepResult[];
  /** Frames not accounted for, one sentence each. */
  faults: string[];
}

type Outcome = Pick<StepResult, 'ok' | 'got' | 'expected'>;
type StepOf<Op extends Step['op']> = Extract<Step, { op: Op }>;

const TICK_MS = 1000;
const BROADCAST: Mac = { hi: 0xffff, lo: 0xffffffff };
/** Payload of a frame that names none: a frame of 60 octets. */
const PAYLOAD_DEFAULT = new Uint8Array(46);
const OBEYED: Outcome = { ok: true, got: null, expected: null };

const ENTRY_FLAG_BITS: Readonly<Record<string, number>> = {
  dynamic: 0,
  static: FDB_FLAG.STATIC,
  permanent: FDB_FLAG.PERMANENT,
  local: FDB_FLAG.PERMANENT,
  sticky: FDB_FLAG.STICKY,
  extern_learn: FDB_FLAG.EXTERN,
};

/** Runs a checked scenario to its end, whatever fails on the way. */
export function runFrameScenario(scenario: FrameScenario): ScenarioResult {
  const run = new Run();
  const steps: StepResult[] = [];
  const start = attempt(() => run.addBridge(FIRST_BRIDGE, scenario.ports, scenario.settings));
  if (!start.ok) return { id: scenario.id, ok: false, steps: [{ op: 'start', text: 'start', ...start }], faults: [] };
  for (const step of scenario.steps) {
    const outcome = attempt(() => run.step(step));
    steps.push({ op: step.op, ...outcome, text: describe(step), ...(step.note !== undefined && { note: step.note }) });
  }
  const faults = run.faults();
  return { id: scenario.id, ok: faults.length === 0 && steps.every(({ ok }) => ok), steps, faults };
}

/** A refused command is a step that failed, with the refusal as what it got. */
function attempt(act: () => Outcome): Outcome {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { ok: false, got: error.message, expected: 'done' };
  }
}

/** The state of one run. */
class Run {
  readonly #bridges = new Map<string, SimBridge>();
  #now = 0;
  #nextTick = TICK_MS;

  addBridge(name: string, ports: readonly PortLabel[], settings: ScenarioSettings): Outcome {
    if (this.#bridges.has(name)) throw new CommandError(`there already is a bridge named ${name}`);
    this.#bridges.set(name, new SimBridge(name, ports, settings, this.#now));
    return OBEYED;
  }

  faults(): string[] {
    return [...this.#bridges].flatMap(([name, { bridge }]) => bridge.imbalances().map((fault) => `${name}: ${fault}`));
  }

  step(step: Step): Outcome {
    switch (step.op) {
      case 'frame':
        return this.#frame(step);
      case 'advance':
        return this.#advance(step.seconds);
      case 'repeat':
        return this.#repeat(step);
      case 'frames_from_many_sources':
        return this.#manySources(step);
      case 'fdb_add_static':
        return this.#fdbAdd(step, FDB_FLAG.STATIC);
      case 'fdb_add':
        return this.#fdbAdd(
          step,
          (step.flags ?? []).reduce((bits, word) => bits | (ENTRY_FLAG_BITS[word] as number), 0),
        );
      case 'fdb_del':
        this.#bridge(step).bridge.apply({ type: 'fdb_del', mac: step.mac }, this.#now);
        return OBEYED;
      case 'fdb_flush':
        return this.#flush(step);
      case 'expect_fdb':
        return this.#expectFdb(step);
      case 'expect_fdb_present':
        return this.#expectPresent(step);
      case 'expect_fdb_absent':
        return this.#expectAbsent(step);
      case 'expect_fdb_counts':
        return this.#expectCounts(step);
      case 'set_port': {
        const { op: _op, bridge: _bridge, note: _note, port: _port, ...settings } = step;
        this.#bridge(step).bridge.apply({ type: 'port_set', portNo: this.#portNo(step, step.port), settings }, this.#now);
        return OBEYED;
      }
      case 'set_port_state': {
        const state = step.state === 'blocking' ? 'discarding' : step.state;
        this.#bridge(step).bridge.apply({ type: 'port_state', portNo: this.#portNo(step, step.port), state }, this.#now);
        return OBEYED;
      }
      case 'link_down':
      case 'link_up': {
        const up = step.op === 'link_up';
        this.#bridge(step).bridge.apply({ type: 'port_link', portNo: this.#portNo(step, step.port), up }, this.#now);
        return OBEYED;
      }
      case 'bridge_down':
      case 'bridge_up':
        this.#bridge(step).bridge.apply({ type: 'switch_set', settings: { up: step.op === 'bridge_up' } }, this.#now);
        return OBEYED;
      case 'add_bridge':
        return this.addBridge(step.bridge, step.ports, (step.settings ?? {}) as ScenarioSettings);
      case 'remove_port':
        this.#portNo(step, step.port);
        this.#bridge(step).removePort(step.port, this.#now);
        return OBEYED;
      case 'note':
        return OBEYED;
    }
  }

  #bridge({ bridge = FIRST_BRIDGE }: { bridge?: string }): SimBridge {
    const found = this.#bridges.get(bridge);
    if (found === undefined) throw new CommandError(`there is no bridge named ${bridge}`);
    return found;
  }

  #portNo(step: Step, label: PortLabel): number {
    const portNo = this.#bridge(step).portNoOf(label);
    if (portNo === 0) throw new CommandError(`${step.bridge ?? FIRST_BRIDGE} has no port ${label}`);
    return portNo;
  }

  #advance(seconds: number): Outcome {
    const until = this.#now + Math.round(seconds * 1000);
    while (this.#nextTick <= until) {
      this.#now = this.#nextTick;
      this.#nextTick += TICK_MS;
      for (const { bridge } of this.#bridges.values()) bridge.tick(this.#now);
    }
    this.#now = until;
    return OBEYED;
  }

  #frame(step: FrameStep): Outcome {
    const { out } = this.#bridge(step).send(step.in_port, macOf(step.src), macOf(step.dst), payloadOf(step.payload), this.#now);
    const { expect_out: wanted, expect_not_out: unwanted } = step;
    if (wanted === undefined || wanted === null) {
      if (unwanted === undefined) return { ok: true, got: out, expected: null };
      return { ok: !unwanted.some((label) => out.includes(label)), got: out, expected: { not: sortLabels(unwanted) } };
    }
    const expected = sortLabels(wanted);
    const ok = isSame(out, expected) && !(unwanted ?? []).some((label) => out.includes(label));
    return { ok, got: out, expected: unwanted === undefined ? expected : { out: expected, not: sortLabels(unwanted) } };
  }

  /** The frames at once and then every `every_s`, as long as less than `seconds` have passed. */
  #repeat({ seconds, every_s: every, frames }: StepOf<'repeat'>): Outcome {
    const end = this.#now + Math.round(seconds * 1000);
    let failed: Outcome | undefined;
    let count = 0;
    while (this.#now < end) {
      for (const frame of frames) {
        const outcome = this.#frame(frame);
        count++;
        if (!outcome.ok) failed ??= outcome;
      }
      this.#advance(Math.min(every, (end - this.#now) / 1000));
    }
    return failed ?? { ok: true, got: `${count} frames`, expected: null };
  }

  /** `count` stations, the same in every call, each send one broadcast. */
  #manySources({ in_port: label, count, ...step }: StepOf<'frames_from_many_sources'>): Outcome {
    const bridge = this.#bridge(step);
    for (let n = 0; n < count; n++)
      bridge.send(label, { hi: 0x0200, lo: 0x5a00_0000 + n }, BROADCAST, PAYLOAD_DEFAULT, this.#now);
    return OBEYED;
  }

  #fdbAdd(step: StepOf<'fdb_add' | 'fdb_add_static'>, flags: number): Outcome {
    this.#bridge(step).bridge.apply({ type: 'fdb_add', portNo: this.#portNo(step, step.port), mac: step.mac, flags }, this.#now);
    return OBEYED;
  }

  #flush(step: StepOf<'fdb_flush'>): Outcome {
    const { bridge } = this.#bridge(step);
    const { which = 'dynamic', port } = step;
    const portNo = port === undefined ? undefined : this.#portNo(step, port);
    if (which !== 'static') bridge.apply({ type: 'fdb_flush', ...(portNo !== undefined && { portNo }) }, this.#now);
    if (which === 'dynamic') return OBEYED;
    for (const entry of bridge.fdbEntries(this.#now)) {
      if (entry.state !== 'static' || (portNo !== undefined && entry.portNo !== portNo)) continue;
      bridge.apply({ type: 'fdb_del', mac: entry.mac, fid: entry.fid }, this.#now);
    }
    return OBEYED;
  }

  /** The FDB as scenarios list it. */
  #entries(step: Step): { port: PortLabel; mac: string; static: boolean }[] {
    const sim = this.#bridge(step);
    return sim.bridge
      .fdbEntries(this.#now)
      .map((entry: FdbSnapshotEntry) => ({ port: sim.labelOf(entry.portNo), mac: entry.mac, static: entry.state !== 'dynamic' }));
  }

  #expectFdb(step: StepOf<'expect_fdb'>): Outcome {
    const got = this.#entries(step);
    const expected = step.entries.map(({ port, mac, static: isStatic }: ExpectedEntry) => ({
      port,
      mac: sameText(mac),
      ...(isStatic !== undefined && { static: isStatic }),
    }));
    const found = expected.filter((wanted) =>
      got.some(
        (entry) =>
          entry.mac === wanted.mac &&
          entry.port === wanted.port &&
          (wanted.static === undefined || wanted.static === entry.static),
      ),
    );
    const isComplete = found.length === expected.length;
    const isExact = new Set(expected.map(({ mac }) => mac)).size === got.length;
    return { ok: isComplete && (step.exact !== true || isExact), got, expected };
  }

  #expectPresent(step: StepOf<'expect_fdb_present'>): Outcome {
    const mac = sameText(step.mac);
    const entry = this.#entries(step).find((one) => one.mac === mac);
    const { port, static: isStatic } = step;
    const ok =
      entry !== undefined && (port === undefined || entry.port === port) && (isStatic === undefined || entry.static === isStatic);
    return {
      ok,
      got: entry ?? null,
      expected: { mac, ...(port !== undefined && { port }), ...(isStatic !== undefined && { static: isStatic }) },
    };
  }

  #expectAbsent(step: StepOf<'expect_fdb_absent'>): Outcome {
    const mac = sameText(step.mac);
    const entry = this.#entries(step).find((one) => one.mac === mac && (step.port === undefined || one.port === step.port));
    return { ok: entry === undefined, got: entry ?? null, expected: `${mac} absent` };
  }

  /** A snapshot after everything too old was collected: one tick does a bounded part of it. */
  #collected(step: Step): BridgeSnapshot {
    const { bridge } = this.#bridge(step);
    let before = -1;
    let snapshot = bridge.snapshot();
    while (snapshot.fdb.expired_total !== before) {
      before = snapshot.fdb.expired_total;
      bridge.tick(this.#now);
      snapshot = bridge.snapshot();
    }
    return snapshot;
  }

  #expectCounts(step: StepOf<'expect_fdb_counts'>): Outcome {
    const entries = this.#entries(step);
    const { fdb } = this.#collected(step);
    const counts: Record<(typeof FDB_COUNTS)[number], number> = {
      static: entries.filter((entry) => entry.static).length,
      dynamic: entries.filter((entry) => !entry.static).length,
      learned: fdb.learned,
      expired: fdb.expired_total,
      evicted: fdb.evicted_total,
      moved: fdb.moved_total,
      refused: fdb.refused_total,
    };
    const named = FDB_COUNTS.filter((name) => step[name] !== undefined);
    return {
      ok: named.every((name) => counts[name] === step[name]),
      got: Object.fromEntries(named.map((name) => [name, counts[name]])),
      expected: Object.fromEntries(named.map((name) => [name, step[name]])),
    };
  }
}

/** A step in words, for one line. */
function describe(step: Step): string {
  const where = step.bridge === undefined ? '' : ` on ${step.bridge}`;
  switch (step.op) {
    case 'frame':
      return `frame into ${step.in_port}: ${step.src} to ${step.dst}${where}`;
    case 'repeat':
      return `repeat ${step.frames.length} frames every ${step.every_s} s for ${step.seconds} s`;
    case 'note':
      return `note: ${step.text}`;
    case 'expect_fdb':
      return `expect_fdb ${step.exact === true ? 'exactly' : 'at least'} ${step.entries.length} entries${where}`;
    case 'add_bridge':
      return `add_bridge ${step.bridge} with ports ${step.ports.join(', ')}`;
    default: {
      const { op, bridge: _bridge, note: _note, ...rest } = step;
      const fields = Object.entries(rest).map(
        ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
      );
      return `${[op, ...fields].join(' ')}${where}`;
    }
  }
}

function isSame(a: readonly PortLabel[], b: readonly PortLabel[]): boolean {
  return a.length === b.length && a.every((label, n) => label === b[n]);
}

/** The address of a checked field. */
function macOf(text: string): Mac {
  return parseMac(text) as Mac;
}

/** An address as the FDB prints it. */
function sameText(mac: string): string {
  const { hi, lo } = macOf(mac);
  return formatMac(hi, lo);
}

function payloadOf(text: string | undefined): Uint8Array {
  if (text === undefined) return PAYLOAD_DEFAULT;
  const digits = text.replaceAll(/[\s:]/g, '');
  const isHex = digits.length % 2 === 0 && /^[0-9a-f]*$/i.test(digits);
  const octets = isHex
    ? Uint8Array.from({ length: digits.length / 2 }, (_, n) => Number.parseInt(digits.slice(2 * n, 2 * n + 2), 16))
    : Uint8Array.from({ length: text.length }, (_, n) => text.charCodeAt(n));
  if (octets.length > PAYLOAD_LEN_MAX) throw new CommandError(`a payload of ${octets.length} octets is longer than any frame`);
  return octets;
}
