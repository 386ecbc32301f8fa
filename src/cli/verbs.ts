// Every verb, in the order in which help lists them. A verb is one file with a function that adds it to
// the program; what it needs to run is imported when it runs, so that no verb pays for another.

import type { Command } from 'commander';
import { addDrops } from './drops.ts';
import { addFdb } from './fdb.ts';
import { addPort } from './port.ts';
import { addPorts } from './ports.ts';
import { addRun } from './run.ts';
import { addShow } from './show.ts';
import { addStats } from './stats.ts';

/** Functions that add one verb each. */
export const VERBS: readonly ((program: Command) => void)[] = [addRun, addShow, addPorts, addFdb, addStats, addDrops, addPort];
