// The ruler of the micro benchmarks: runs one function many times and prints one JSON line.
//
// The machine is shared and drifts by a factor of two within minutes, so every sample is kept in
// the line: `value` is the best of them (the fast state of the machine), `median` stands beside it,
// and two lines compare only when they were taken in turns.

import { cpus } from 'node:os';
import { performance } from 'node:perf_hooks';

const SAMPLES = 15;
const SAMPLE_MS = 100;
const WARM_UP_MS = 300;

/** What a benchmark prints. */
export interface Measurement {
  name: string;
  unit: string;
  /** Best sample. */
  value: number;
  median: number;
  samples: number[];
}

/** Nanoseconds an operation takes; `run` does some operations and returns how many. */
export function nsPerOperation(name: string, run: () => number): Measurement {
  const warmUntil = performance.now() + WARM_UP_MS;
  while (performance.now() < warmUntil) run();
  const samples: number[] = [];
  for (let n = 0; n < SAMPLES; n++) {
    const start = performance.now();
    let count = 0;
    let elapsed = 0;
    while (elapsed < SAMPLE_MS) {
      count += run();
      elapsed = performance.now() - start;
    }
    samples.push(Number(((elapsed * 1e6) / count).toFixed(2)));
  }
  const sorted = samples.toSorted((a, b) => a - b);
  return { name, unit: 'ns', value: sorted[0] as number, median: sorted[SAMPLES >> 1] as number, samples };
}

/** Prints a measurement, with what else belongs to it and the machine it was taken on. */
export function report(measurement: Measurement, facts: Record<string, number | string> = {}): void {
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', node: process.version };
  console.log(JSON.stringify({ ...measurement, ...facts, machine }));
}
