// One TCP connection between two network namespaces, as iperf3's receiver counts it, second by
// second. Three busy parties on two cores: nobody is pinned, so that every subject has the whole
// machine and the scheduler decides.

import '../../test/support/sandbox.ts';
import { execFileSync } from 'node:child_process';
import { finish, requireProgram, startSubject, WARM_UP_MS } from './subject-run.ts';
import { ip, LEFT, RIGHT, start, until } from './subjects.ts';

const ADDRESSES = { [LEFT]: '10.99.0.1', [RIGHT]: '10.99.0.2' };
const SERVER = ADDRESSES[RIGHT] as string;

requireProgram('iperf3', 'iperf3');
const { subject, samples: wanted } = await startSubject(undefined);
for (const [name, address] of Object.entries(ADDRESSES)) {
  ip(`netns add ${name}-ns`);
  ip(`link set ${name} netns ${name}-ns`);
  ip(`-n ${name}-ns link set lo up`);
  ip(`-n ${name}-ns addr add ${address}/24 dev ${name}`);
  ip(`-n ${name}-ns link set ${name} up`);
}
let said = '';
start(undefined, 'ip', 'netns', 'exec', `${RIGHT}-ns`, 'iperf3', '-s', '-1', '--json', '--forceflush').stdout?.on(
  'data',
  (chunk) => {
    said += chunk;
  },
);
await until('a connection through the switch', () => canPing());
const seconds = wanted + Math.ceil(WARM_UP_MS / 1000);
execFileSync(
  'ip',
  ['netns', 'exec', `${LEFT}-ns`, 'iperf3', '-c', SERVER, '-t', `${seconds}`, '-i', '1', '--connect-timeout', '5000'],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: (seconds + 20) * 1000,
  },
);
await until('the receiver reporting', () => isJson(said));
const report = JSON.parse(said) as { intervals: { sum: { bits_per_second: number; seconds: number } }[] };
const whole = report.intervals
  .filter(({ sum }) => sum.seconds > 0.5)
  .map(({ sum }) => Number((sum.bits_per_second / 1e9).toFixed(3)));
const samples = whole.slice(-wanted);
finish({ name: 'tap-to-tap-tcp', subject, unit: 'Gbit/s', value: Math.max(...samples), samples });

function canPing(): boolean {
  try {
    execFileSync('ip', ['netns', 'exec', `${LEFT}-ns`, 'ping', '-c', '1', '-W', '1', SERVER], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
