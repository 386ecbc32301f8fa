// Small frames from one tap to another: frames a second delivered, counted at the receiving
// interface. 1,000 stations on each side, known to the switch before the first sample; the sender
// offers more than any subject can carry, on the other core. Beside each sample stands how many frames
// the switch delivered per second of its own processor time, which others on the machine disturb less.

import '../../test/support/sandbox.ts';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTimeNs, finish, GENERATOR_CORE, SWITCH_CORE, startSubject, WARM_UP_MS } from './subject-run.ts';
import { compilePeer, LEFT, RIGHT, run, start } from './subjects.ts';

const STATIONS = 1000;
/** Without FCS: 64 octets on a cable. */
const FRAME_LEN = 60;
const SAMPLE_MS = 1000;

const { subject, pid, samples: wanted } = await startSubject(SWITCH_CORE);
const generator = compilePeer('generator');
// In small portions, so that no queue on the way drops a station.
for (let n = 0; n < STATIONS; n += 250) {
  for (const [side, name] of [LEFT, RIGHT].entries())
    run(generator, name, `${side}`, `${STATIONS}`, `${FRAME_LEN}`, `${STATIONS}`);
}
start(GENERATOR_CORE, generator, LEFT, '0', `${STATIONS}`, `${FRAME_LEN}`);
await sleep(WARM_UP_MS);

const samples: number[] = [];
const framesPerCpuSecond: number[] = [];
let cpu = cpuTimeNs(pid);
let frames = counter(RIGHT, 'rx_packets');
let at = performance.now();
let offered = counter(LEFT, 'tx_packets') + counter(LEFT, 'tx_dropped');
const offeredBefore = offered;
const began = at;
for (let k = 0; k < wanted; k++) {
  await sleep(SAMPLE_MS);
  const framesNow = counter(RIGHT, 'rx_packets');
  const now = performance.now();
  samples.push(Math.round(((framesNow - frames) * 1000) / (now - at)));
  if (pid !== 0) {
    const cpuNow = cpuTimeNs(pid);
    framesPerCpuSecond.push(Math.round(((framesNow - frames) * 1e9) / (cpuNow - cpu)));
    cpu = cpuNow;
  }
  frames = framesNow;
  at = now;
}
offered = counter(LEFT, 'tx_packets') + counter(LEFT, 'tx_dropped');
finish({
  name: 'tap-to-tap',
  subject,
  unit: 'frames/s',
  value: Math.max(...samples),
  samples,
  frames_per_cpu_s: framesPerCpuSecond,
  frame_len: FRAME_LEN,
  stations: STATIONS,
  offered: Math.round(((offered - offeredBefore) * 1000) / (at - began)),
});

function counter(name: string, what: string): number {
  return Number(readFileSync(`/sys/class/net/${name}/statistics/${what}`, 'utf8'));
}
