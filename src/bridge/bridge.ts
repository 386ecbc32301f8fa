// The bridge: joins the relay (and, with spanning tree, the protocol entity) behind the six calls
// that production, simulation and replay all make. It is a pure function of its inputs: the
// configuration it is made with, and then batches, transmit results, ticks and commands, each with
// the time at which they happened. It reads no clock and draws no random number.
//
//   ingest(batch, now)      decide a batch; `egress` then says where its copies go
//   transmitted(port, r)    what became of the copies given to a port
//   tick(now)               once a second: ageing
//   apply(command, now)     ports, settings, FDB entries
//   save() / restore()      the whole state as plain data
//   snapshot(), fdbEntries() what users see
//
// Times are milliseconds of a clock that does not go back and started less than 8 years ago: the
// monotonic clock in production, a virtual one in simulation, never the time of day.

import { assert } from '../lib/assert.ts';
import type { Batch } from '../relay/batch.ts';
import { DROP_BASE, DROP_COUNT, DROP_REASONS } from '../relay/drop-reason.ts';
import type { EgressLists, TransmitResult } from '../relay/egress.ts';
import { Fdb, STAMPS_PER_S } from '../relay/fdb.ts';
import type { FdbState } from '../relay/fdb-state.ts';
import { AGEING_TIME_DEFAULT_S, FDB_SIZE_DEFAULT, PORT_NO_MAX } from '../relay/limits.ts';
import { PORT_FLAGS_DEFAULT, type PortRecord } from '../relay/port-table.ts';
import { Relay } from '../relay/relay.ts';
import { formatMac, isGroup, isZero, parseMac } from '../wire/ethernet.ts';
import { type Command, CommandError, type PortSettings, type SwitchSettings } from './command.ts';
import { copyFdb, type FdbColumns, fdbEntries } from './fdb-view.ts';
import type { BridgeSnapshot, DropSnapshot, FdbSnapshotEntry, PortSnapshot } from './snapshot.ts';

/** What a bridge is made with. */
export interface BridgeConfig {
  name: string;
  /** Salt of the FDB's hash: any number outsiders cannot guess. */
  salt: number;
  /** Entries the FDB holds at the most. */
  fdbSize?: number;
  settings?: Partial<SwitchSettings>;
}

/** The whole state, as plain data. */
export interface BridgeState {
  readonly version: 1;
  readonly name: string;
  readonly settings: SwitchSettings;
  readonly ports: readonly { portNo: number; name: string; kind: string; target: string; record: PortRecord }[];
  readonly fdb: FdbState;
  readonly counters: readonly Float64Array[];
}

interface PortIdentity {
  name: string;
  kind: string;
  target: string;
}

/** Settings of a switch nobody has configured: the kernel bridge's. */
export const SWITCH_SETTINGS_DEFAULT: Readonly<SwitchSettings> = {
  ageing_time_s: AGEING_TIME_DEFAULT_S,
  group_fwd_mask: 0,
  fdb_max_learned: 0,
  up: true,
};

const MTU_DEFAULT = 1500;
const MTU_MAX = 65_535;
/** Stamps of the FDB are 32 bits wide. */
const STAMP_END = 2 ** 32;
/**
 * Entries collected by one tick at the most: 1/2 ms of work in a table of the default size, 4 ms in the largest, where
 * every entry is a cache miss. Nobody waits for it: an entry that is too old is a miss before it is collected.
 */
const AGE_BUDGET = 4096;
/** BPDUs (bit 0) pass a bridge whose spanning tree is off, as in the kernel. */
const GROUP_BPDU = 1;

/** One switch. */
export class Bridge {
  readonly name: string;
  readonly #relay: Relay;
  readonly #identities = new Map<number, PortIdentity>();
  #settings: SwitchSettings;

  /** An empty bridge. */
  constructor(config: BridgeConfig) {
    this.name = config.name;
    this.#relay = new Relay(new Fdb(config.fdbSize ?? FDB_SIZE_DEFAULT, config.salt));
    this.#settings = { ...SWITCH_SETTINGS_DEFAULT };
    this.#set(config.settings ?? {});
  }

