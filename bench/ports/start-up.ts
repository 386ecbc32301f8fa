// How long `weft run` with two taps takes from its start to `ready`, the processor time it needs for
// that, and the memory it then occupies. No traffic; every start is in this process's own sandbox.
//
//   node build/bench/ports/start-up.js [--samples N]

import '../../test/support/sandbox.ts';
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { cpuTimeNs } from './subject-run.ts';
import { startWeft } from './subjects.ts';

const { values } = parseArgs({ options: { samples: { type: 'string', default: '11' } } });
const milliseconds: number[] = [];
const cpuMilliseconds: number[] = [];
const residentMiB: number[] = [];
for (let k = 0; k < Number(values.samples); k++) {
  const began = performance.now();
  const weft = await startWeft(undefined);
  milliseconds.push(Math.round(performance.now() - began));
  cpuMilliseconds.push(Math.round(cpuTimeNs(weft.pid as number) / 1e6));
  const status = readFileSync(`/proc/${weft.pid}/status`, 'utf8');
  residentMiB.push(Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024));
  const ended = new Promise((resolve) => weft.once('exit', resolve));
  weft.kill('SIGTERM');
  await ended;
}
console.log(
  JSON.stringify({
    name: 'start-up',
    unit: 'ms',
    value: median(milliseconds),
    samples: milliseconds,
    cpu_ms: median(cpuMilliseconds),
    cpu_samples: cpuMilliseconds,
    rss_mib: median(residentMiB),
    load_1m: loadavg()[0],
  }),
);

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1] as number;
}
