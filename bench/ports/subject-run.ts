// What every port benchmark does around its own measuring: read the arguments, make the sandbox
// quiet, start the subject, print one JSON line.
//
//   node build/bench/ports/NAME.js SUBJECT [--samples N]
//
// SUBJECT weft@DIR is the weft built in another checkout: a change is measured against what was before.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { isInstalled, SUBJECTS } from './subjects.ts';

/** The core of what generates traffic, and that of the switch. */
export const GENERATOR_CORE = 0;
export const SWITCH_CORE = 1;
/** How long traffic runs before the first sample: compilers and caches settle. */
export const WARM_UP_MS = 1500;

/** What one turn of a benchmark prints. */
export interface TurnResult {
  name: string;
  subject: string;
  unit: string;
  /** Best sample: the fast state of the machine. */
  value: number;
  samples: number[];
  frames_per_cpu_s?: number[];
  [fact: string]: unknown;
}

/** Exit status of a benchmark whose subject is not installed. */
export const EXIT_MISSING = 3;

/** Starts the subject named on the command line; returns its name and process and how many samples are wanted. */
export async function startSubject(core: number | undefined): Promise<{ subject: string; samples: number; pid: number }> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { samples: { type: 'string', default: '3' } } });
  const [written = ''] = positionals;
  const [name = '', checkout] = written.split('@');
  const subject = SUBJECTS[name];
  if (subject === undefined) {
    console.error(`subject ${JSON.stringify(name)} is none of ${Object.keys(SUBJECTS).join(', ')}`);
    process.exit(2);
  }
  requireProgram(subject.needs.program, subject.needs.debianPackage);
  if (cpus().length < 2) console.error('one core only: generator and switch take turns on it');
  for (const scope of ['all', 'default']) writeFileSync(`/proc/sys/net/ipv6/conf/${scope}/disable_ipv6`, '1');
  const pid = await subject.start(core, checkout);
  return { subject: written, pid, samples: Number(values.samples) };
}

/** Ends the process, naming the package, unless `program` is installed. */
export function requireProgram(program: string, debianPackage: string): void {
  if (isInstalled(program)) return;
  console.error(`${program} is missing: apt-get install ${debianPackage}`);
  process.exit(EXIT_MISSING);
}

/** Nanoseconds the threads of process `pid` have run; 0 for the kernel. */
export function cpuTimeNs(pid: number): number {
  if (pid === 0) return 0;
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]), 0);
}

/** Prints the line and ends the process, and with it the sandbox and all that runs in it. */
export function finish(result: TurnResult): never {
  console.log(JSON.stringify(result));
  process.exit(0);
}

/** The machine, as it stands beside every figure. */
export function machineFacts(): Record<string, string | number> {
  const cpu = cpus();
  const vulnerabilities = '/sys/devices/system/cpu/vulnerabilities/spectre_v2';
  return {
    cpu: cpu[0]?.model ?? 'unknown',
    cores: cpu.length,
    kernel: release(),
    governor: textOf('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
    spectre_v2: textOf(vulnerabilities),
    node: process.version,
  };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