  /** Where the copies of the batch ingested last go. */
  get egress(): EgressLists {
    return this.#relay.egress;
  }

  /** Decides every frame of `batch`, in order. */
  ingest(batch: Batch, now: number): void {
    this.#relay.ingest(batch, stampOf(now), now);
  }

  /** Counts what became of the copies given to port `portNo`. */
  transmitted(portNo: number, result: TransmitResult): void {
    const { counters } = this.#relay;
    counters.txFrames[portNo] = (counters.txFrames[portNo] as number) + result.sent;
    counters.txBytes[portNo] = (counters.txBytes[portNo] as number) + result.sentBytes;
    counters.queued[portNo] = (counters.queued[portNo] as number) + result.queued;
    const row = portNo * DROP_COUNT;
    for (let r = 0; r < DROP_COUNT; r++) {
      if (result.drops[r] !== 0) counters.drops[row + r] = (counters.drops[row + r] as number) + (result.drops[r] as number);
    }
  }

  /** Lets time pass; called once a second. */
  tick(now: number): void {
    this.#relay.fdb.age(stampOf(now), AGE_BUDGET);
  }

  /** Obeys a command; returns the number of the port it made or changed, else 0. Throws CommandError. */
  apply(command: Command, now: number): number {
    const { fdb, ports } = this.#relay;
    switch (command.type) {
      case 'port_add':
        return this.#addPort(command);
      case 'port_remove':
        this.#record(command.portNo);
        fdb.removePort(command.portNo);
        ports.delete(command.portNo);
        this.#identities.delete(command.portNo);
        return command.portNo;
      case 'port_set': {
        const record = this.#record(command.portNo);
        ports.set(command.portNo, withSettings(record, command.settings));
        return command.portNo;
      }
      case 'port_link': {
        const record = this.#record(command.portNo);
        ports.set(command.portNo, { ...record, up: command.up });
        if (!command.up) fdb.flushPort(command.portNo);
        return command.portNo;
      }
      case 'port_state':
        ports.set(command.portNo, { ...this.#record(command.portNo), state: command.state });
        return command.portNo;
      case 'fdb_add': {
        this.#record(command.portNo);
        const mac = individual(command.mac);
        const hi = keyHi(mac.hi, command.fid ?? 0);
        if (!fdb.set(hi, mac.lo, command.portNo, command.flags, stampOf(now))) {
          throw new CommandError(
            `cannot add ${command.mac}: the FDB of ${fdb.size} entries is full of entries that do not age; remove some first`,
          );
        }
        return command.portNo;
      }
      case 'fdb_del': {
        const mac = individual(command.mac);
        if (!fdb.remove(keyHi(mac.hi, command.fid ?? 0), mac.lo, stampOf(now))) {
          throw new CommandError(`${command.mac} is not in the FDB`);
        }
        return 0;
      }
      case 'fdb_flush':
        if (command.portNo === undefined) fdb.flushAll();
        else {
          this.#record(command.portNo);
          fdb.flushPort(command.portNo);
        }
        return 0;
      case 'switch_set':
        this.#set(command.settings);
        return 0;
    }
  }

  /** The whole state, copied. */
  save(): BridgeState {
    const { ports, fdb, counters } = this.#relay;
    return {
      version: 1,
      name: this.name,
      settings: { ...this.#settings },
      ports: [...ports.entries()].map(([portNo, record]) => ({
        portNo,
        ...(this.#identities.get(portNo) as PortIdentity),
        record: { ...record, flags: { ...record.flags } },
      })),
      fdb: fdb.save(),
      counters: counters.save(),
    };
  }

  /** A bridge in exactly the saved state. */
  static restore(state: BridgeState): Bridge {
    const bridge = new Bridge({ name: state.name, salt: state.fdb.salt, fdbSize: state.fdb.size, settings: state.settings });
    bridge.#relay.fdb = Fdb.restore(state.fdb);
    for (const { portNo, name, kind, target, record } of state.ports) {
      bridge.#identities.set(portNo, { name, kind, target });
      bridge.#relay.ports.set(portNo, { ...record, flags: { ...record.flags } });
    }
    bridge.#relay.counters.restore(state.counters);
    return bridge;
  }

  /** What users see of the switch and its ports. */
  snapshot(): BridgeSnapshot {
    const { fdb, ports } = this.#relay;
    return {
      name: this.name,
      settings: { ...this.#settings },
      fdb: {
        size: fdb.size,
        learned: fdb.learnedCount,
        lasting: fdb.lastingCount,
        learned_total: fdb.learnedTotal,
        moved_total: fdb.movedTotal,
        expired_total: fdb.expiredTotal,
        evicted_total: fdb.evictedTotal,
        refused_total: fdb.refusedTotal,
      },
      ports: [...ports.entries()].map(([portNo, record]) => this.#portSnapshot(portNo, record)),
    };
  }

  /** The FDB, sorted by address. */
  fdbEntries(now: number): FdbSnapshotEntry[] {
    return fdbEntries(this.copyFdb(now), (portNo) => this.#identities.get(portNo)?.name);
  }

  /** The FDB as columns, for another thread to make entries of. */
  copyFdb(now: number): FdbColumns {
    return copyFdb(this.#relay.fdb, stampOf(now));
  }

  /** The number of the port called `name`, or 0. */
  portNoOf(name: string): number {
    for (const [portNo, identity] of this.#identities) if (identity.name === name) return portNo;
    return 0;
  }

  /** What is wrong with the frame accounts, one sentence a fault; empty when every frame is accounted for. */
  imbalances(): string[] {
    const found: string[] = [];
    for (const [portNo] of this.#relay.ports.entries()) {
      const fault = this.#relay.counters.imbalance(portNo);
      if (fault !== undefined) found.push(fault);
    }
    return found;
  }

  #addPort(command: Extract<Command, { type: 'port_add' }>): number {
    const { ports, counters } = this.#relay;
    if (this.portNoOf(command.name) !== 0) {
      throw new CommandError(`${this.name} already has a port named ${command.name}; give the new one another name (name=…)`);
    }
    const portNo = command.portNo ?? ports.freeNumber();
    if (command.portNo === undefined && portNo === 0) {
      throw new CommandError(`${this.name} has all ${PORT_NO_MAX} ports a switch can have; remove one first`);
    }
    if (!Number.isInteger(portNo) || portNo < 1 || portNo > PORT_NO_MAX) {
      throw new CommandError(`port number ${portNo} is outside 1..${PORT_NO_MAX}`);
    }
    const holder = this.#identities.get(portNo);
    if (holder !== undefined) throw new CommandError(`port number ${portNo} is taken by ${holder.name}`);
    const record: PortRecord = {
      up: false,
      state: 'forwarding',
      flags: { ...PORT_FLAGS_DEFAULT },
      mtu: MTU_DEFAULT,
      groupFwdMask: 0,
    };
    const configured = withSettings(record, command.settings ?? {});
    this.#identities.set(portNo, { name: command.name, kind: command.kind, target: command.target });
    counters.clear(portNo);
    ports.set(portNo, configured);
    return portNo;
  }

  #record(portNo: number): PortRecord {
    const record = this.#relay.ports.get(portNo);
    if (record === undefined) throw new CommandError(`${this.name} has no port number ${portNo}`);
    return record;
  }

  #set(settings: Partial<SwitchSettings>): void {
    const next = { ...this.#settings, ...settings };
    checkRange('ageing_time_s', next.ageing_time_s, 0, 1_000_000);
    checkRange('group_fwd_mask', next.group_fwd_mask, 0, 0xffff);
    checkRange('fdb_max_learned', next.fdb_max_learned, 0, 2 ** 32 - 1);
    if ((next.group_fwd_mask & 7) !== 0) {
      throw new CommandError(
        'group_fwd_mask of a switch cannot hold bits 0 (STP), 1 (PAUSE) and 2 (LACP); a port may have bits 0 and 2',
      );
    }
    if (this.#settings.up && !next.up) this.#relay.fdb.flushAll();
    this.#settings = next;
    this.#relay.fdb.ageingS = next.ageing_time_s;
    this.#relay.fdb.maxLearned = next.fdb_max_learned;
    this.#relay.ports.setSwitch(next.up, next.group_fwd_mask | GROUP_BPDU);
  }

  #portSnapshot(portNo: number, record: Readonly<PortRecord>): PortSnapshot {
    const { counters, fdb } = this.#relay;
    const identity = this.#identities.get(portNo);
    assert(identity !== undefined, `port ${portNo} has no name`);
    const at = (column: Float64Array) => column[portNo] as number;
    const drops: DropSnapshot[] = [];
    for (const [r, { name, text }] of DROP_REASONS.entries()) {
      const count = counters.drops[portNo * DROP_COUNT + r] as number;
      if (count === 0) continue;
      const last = counters.lastDrop(portNo, DROP_BASE + r);
      drops.push({
        reason: name,
        text,
        count,
        ...(last && {
          last: {
            src: formatMac(last.srcHi, last.srcLo),
            dst: formatMac(last.dstHi, last.dstLo),
            ethertype: last.etherType,
            len: last.len,
            at_ms: last.atMs,
          },
        }),
      });
    }
    return {
      portNo,
      ...identity,
      up: record.up && this.#settings.up,
      state: record.up && this.#settings.up ? record.state : 'disabled',
      flags: { ...record.flags },
      mtu: record.mtu,
      group_fwd_mask: record.groupFwdMask,
      learned: fdb.learnedOf(portNo),
      rx_frames: at(counters.rxFrames),
      rx_bytes: at(counters.rxBytes),
      relayed: at(counters.relayed),
      consumed: at(counters.consumed),
      chosen: at(counters.chosen),
      originated: at(counters.originated),
      tx_frames: at(counters.txFrames),
      tx_bytes: at(counters.txBytes),
      queued: at(counters.queued),
      drops,
    };
  }
}

/** Time in ms as the FDB counts it. */
function stampOf(ms: number): number {
  const stamp = Math.floor((ms * STAMPS_PER_S) / 1000);
  assert(stamp >= 0 && stamp < STAMP_END, 'the time of a bridge comes from a clock that started less than 8 years ago');
  return stamp;
}

function keyHi(hi: number, fid: number): number {
  return ((fid << 16) | hi) >>> 0;
}

function individual(text: string): { hi: number; lo: number } {
  const mac = parseMac(text);
  if (mac === undefined) throw new CommandError(`'${text}' is not a MAC address; write it as 52:54:00:12:34:56`);
  if (isGroup(mac.hi) || isZero(mac.hi, mac.lo)) {
    throw new CommandError(`${text} is not the address of one station, so the FDB cannot hold it`);
  }
  return mac;
}

function withSettings(record: PortRecord, settings: Partial<PortSettings>): PortRecord {
  const { mtu = record.mtu, group_fwd_mask: mask = record.groupFwdMask, ...flags } = settings;
  for (const [name, value] of Object.entries(flags)) {
    if (!(name in PORT_FLAGS_DEFAULT)) throw new CommandError(`a port has no setting named ${name}`);
    if (typeof value !== 'boolean') throw new CommandError(`${name} is ${value}; it must be true or false`);
  }
  checkRange('mtu', mtu, 68, MTU_MAX);
  checkRange('group_fwd_mask', mask, 0, 0xffff);
  if ((mask & 2) !== 0)
    throw new CommandError('group_fwd_mask cannot hold bit 1: PAUSE frames (01-80-C2-00-00-01) are never relayed');
  return { ...record, mtu, groupFwdMask: mask, flags: { ...record.flags, ...flags } };
}

function checkRange(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new CommandError(`${name} is ${value}; it must be ${min} to ${max}`);
}
