// The verdict word: what was decided for one frame, computed once by the relay and rendered by
// everything else (counters, capture, drops, explain, replay).
//
//   31          24 23                12 11        8 7            0
//  +--------------+--------------------+-----------+--------------+
//  |   reserved   | known unicast port | FDB action|  outcome     |
//  +--------------+--------------------+-----------+--------------+
//
// outcome 0            not decided yet
// outcome 1..15        relayed (or consumed), by traffic kind
// outcome 16..         dropped at ingress, by reason (drop-reason.ts)

import { DROP_BASE, DROP_REASONS } from './drop-reason.ts';

/** Traffic kinds: the outcomes of a frame that was not dropped at ingress. */
export const KIND = {
  KNOWN_UNICAST: 1,
  UNKNOWN_UNICAST: 2,
  MULTICAST: 3,
  BROADCAST: 4,
  RESERVED: 5,
  CONSUMED: 6,
} as const;

/** Names of the traffic kinds, by number. */
export const KIND_NAMES = [
  'undecided',
  'known_unicast',
  'unknown_unicast',
  'multicast',
  'broadcast',
  'reserved',
  'consumed',
] as const;

/** What happened to the source address in the FDB. */
export const FDB_ACTION = {
  NONE: 0,
  LEARNED: 1,
  REFRESHED: 2,
  MOVED: 3,
  /** Learned, and another dynamic entry was evicted for it. */
  EVICTED: 4,
  /** An unmovable entry (static, permanent, sticky) names another port. */
  PINNED: 5,
  /** The limit on learned addresses is reached. */
  LIMIT: 6,
  /** The table holds only entries that may not be evicted. */
  FULL: 7,
} as const;

/** Names of the FDB actions, by number. */
export const FDB_ACTION_NAMES = ['none', 'learned', 'refreshed', 'moved', 'evicted', 'pinned', 'limit', 'full'] as const;

/** Packs a verdict word. `port` is the egress port of a known unicast, else 0. */
export function verdictOf(outcome: number, action: number, port: number): number {
  return outcome | (action << 8) | (port << 12);
}

/** The outcome: a traffic kind (1..15) or a drop reason (16 and up). */
export function outcomeOf(verdict: number): number {
  return verdict & 0xff;
}

/** The FDB action. */
export function fdbActionOf(verdict: number): number {
  return (verdict >>> 8) & 0xf;
}

/** The egress port of a known unicast, or 0. */
export function unicastPortOf(verdict: number): number {
  return (verdict >>> 12) & 0xfff;
}

/** Whether the frame was dropped at ingress. */
export function isDropped(verdict: number): boolean {
  return (verdict & 0xff) >= DROP_BASE;
}

/** The outcome as users see it: `known_unicast`, `runt`, … */
export function outcomeName(verdict: number): string {
  const outcome = verdict & 0xff;
  return outcome < DROP_BASE
    ? (KIND_NAMES[outcome] ?? 'undecided')
    : (DROP_REASONS[outcome - DROP_BASE]?.name ?? `reason ${outcome}`);
}
