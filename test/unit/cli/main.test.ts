// The program as it is called: exit codes, the one line on standard error, and what goes to standard
// output, against a control socket with a switch without devices behind it.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { ControlServer } from '../../../src/control/server.ts';
import { BridgeSwitch } from '../../support/bridge-switch.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

function weft(runDir: string, ...args: string[]): Promise<Outcome> {
  return collect(spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, WEFT_RUN_DIR: runDir } }));
}

async function collect(child: ReturnType<typeof spawn>): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (data) => {
    stdout += data;
  });
  child.stderr?.on('data', (data) => {
    stderr += data;
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stdout, stderr })));
}

function temporaryDir(t: ExecutionContext): string {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'weft-cli-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function serve(t: ExecutionContext, runDir: string, name: string): Promise<BridgeSwitch> {
  const sw = new BridgeSwitch(name);
  const context = { switch: sw, setup: { host: null, uplink: null }, onStop: () => {} };
  writeFileSync(path.join(runDir, `${name}.lock`), '');
  const server = await ControlServer.listen(path.join(runDir, `${name}.sock`), context, () => {});
  t.teardown(() => server.close());
  return sw;
}

const WRONG: readonly (readonly [args: string[], line: RegExp])[] = [
  [['bogus'], /unknown command 'bogus'/],
  [['prots'], /unknown command 'prots' \(Did you mean ports\?\)/],
  [['ports', '--bogus'], /unknown option '--bogus'/],
  [['ports', 'extra'], /too many arguments/],
  [['port', 'add'], /missing required argument 'spec'/],
  [['port', 'add', 'tapp:x'], /did you mean tap\?/],
  [['port', 'set', 'tap0', 'mtuu=9'], /did you mean mtu\?/],
  [['--switch', 'a/b', 'ports'], /'a\/b' cannot be the name of a switch/],
  [['run', '--switch', 'x'.repeat(33)], /cannot be the name of a switch/],
  [['stats', '--interval', '0'], /0\.1 to 3600/],
  [['run', '--stp', 'rstp'], /spanning tree \(rstp\) is not there yet/],
  [['run', '--stp', 'on'], /off, stp or rstp/],
  [['run', '--port', 'tap:tap0,isolated=maybe'], /isolated is 'maybe'/],
  [['run', '--host', 'br0,1.2.3.4'], /192\.168\.122\.1\/24/],
  [['run', '--uplink', 'eth0,takeover'], /takeover is not there yet/],
  [['run', '--fdb-size', 'big'], /--fdb-size big/],
  [['run', '--io', 'uring'], /--io uring: it is auto, io_uring, epoll/],
  [['run', '--log-level', 'loud'], /debug, info, warn, error/],
  [['run', '--config', '/nonexistent.yaml'], /\/nonexistent\.yaml \(ENOENT\)/],
];

for (const [args, line] of WRONG) {
  test(`wrong usage: weft ${args.join(' ')}`, async (t) => {
    const { status, stdout, stderr } = await weft('/nonexistent', ...args);
    t.is(stdout, '');
    t.regex(stderr, /^weft: [^\n]+\n$/);
    t.regex(stderr, line);
    t.is(status, 2);
  });
}

test('a wrong configuration names file, line and column', async (t) => {
  const dir = temporaryDir(t);
  const file = path.join(dir, 'lab.yaml');
  writeFileSync(file, 'switch: br0\nprots: []\n');
  const { status, stderr } = await weft(dir, 'run', '--config', file);
  t.is(stderr, `weft: ${file}:2:1: there is no key 'prots'; did you mean ports?\n`);
  t.is(status, 2);
});

