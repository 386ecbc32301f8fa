// The MAC Relay Entity's one hot loop [802.1D-2004 7.7-7.9].
//
// Per batch: snapshot every header (snapshot.ts), then frame by frame learn the source and look up
// the destination, in the order the frames came, so that a batch gives exactly what the same frames
// would one at a time. Each frame ends as one verdict word and, when it is relayed, as one index
// appended to the list of each egress port (egress.ts). Nothing is copied and nothing allocated.
//
// Order of judgement, the kernel bridge's: fit to be a frame at all; port up; source learned;
// reserved group; port forwarding; look-up; egress mask; at last, per copy, the egress MTU.

import { BATCH_FRAMES_MAX, type Batch } from './batch.ts';
import { Counters } from './counters.ts';
import { DROP } from './drop-reason.ts';
import { EgressLists } from './egress.ts';
import type { Fdb } from './fdb.ts';
import { PORT_NO_MAX, PORT_WORDS } from './limits.ts';
import { FLOOD, PortTable } from './port-table.ts';
import { snapshotHeaders } from './snapshot.ts';
import { KIND } from './verdict.ts';

// Imported constants read through the module record cost a load each; locals are folded.
const WORDS = PORT_WORDS;
const LIST = BATCH_FRAMES_MAX;
const { KNOWN_UNICAST, UNKNOWN_UNICAST, MULTICAST, BROADCAST, RESERVED } = KIND;
const { PORT_DOWN, RESERVED_GROUP, NOT_FORWARDING, SAME_PORT, ISOLATED, EGRESS_BLOCKED, NO_EGRESS, TOO_BIG } = DROP;
const DROP_FIRST = DROP.RUNT;
/** Last four octets of 01-80-C2-00-00-01. */
const PAUSE_LO = 0xc2000001;
const FLOOD_ROW = PORT_NO_MAX + 1;

/** Relays batches between ports by what the FDB knows. */
export class Relay {
  readonly ports = new PortTable();
  readonly counters = new Counters();
  /** Where the copies of the batch relayed last go. */
  readonly egress = new EgressLists();
  fdb: Fdb;

  // The ports a flood from the current ingress port reaches, per kind; made at first need in a batch.
  readonly #floodPorts = new Uint16Array(3 * FLOOD_ROW);
  readonly #floodCounts = new Int32Array(3);

  /** A relay without ports. */
  constructor(fdb: Fdb) {
    this.fdb = fdb;
  }

  /**
   * Decides every frame of `batch`: fills verdicts, egress lists and counters. `now` is in 1/16 s, `ms` the same time
   * in ms for the record of drops.
   */
  ingest(batch: Batch, now: number, ms: number): void {
    const { fdb, egress, ports } = this;
    const { verdict, dstHi, dstLo, srcHi, srcLo, len } = batch;
    const ingress = batch.ingressPort;
    const isUp = ports.ups[ingress] === 1;
    const learns = ports.learns[ingress] === 1 && fdb.ageingS !== 0;
    const forwards = ports.forwards[ingress] === 1;
    const groupMask = ports.groupMasks[ingress] as number;
    egress.clear();
    this.#floodCounts.fill(-1);
    snapshotHeaders(batch);

    let bytes = 0;
    let relayed = 0;
    for (let i = 0; i < batch.count; i++) {
      bytes += len[i] as number;
      let outcome = verdict[i] as number;
      let action = 0;
      let target = 0;
      if (outcome === 0) {
        if (!isUp) {
          outcome = PORT_DOWN;
        } else {
          const hi = dstHi[i] as number;
          const lo = dstLo[i] as number;
          const isReserved = hi === 0x0180 && lo >>> 4 === 0xc200000;
          // A PAUSE frame is between a port and its link partner: the kernel does not even learn from it.
          if (learns && !(isReserved && lo === PAUSE_LO))
            action = fdb.learn(srcHi[i] as number, srcLo[i] as number, ingress, now);
          if (isReserved && (groupMask & (1 << (lo & 0xf))) === 0) {
            outcome = RESERVED_GROUP;
          } else if (!forwards) {
            outcome = NOT_FORWARDING;
          } else if ((hi & 0x0100) === 0) {
            target = fdb.lookup(hi, lo, now);
            if (target === 0) {
              outcome = this.#flood(i, ingress, FLOOD.UNKNOWN) ? UNKNOWN_UNICAST : NO_EGRESS;
            } else if (this.#mayLeave(ingress, target)) {
              outcome = KNOWN_UNICAST;
              egress.append(target, i);
            } else {
              outcome = this.#whyNot(ingress, target);
              target = 0;
            }
          } else if (hi === 0xffff && lo === 0xffffffff) {
            outcome = this.#flood(i, ingress, FLOOD.BROADCAST) ? BROADCAST : NO_EGRESS;
          } else if (this.#flood(i, ingress, FLOOD.MULTICAST)) {
            outcome = isReserved ? RESERVED : MULTICAST;
          } else {
            outcome = NO_EGRESS;
          }
        }
      }
      verdict[i] = outcome | (action << 8) | (target << 12);
      if (outcome >= DROP_FIRST) this.#noteDrop(batch, i, ingress, outcome, ms);
      else relayed++;
    }

    const counters = this.counters;
    counters.rxFrames[ingress] = (counters.rxFrames[ingress] as number) + batch.count;
    counters.rxBytes[ingress] = (counters.rxBytes[ingress] as number) + bytes;
    counters.relayed[ingress] = (counters.relayed[ingress] as number) + relayed;
    this.#closeLists(batch, ms);
  }

