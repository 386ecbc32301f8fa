// However a switch is ended, and whatever its forwarding thread does at that moment, asleep in the
// kernel or flooded from two sides, the process ends within 2 s and leaves nothing: no interface, no
// socket, no lock, no process, and the interfaces of others as they were.

import '../../support/sandbox.ts';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { Flooder } from '../../support/flooder.ts';
import { addNetns, addVeth, ip, run, until } from '../../support/netns.ts';
import { StreamGuest } from '../../support/stream-guest.ts';
import { WeftRun, weft, weftJson } from '../../support/weft-process.ts';

const RUN_DIR = '/run/weft';
/** What users are promised: from the signal to the end. */
const END_MS_MAX = 2000;
const ALL = 'ffffffffffff';

const [far1, far2] = [addNetns('far'), addNetns('far')];
addVeth('v1', 'w1', far1);
addVeth('v2', 'w2', far2);
const interfaces = readdirSync('/sys/class/net').sort();

// The same for both threads: the forwarding one loads it as well. An error is thrown in main on SIGUSR2;
// in the forwarding thread, where no event is ever served, at its next look at the stop word once a file is there.
const folder = mkdtempSync('/run/tmp/ends-');
const hook = path.join(folder, 'throw.mjs');
const order = path.join(folder, 'throw-now');
writeFileSync(
  hook,
  `import { existsSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
if (isMainThread) process.on('SIGUSR2', () => { throw new Error('boom'); });
else {
  const { load } = Atomics;
  Atomics.load = (array, index) => {
    if (array.length === 1 && existsSync(${JSON.stringify(order)})) throw new Error('bang');
    return load(array, index);
  };
}
`,
);

/** A switch with a port of each kind, a guest at the stream port. */
async function start(nodeArgs: readonly string[] = []): Promise<{ sw: WeftRun; guest: StreamGuest }> {
  const ports = ['tap:t0', 'netdev:v1', 'netdev:v2', 'stream:g0.sock', 'stream:g1.sock'].flatMap((spec) => ['--port', spec]);
  const sw = await new WeftRun(['--switch', 'br0', '--host', 'h0,10.9.0.1/24', ...ports], nodeArgs).ready();
  const guest = await StreamGuest.connect(`${RUN_DIR}/g0.sock`);
  await until('the guest to be up', () => weftJson('show').ports.up === 5);
  return { sw, guest };
}

/** Every thread of a process with its state, as the kernel names it. */
function threadStates(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map(
    (tid) => /\) (\w)/.exec(readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8'))?.[1] ?? '?',
  );
}

/** Floods the switch from both sides, broadcast and unknown unicast, until it is seen to forward. */
async function flood(): Promise<Flooder[]> {
  const flooders = [
    await Flooder.start(far1, 'w1', ALL, '0200000000a1', 60),
    await Flooder.start(far2, 'w2', '020000000099', '0200000000a2', 1514),
  ];
  const received = (): number => weftJson('ports').reduce((sum: number, port: { rx_frames: number }) => sum + port.rx_frames, 0);
  const before = received();
  await until('frames by the thousand', () => received() > before + 5000);
  return flooders;
}

/** What one end leaves besides what was there before it began. */
function leftovers(): unknown {
  return {
    interfaces: readdirSync('/sys/class/net')
      .sort()
      .filter((name) => !interfaces.includes(name)),
    missing: interfaces.filter((name) => !readdirSync('/sys/class/net').includes(name)),
    runDir: readdirSync(RUN_DIR),
    filters: ['v1', 'v2'].map((name) => run('tc', 'filter', 'show', 'dev', name, 'ingress')).join(''),
    promiscuous: ['v1', 'v2'].map((name) => /promiscuity ([1-9])/.exec(ip(`-d link show ${name}`))?.[1] ?? '').join(''),
  };
}
const NOTHING = { interfaces: [], missing: [], runDir: [], filters: '', promiscuous: '' };

/** How to end a switch, and the status and words it must end with. */
interface Ending {
  readonly what: string;
  readonly end: (sw: WeftRun) => Promise<{ status: number | string; ms: number }>;
  readonly status: number;
  readonly says: RegExp | undefined;
}

const endings: readonly Ending[] = [
  { what: 'SIGTERM', end: (sw) => sw.end('SIGTERM'), status: 0, says: undefined },
  {
    what: 'an error thrown in the main thread',
    end: (sw) => sw.end('SIGUSR2'),
    status: 1,
    says: /^weft: a fault of weft ended the switch: boom/m,
  },
  {
    what: 'an error thrown in the forwarding thread',
    end: async (sw) => {
      const startedMs = performance.now();
      writeFileSync(order, '');
      // Asleep, it comes to its next turn with the next frame, request or second.
      const status = await sw.ended();
      return { status, ms: performance.now() - startedMs };
    },
    status: 1,
    says: /^weft: .*bang/m,
  },
];

for (const state of ['asleep', 'busy'] as const) {
  for (const { what, end, status, says } of endings) {
    t.test(`${what}, the forwarding thread ${state}`, async (t) => {
      const { sw, guest } = await start(['--import', pathToFileURL(hook).href]);
      let flooders: Flooder[] = [];
      t.same(weftJson('show').imbalances, []);
      if (state === 'busy') {
        flooders = await flood();
        t.same(weftJson('show').imbalances, [], 'under load');
      } else {
        await until('every thread to sleep', () => threadStates(sw.pid).every((each) => each === 'S'));
      }
      const ended = await end(sw);
      // Still flooding: it did not end because the load did.
      for (const flooder of flooders) await flooder.stop();
      guest.close();
      writeFileSync(order, '');
      run('rm', order);
      t.equal(ended.status, status, sw.stderr);
      t.ok(ended.ms < END_MS_MAX, `took ${Math.round(ended.ms)} ms`);
      if (says === undefined) t.notMatch(sw.stderr, /^weft: /m);
      else t.match(sw.stderr, says);
      t.same(leftovers(), NOTHING);
      t.throws(() => process.kill(sw.pid, 0), { code: 'ESRCH' });
    });
  }
}

t.test('and the next switch finds everything free', async (t) => {
  const { sw, guest } = await start();
  t.equal(weft('ports').status, 0);
  t.same(weftJson('show').imbalances, []);
  guest.close();
  t.equal((await sw.end('SIGTERM')).status, 0);
  t.same(leftovers(), NOTHING);
});
