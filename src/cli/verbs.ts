// Every verb, in the order in which help lists them. A verb is one file with a function that adds it to
// the program; what it needs to run is imported when it runs, so that no verb pays for another.

import type { Command } from 'commander';
import { addDemo } from './demo.ts';
import { addDoctor } from './doctor.ts';
import { addDown } from './down.ts';
import { addDrops } from './drops.ts';
import { addFdb } from './fdb.ts';
import { addPort } from './port.ts';
import { addPorts } from './ports.ts';
import { addQemu } from './qemu.ts';
import { addRun } from './run.ts';
import { addShow } from './show.ts';
import { addSimulate } from './simulate.ts';
import { addStats } from './stats.ts';
import { addUp } from './up.ts';

/** Functions that add one verb each. */
export const VERBS: readonly ((program: Command) => void)[] = [
  addRun,
  addUp,
  addDown,
  addQemu,
  addShow,
  addPorts,
  addFdb,
  addStats,
  addDrops,
  addPort,
  addSimulate,
  addDoctor,
  addDemo,
];
