// The life of a switch process: how it starts, that a name is one switch's, and every way in which it
// ends. Each time nothing may be left: no interface, no socket, no lock.

import '../../support/sandbox.ts';
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { ip, until } from '../../support/netns.ts';
import { startWeft, WeftRun, weft, weftAsNobody, weftJson } from '../../support/weft-process.ts';

const RUN_DIR = '/run/weft';
/** What users are promised: from the signal to the end. */
const END_MS_MAX = 2000;

function leftovers(): string[] {
  return [...readdirSync('/sys/class/net').filter((ifname) => ifname !== 'lo'), ...readdirSync(RUN_DIR)];
}

t.test('it says when it forwards, and ends cleanly by each signal', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const run = await startWeft('--switch', 'br0', '--port', 'tap:t0', '--port', 'tap:t1');
    t.equal(run.stdout, 'br0 ready\n');
    t.same(readdirSync(RUN_DIR).sort(), ['br0.journal', 'br0.lock', 'br0.sock']);
    const { status, ms } = await run.end(signal);
    t.equal(status, 0, `${signal}: ${run.stderr}`);
    t.ok(ms < END_MS_MAX, `${signal} took ${Math.round(ms)} ms`);
    t.same(leftovers(), []);
  }
});

t.test('two signals in a row are one', async (t) => {
  const run = await startWeft('--port', 'tap:t0');
  run.child.kill('SIGTERM');
  const { status } = await run.end('SIGTERM');
  t.equal(status, 0, run.stderr);
  t.same(leftovers(), []);
});

t.test('a signal while it starts ends it as well', async (t) => {
  const run = new WeftRun(['--port', 'tap:t0', '--port', 'tap:t1', '--port', 'tap:t2']);
  await until('the first tap', () => readdirSync('/sys/class/net').includes('t0'));
  const { status, ms } = await run.end('SIGTERM');
  t.equal(status, 0, run.stderr);
  t.ok(ms < END_MS_MAX);
  t.same(leftovers(), []);
});

t.test('with --json it says so on one line, and logs JSON', async (t) => {
  const run = await startWeft('--json', '--switch', 'br0', '--port', 'tap:t0');
  t.match(JSON.parse(run.stdout), { name: 'br0', ready: true, pid: run.pid, socket: `${RUN_DIR}/br0.sock` });
  await run.end('SIGTERM');
  for (const line of run.stderr.trim().split('\n')) t.match(JSON.parse(line), { switch: 'br0', level: String, msg: String });
});

t.test('it runs on when nobody reads its output any more', async (t) => {
  const run = new WeftRun(['--switch', 'br0', '--port', 'tap:t0']);
  run.child.stdout?.destroy();
  run.child.stderr?.destroy();
  await until('the switch to answer', () => weft('--switch', 'br0', 'show').status === 0);
  t.equal(weft('port', 'add', 'tap:t1').status, 0);
  t.equal((await run.end('SIGTERM')).status, 0);
  t.same(leftovers(), []);
});

t.test('an error thrown in the main thread ends it with status 1 and one line', async (t) => {
  const hook = path.join(mkdtempSync('/run/tmp/hook-'), 'throw.mjs');
  writeFileSync(hook, "process.on('SIGUSR2', () => { throw new Error('boom'); });\n");
  const run = await new WeftRun(['--switch', 'br0', '--port', 'tap:t0'], ['--import', pathToFileURL(hook).href]).ready();
  const { status, ms } = await run.end('SIGUSR2');
  t.equal(status, 1);
  t.ok(ms < END_MS_MAX, `took ${Math.round(ms)} ms`);
  t.match(
    run.stderr
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('weft: ')),
    [/^weft: a fault of weft ended the switch: boom \(at .*throw\.mjs/],
  );
  t.same(leftovers(), []);
});

t.test('a client may ask it to end', async (t) => {
  const run = await startWeft('--switch', 'br0');
  const { callSwitch } = await import('../../../src/control/client.ts');
  t.equal(await callSwitch(`${RUN_DIR}/br0.sock`, 'stop', {}), null);
  t.equal(await run.ended(), 0);
  t.same(leftovers(), []);
});

t.test('a second switch of the same name is refused, and names the first', async (t) => {
  const run = await startWeft('--switch', 'br0', '--port', 'tap:t0');
  const second = weft('run', '--switch', 'br0', '--port', 'tap:t1');
  t.equal(second.status, 1);
  t.match(second.stderr, new RegExp(`^weft: switch br0 runs already \\(process ${run.pid}, [^)]+\\); .*\n$`));
  t.match(weftJson('ports'), [{ ifname: 't0', link: 'up' }]);
  const other = await startWeft('--switch', 'br1', '--port', 'tap:t1');
  const taken = weft('run', '--switch', 'br2', '--port', 'tap:t0');
  t.equal(taken.status, 1);
  t.match(taken.stderr, new RegExp(`t0.*br0.*${run.pid}`));
  t.match(weft('ports').stderr, /several switches run: br0, br1/);
  await Promise.all([run.end('SIGTERM'), other.end('SIGTERM')]);
  t.same(leftovers(), []);
});