  /** Whether a frame from `ingress` may leave on `port`. */
  #mayLeave(ingress: number, port: number): boolean {
    return ((this.ports.allowed[ingress * WORDS + (port >>> 5)] as number) & (1 << (port & 31))) !== 0;
  }

  /** The reason a known unicast may not leave on its port. */
  #whyNot(ingress: number, port: number): number {
    if (port === ingress) return SAME_PORT;
    if (this.ports.forwards[port] === 0) return EGRESS_BLOCKED;
    return ISOLATED;
  }

  /** Appends frame `i` to every port a flood of `kind` from `ingress` reaches; false when there is none. */
  #flood(i: number, ingress: number, kind: number): boolean {
    if ((this.#floodCounts[kind] as number) < 0) this.#listFloodPorts(ingress, kind);
    const row = kind * FLOOD_ROW;
    const count = this.#floodCounts[kind] as number;
    for (let k = 0; k < count; k++) this.egress.append(this.#floodPorts[row + k] as number, i);
    return count > 0;
  }

  #listFloodPorts(ingress: number, kind: number): void {
    const { allowed, floodSets, top } = this.ports;
    const row = kind * FLOOD_ROW;
    let count = 0;
    for (let w = 0; w <= top >>> 5; w++) {
      let set = (allowed[ingress * WORDS + w] as number) & (floodSets[kind * WORDS + w] as number);
      while (set !== 0) {
        const bit = 31 - Math.clz32(set & -set);
        this.#floodPorts[row + count++] = (w << 5) + bit;
        set &= set - 1;
      }
    }
    this.#floodCounts[kind] = count;
  }

  /** Counts the copies of each list and takes out those longer than their egress port carries. */
  #closeLists(batch: Batch, ms: number): void {
    const { egress, counters, ports } = this;
    let longest = 0;
    for (let i = 0; i < batch.count; i++) {
      const len = egressLen(batch, i);
      if (len > longest) longest = len;
    }
    for (let k = 0; k < egress.portCount; k++) {
      const port = egress.ports[k] as number;
      const count = egress.count[port] as number;
      counters.chosen[port] = (counters.chosen[port] as number) + count;
      const lenMax = ports.lenMax[port] as number;
      if (longest <= lenMax) continue;
      let kept = 0;
      for (let n = 0; n < count; n++) {
        const i = egress.frames[port * LIST + n] as number;
        if (egressLen(batch, i) <= lenMax) egress.frames[port * LIST + kept++] = i;
        else this.#noteDrop(batch, i, port, TOO_BIG, ms);
      }
      egress.count[port] = kept;
    }
  }

  #noteDrop(batch: Batch, i: number, port: number, reason: number, ms: number): void {
    const hasHeader = batch.headerLen[i] !== 0;
    this.counters.drop(
      port,
      reason,
      hasHeader ? (batch.dstHi[i] as number) : 0,
      hasHeader ? (batch.dstLo[i] as number) : 0,
      hasHeader ? (batch.srcHi[i] as number) : 0,
      hasHeader ? (batch.srcLo[i] as number) : 0,
      hasHeader ? (batch.etherType[i] as number) : 0,
      batch.len[i] as number,
      ms,
    );
  }
}

/** The length the egress MTU is compared with: of the longest segment, the first tag not counted, as in the kernel bridge. */
function egressLen(batch: Batch, i: number): number {
  return (batch.segmentedLen[i] as number) - (batch.tagCount[i] === 0 ? 0 : 4);
}
