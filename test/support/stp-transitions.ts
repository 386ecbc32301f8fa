// The transitions of one machine as a table of tests.

import test from 'ava';
import type { StpBridge, StpPort } from '../../src/stp/state.ts';
import { bridgeOf } from './stp.ts';

type Vars = Partial<StpPort>;

/** One transition: where from, under which variables, where to, and what is so then. */
export interface TransitionRow {
  from: string;
  vars: Vars;
  to: string;
  after?: Vars;
  /** Changes of the variables that must each keep it from happening. */
  unless?: readonly Vars[];
  /** ForceProtocolVersion. */
  version?: 0 | 2;
  /** The effects, as WrittenEffects writes them. */
  words?: readonly string[];
}

/** Machines by the names of Figure 17-12. */
export type MachineName = 'PRX' | 'PPM' | 'BDM' | 'PTX' | 'PIM' | 'PST' | 'TCM';

/** Makes a test of each row. The port is port 1 of two. */
export function testTransitions(
  machine: MachineName,
  step: (bridge: StpBridge, port: StpPort) => boolean,
  rows: readonly TransitionRow[],
): void {
  for (const [n, { from, vars, to, after = {}, unless = [], version = 2, words }] of rows.entries()) {
    test(`${machine} ${n + 1}: ${from} to ${to}`, (t) => {
      const start = { ...vars, [machine]: from };
      const { bridge, port, effects } = bridgeOf([start, {}], { ForceProtocolVersion: version });
      t.true(step(bridge, port), 'a transition is due');
      t.is(port[machine] as string, to);
      for (const [name, value] of Object.entries(after)) t.deepEqual(port[name as keyof StpPort], value, name);
      if (words !== undefined) t.deepEqual(effects.words, words);
      for (const change of unless) {
        const other = bridgeOf([{ ...start, ...change }, {}], { ForceProtocolVersion: version });
        const isDue = step(other.bridge, other.port);
        t.false(isDue && other.port[machine] === to, `not with ${JSON.stringify(change)}`);
        if (words !== undefined) t.notDeepEqual(other.effects.words, words, `not with ${JSON.stringify(change)}`);
      }
    });
  }
}
