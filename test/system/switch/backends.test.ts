// What a switch forwards with: as asked for, said by `show`; where io_uring is refused epoll takes over,
// unless it was told not to. On both, ports come and go under load without a descriptor, a tap or a frame
// lost, the others forward, and without traffic the thread sleeps.

import '../../support/sandbox.ts';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Flooder } from '../../support/flooder.ts';
import { addNetns, ip, until } from '../../support/netns.ts';
import { startWeft, WeftRun, weft, weftJson } from '../../support/weft-process.ts';

const REFUSED = ['--import', fileURLToPath(import.meta.resolve('../../support/no-io-uring.js'))];
const IDLE_MS = 3000;
const [SRC, DST] = ['525400000001', '525400000002'];

/** Times any thread of a process went to sleep and was woken. */
function sleeps(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce(
    (sum, tid) =>
      sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8'))?.[1]),
    0,
  );
}

/** Frames the port has sent so far. */
function sentBy(ifname: string): number {
  return weftJson('ports').find((port: { ifname: string }) => port.ifname === ifname).tx_frames;
}

for (const io of ['io_uring', 'epoll'] as const) {
  t.test(`${io}: ports come and go under load`, async (t) => {
    const [n1, n2] = [addNetns('n'), addNetns('n')];
    const sw = await startWeft('--switch', 'br0', '--io', io, '--port', `tap:t1,netns=${n1}`, '--port', `tap:t2,netns=${n2}`);
    t.equal(weftJson('show').backend, io);
    for (const [netns, name] of [
      [n1, 't1'],
      [n2, 't2'],
    ])
      ip(`-n ${netns} link set dev ${name} up`);
    await until('both ports to be up', () => weftJson('show').ports.up === 2);
    const fds = readdirSync(`/proc/${sw.pid}/fd`).length;
    for (let n = 0; n < 5; n++) {
      const flood = await Flooder.start(n1, 't1', 'ffffffffffff', SRC);
      const before = sentBy('t2');
      t.equal(weft('port', 'add', 'tap:t3').status, 0);
      ip('link set dev t3 up');
      await until('the new port to be flooded', () => sentBy('t3') > 100);
      t.equal(weft('port', 'del', 't3').status, 0);
      t.notOk(readdirSync('/sys/class/net').includes('t3'), 'the tap went with its port: nobody holds it');
      const after = sentBy('t2');
      t.ok(after > before, 'the other port goes on');
      await flood.stop();
    }
    t.same(weftJson('show').imbalances, []);
    t.equal(readdirSync(`/proc/${sw.pid}/fd`).length, fds);
    t.equal((await sw.end('SIGTERM')).status, 0);
  });

  t.test(`${io}: without traffic nothing wakes but the tick`, async (t) => {
    const n1 = addNetns('n');
    const ports = ['a', 'b', 'c', 'd'].flatMap((name) => ['--port', `tap:${name},netns=${n1}`]);
    const sw = await startWeft('--switch', 'br0', '--io', io, ...ports);
    for (const name of ['a', 'b', 'c', 'd']) ip(`-n ${n1} link set dev ${name} up addrgenmode none`);
    await until('all ports to be up', () => weftJson('show').ports.up === 4);
    const flood = await Flooder.start(n1, 'a', DST, SRC);
    await until('frames to pass', () => sentBy('b') > 1000);
    await flood.stop();
    // Frames still in queues, and connections of the control socket, come to rest.
    let mark = { at: performance.now(), sleeps: sleeps(sw.pid) };
    await until('a second of rest', () => {
      const at = performance.now();
      if (at - mark.at < 1000) return false;
      const before = mark.sleeps;
      mark = { at, sleeps: sleeps(sw.pid) };
      return mark.sleeps - before < 10;
    });
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const woken = sleeps(sw.pid) - mark.sleeps;
    t.ok(woken < 30, `${woken} wake-ups of all threads in ${IDLE_MS} ms`);
    t.equal((await sw.end('SIGTERM')).status, 0);
  });
}

t.test('where io_uring is refused', async (t) => {
  const forced = new WeftRun(['--switch', 'br0', '--io', 'io_uring'], REFUSED);
  t.equal(await forced.ended(), 1);
  t.match(forced.stderr, /weft: io_uring is not permitted here \(.*\); --io epoll does without\n$/);
  const sw = await new WeftRun(['--switch', 'br0', '--port', 'tap:t0', '--io', 'auto'], REFUSED).ready();
  t.equal(weftJson('show').backend, 'epoll');
  await until('the log to say so', () => /br0 waits with epoll: io_uring is not permitted here/.test(sw.stderr));
  t.equal((await sw.end('SIGTERM')).status, 0);
});
