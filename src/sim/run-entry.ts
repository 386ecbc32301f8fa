// Runs an entry of a scenario file, of whichever kind it is.

import { runFrameScenario, type ScenarioResult } from './frame-scenario.ts';
import { checkScenario, type Entry } from './scenario.ts';
import { checkTopology, isTopology } from './topology.ts';
import { runTopology } from './tree-scenario.ts';

/** Checks an entry that carries steps and runs it. Throws ScenarioError, before anything runs, when it cannot be run. */
export function runEntry(entry: Entry): ScenarioResult {
  return isTopology(entry) ? runTopology(checkTopology(entry)) : runFrameScenario(checkScenario(entry));
}