t.test('of several started at once exactly one wins', async (t) => {
  for (let round = 0; round < 3; round++) {
    const runs = ['t0', 't1', 't2'].map((ifname) => new WeftRun(['--switch', 'br0', '--port', `tap:${ifname}`]));
    const outcomes = await Promise.all(
      runs.map((run) =>
        Promise.race([
          run.ready().then(
            () => 'ready',
            () => 'refused',
          ),
          run.ended(),
        ]),
      ),
    );
    const winners = runs.filter((_, i) => outcomes[i] === 'ready');
    t.equal(winners.length, 1, outcomes.join(' '));
    const [winner] = winners;
    for (const run of runs) {
      if (run === winner) continue;
      t.equal(await run.ended(), 1);
      t.match(run.stderr, /switch br0 runs already/);
    }
    t.equal(weftJson('show').pid, winner?.pid);
    await winner?.end('SIGTERM');
  }
  t.same(leftovers(), []);
});

t.test('after kill -9 the same switch starts again', async (t) => {
  const killed = await startWeft('--switch', 'br0', '--port', 'tap:t0');
  t.equal((await killed.end('SIGKILL')).status, 'SIGKILL');
  t.same(readdirSync(RUN_DIR).sort(), ['br0.journal', 'br0.lock', 'br0.sock']);
  t.match(weft('ports'), { status: 1, stderr: /no switch runs in \/run\/weft/ });
  t.match(weft('--switch', 'br0', 'ports'), { status: 1, stderr: /no switch named br0 runs/ });
  const run = await startWeft('--switch', 'br0', '--port', 'tap:t0');
  t.match(weftJson('ports'), [{ ifname: 't0', link: 'up' }]);
  await run.end('SIGTERM');
  t.same(leftovers(), []);
});

t.test('what is missing is named, and nothing is left of the attempt', async (t) => {
  const noInterface = weft('run', '--port', 'tap:t0', '--port', 'netdev:nope0');
  t.match(noInterface, { status: 1, stdout: '', stderr: /^weft: .*nope0.*\n$/m });
  const noUplink = weft('run', '--uplink', 'nope0');
  t.match(noUplink, { status: 1, stdout: '', stderr: /^weft: there is no interface nope0.*\n$/m });
  const sameName = weft('run', '--port', 'tap:t0', '--port', 'tap:t1,name=t0');
  t.match(sameName, { status: 1, stdout: '', stderr: /already has a port named t0/ });
  t.same(leftovers(), []);
});

t.test('without root it says what is missing', async (t) => {
  t.match(weftAsNobody({}, 'run'), { status: 2, stdout: '', stderr: /^weft: no run directory: .*XDG_RUNTIME_DIR.*\n$/ });
  mkdirSync('/run/nobody', { mode: 0o777 });
  const tap = weftAsNobody({ XDG_RUNTIME_DIR: '/run/nobody' }, 'run', '--port', 'tap:t0');
  t.equal(tap.status, 1);
  t.match(tap.stderr, /^weft: .*(root|CAP_NET_ADMIN|permission).*\n$/m);

  const run = await startWeft('--switch', 'br0');
  t.match(weftAsNobody({}, '--run-dir', RUN_DIR, 'ports'), { status: 1, stderr: /no permission to control switch br0/ });
  t.match(weftAsNobody({}, '--run-dir', RUN_DIR, 'run', '--switch', 'br1'), { status: 1, stderr: /^weft: cannot open .*EACCES/ });
  await run.end('SIGTERM');
});

t.test('a configuration file makes the switch', async (t) => {
  const file = path.join(mkdtempSync('/run/tmp/config-'), 'lab.yaml');
  writeFileSync(
    file,
    [
      'switch: lab',
      'stp: { mode: off }',
      'host: { ifname: lab0, address: 10.1.0.1/24 }',
      'settings: { ageing_time_s: 60, fdb_size: 1024 }',
      'ports:',
      '  - tap: t0',
      '    isolated: on',
      '  - stream: vm1.sock',
    ].join('\n'),
  );
  const run = await startWeft('--config', file, '--port', 'tap:t1');
  t.equal(run.stdout, 'lab ready\n');
  t.match(weftJson('show'), {
    name: 'lab',
    settings: { ageing_time_s: 60 },
    fdb: { size: 1024 },
    host: { ifname: 'lab0', address: '10.1.0.1/24' },
  });
  t.match(weftJson('ports'), [
    { ifname: 'lab0', purpose: 'host', link: 'up' },
    { ifname: 't0', link: 'up', settings: { isolated: true } },
    { ifname: 'vm1', kind: 'stream', link: 'down', down_reason: String },
    { ifname: 't1' },
  ]);
  t.match(ip('-br addr show lab0'), /10\.1\.0\.1\/24/);
  await run.end('SIGTERM');
  t.same(leftovers(), []);
});