test('version and help go to standard output', async (t) => {
  const { version } = JSON.parse(readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  t.deepEqual(await weft('/nonexistent', '--version'), { status: 0, stdout: `${version}\n`, stderr: '' });
  const help = await weft('/nonexistent', '--help');
  t.is(help.status, 0);
  t.regex(help.stdout, /run \[options\].*ports.*fdb.*drops/s);
  const nothing = await weft('/nonexistent');
  t.is(nothing.status, 2);
  t.is(nothing.stdout, '');
  t.regex(nothing.stderr, /^Usage: weft/);
});

test('no switch, several switches, the one that is asked for', async (t) => {
  const dir = temporaryDir(t);
  const none = await weft(dir, 'ports');
  t.deepEqual(none, { status: 1, stdout: '', stderr: none.stderr });
  t.is(none.stderr, `weft: no switch runs in ${dir}; start one with weft run\n`);
  await serve(t, dir, 'br0');
  t.deepEqual(await weft(dir, '--json', 'ports'), { status: 0, stdout: '[]\n', stderr: '' });
  await serve(t, dir, 'br1');
  t.like(await weft(dir, 'ports'), { status: 1, stderr: 'weft: several switches run: br0, br1; say which with --switch NAME\n' });
  t.is(JSON.parse((await weft(dir, 'show', '--json', '--switch', 'br1')).stdout).name, 'br1');
  t.is(JSON.parse((await weft('/nonexistent', '--run-dir', dir, '--switch', 'br0', '--json', 'show')).stdout).name, 'br0');
});

test('ports and addresses through the command line', async (t) => {
  const dir = temporaryDir(t);
  await serve(t, dir, 'br0');
  const done = { status: 0, stdout: '', stderr: '' };
  t.deepEqual(await weft(dir, 'port', 'add', 'tap:tap0'), done);
  t.like(JSON.parse((await weft(dir, '--json', 'port', 'add', 'tap:tap1,isolated=on')).stdout), { ifname: 'tap1', port_no: 2 });
  t.like(await weft(dir, 'port', 'add', 'tap:tap0'), {
    status: 1,
    stderr: 'weft: br0 already has a port named tap0; give the new one another name (name=…)\n',
  });
  t.deepEqual(await weft(dir, 'port', 'set', 'tap0', 'mtu=9000', 'hairpin=on'), done);
  t.deepEqual(await weft(dir, 'fdb', 'add', '52:54:00:00:00:01', 'tap0', '--static'), done);
  t.deepEqual(await weft(dir, 'fdb', 'add', '52:54:00:00:00:02', 'tap1'), done);
  t.like(await weft(dir, 'fdb', 'add', 'zz', 'tap1'), { status: 1 });
  t.is((await weft(dir, 'fdb')).stdout.split('\n').length, 4);
  t.deepEqual(await weft(dir, 'fdb', 'flush', '--port', 'tap1'), done);
  t.deepEqual(JSON.parse((await weft(dir, '--json', 'fdb')).stdout), [
    { mac: '52:54:00:00:00:01', ifname: 'tap0', state: 'static', age_s: 0, flags: [] },
  ]);
  t.deepEqual(await weft(dir, 'fdb', 'del', '52:54:00:00:00:01'), done);
  t.regex((await weft(dir, 'ports')).stdout, /^PORT .*\ntap0 .*9000.*hairpin\ntap1 .*isolated\n$/);
  t.deepEqual(await weft(dir, 'port', 'del', 'tap1'), done);
  t.is((await weft(dir, 'drops')).stdout, 'nothing was dropped\n');
  t.is(JSON.parse((await weft(dir, '--json', 'stats', '--interval', '0.1')).stdout).ports.length, 1);
});

test('a reader that goes away is no error', async (t) => {
  const dir = temporaryDir(t);
  const sw = await serve(t, dir, 'br0');
  for (let i = 0; i < 2000; i++) {
    await sw.fdbAdd(
      `52:54:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`,
      await portName(sw),
      0,
    );
  }
  const command = `"${process.execPath}" "${MAIN}" --run-dir "${dir}" fdb | head -n 1; echo "status \${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await collect(spawn('bash', ['-c', command]));
  t.regex(stdout, /^MAC .*\nstatus 0\n$/);
  t.is(stderr, '');
});

test('what cannot be printed is a failure in one line', async (t) => {
  const dir = temporaryDir(t);
  await serve(t, dir, 'br0');
  const command = `"${process.execPath}" "${MAIN}" --run-dir "${dir}" --json fdb > /dev/full`;
  const { status, stderr } = await collect(spawn('sh', ['-c', command]));
  t.regex(stderr, /^weft: cannot write to standard output: ENOSPC[^\n]*\n$/);
  t.is(status, 1);
});

test('a complaint does not repeat what would steer a terminal', async (t) => {
  const dir = temporaryDir(t);
  const file = path.join(dir, 'lab.yaml');
  writeFileSync(file, '"sw\\e[31mitch": 1\n');
  const { stderr } = await weft(dir, 'run', '--config', file);
  t.regex(stderr, /^weft: [^\n]*there is no key 'sw\?\[31mitch';[^\n]*\n$/);
});

async function portName(sw: BridgeSwitch): Promise<string> {
  if (sw.bridge.portNoOf('tap0') === 0) await sw.addPort({ kind: 'tap', target: 'tap0', name: 'tap0', settings: {} });
  return 'tap0';
}

test('the verbs that only ask load neither schemas, YAML, logging nor native code', async (t) => {
  const dir = temporaryDir(t);
  await serve(t, dir, 'br0');
  const hooks = `import fs from 'node:fs';
  export async function resolve(specifier, context, next) {
    const found = await next(specifier, context);
    fs.writeSync(2, found.url + '\\n');
    return found;
  }`;
  const register = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});`;
  const args = ['--import', `data:text/javascript,${encodeURIComponent(register)}`, MAIN, '--run-dir', dir, 'ports'];
  const { stdout, stderr } = await collect(spawn(process.execPath, args));
  t.regex(stdout, /no ports/);
  t.regex(stderr, /node_modules\/commander\//);
  t.notRegex(stderr, /node_modules\/(zod|yaml|pino|lru-cache|koffi)\//);
});
