// Runs a port benchmark for several subjects in turns, A B C A B C …, so that the drift of a shared
// machine meets them all; keeps every sample and compares the fast state of each with the fast state
// of the first: best with best, 90th percentile with 90th percentile. A median over such samples
// says nothing about the programs (docs/performance.md).
//
//   node build/bench/run.js NAME [--subjects weft,c-loop,…] [--rounds N] [--samples N]
//
// Writes bench/results/NAME.json and prints a table. A subject that is not installed is named.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { EXIT_MISSING, machineFacts, type TurnResult } from './ports/subject-run.ts';
import { SUBJECTS } from './ports/subjects.ts';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const RESULTS = path.resolve(HERE, '..', '..', 'bench', 'results');
const TURN_MS = 60_000;
const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  'c-loop': ['gcc', '--version'],
  vde: ['vde_switch', '--version'],
  ovs: ['ovs-vswitchd', '--version'],
  iperf3: ['iperf3', '--version'],
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    subjects: { type: 'string', default: Object.keys(SUBJECTS).join(',') },
    rounds: { type: 'string', default: '5' },
    samples: { type: 'string', default: '3' },
  },
});
const [name] = positionals;
if (name === undefined) {
  console.error('usage: node build/bench/run.js tap-to-tap|tap-to-tap-tcp [--subjects LIST] [--rounds N] [--samples N]');
  process.exit(2);
}

const subjects = values.subjects.split(',');
const turns: TurnResult[] = [];
const missing = new Set<string>();
const loads: number[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  for (const subject of subjects) {
    if (missing.has(subject)) continue;
    loads.push(loadavg()[0] as number);
    const turn = takeTurn(name, subject, values.samples);
    if (turn !== undefined) turns.push({ round, ...turn });
  }
}

const rows = subjects.filter((subject) => turns.some((turn) => turn.subject === subject)).map(summary);
const unit = turns[0]?.unit ?? '';
const result = {
  name,
  unit,
  at: new Date().toISOString(),
  machine: { ...machineFacts(), load_1m_max: Math.max(...loads), ...versions() },
  missing: [...missing],
  rows,
  turns,
};
mkdirSync(RESULTS, { recursive: true });
writeFileSync(path.join(RESULTS, `${name}.json`), `${JSON.stringify(result, undefined, 1)}\n`);
printTable();

/** Runs one subject once; undefined, and a line that says why, when it cannot be run. */
function takeTurn(benchmark: string, subject: string, samples: string): TurnResult | undefined {
  const program = path.join(HERE, 'ports', `${benchmark}.js`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, subject, '--samples', samples], {
    encoding: 'utf8',
    timeout: TURN_MS,
    killSignal: 'SIGKILL',
  });
  if (status === 0) return JSON.parse(stdout) as TurnResult;
  console.error(`${subject}: ${stderr.trim().split('\n').slice(0, 8).join('\n')}`);
  if (status === EXIT_MISSING) missing.add(subject);
  return undefined;
}

interface Row {
  subject: string;
  best: number;
  p90: number;
  ratio_best: number;
  ratio_p90: number;
  /** Of the frames delivered per second of the switch's own processor time, 90th percentile; absent for the kernel. */
  ratio_per_cpu?: number;
  samples: number;
}

function summary(subject: string): Row {
  const own = samplesOf(subject);
  const first = samplesOf(subjects[0] as string);
  const perCpu = perCpuSecond(subject);
  return {
    subject,
    best: quantile(own, 1),
    p90: quantile(own, 0.9),
    ratio_best: round3(quantile(own, 1) / quantile(first, 1)),
    ratio_p90: round3(quantile(own, 0.9) / quantile(first, 0.9)),
    ...(perCpu > 0 && { ratio_per_cpu: round3(perCpu / perCpuSecond(subjects[0] as string)) }),
    samples: own.length,
  };
}

function perCpuSecond(subject: string): number {
  const all = turns.filter((turn) => turn.subject === subject).flatMap(({ frames_per_cpu_s }) => frames_per_cpu_s ?? []);
  return quantile(all, 0.9);
}

function samplesOf(subject: string): number[] {
  return turns.filter((turn) => turn.subject === subject).flatMap(({ samples }) => samples);
}

function quantile(samples: readonly number[], q: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.ceil(q * sorted.length) - 1] ?? Number.NaN;
}

function round3(value: number): number {
  return Number(value.toFixed(3));
}

function versions(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(VERSIONS).map(([what, [program = '', ...args]]) => {
      try {
        return [what, execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' }).split('\n')[0] as string];
      } catch {
        return [what, 'not installed'];
      }
    }),
  );
}

function printTable(): void {
  console.log(
    `| ${name} | best, ${unit} | p90 | best : ${subjects[0]} | p90 : ${subjects[0]} | per CPU second : ${subjects[0]} | samples |`,
  );
  console.log('|---|---|---|---|---|---|---|');
  for (const { subject, best, p90, ratio_best, ratio_p90, ratio_per_cpu, samples } of rows)
    console.log(`| ${subject} | ${best} | ${p90} | ${ratio_best} | ${ratio_p90} | ${ratio_per_cpu ?? '-'} | ${samples} |`);
  if (missing.size > 0) console.log(`not installed: ${[...missing].join(', ')}`);
}
