// Names, directories and sockets of switches, and the lock on a name.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ControlError, UsageError } from '../../../src/control/errors.ts';
import {
  checkSwitchName,
  findSwitches,
  makeRunDir,
  probeSocket,
  resolveRunDir,
  selectSwitch,
  socketPathOf,
} from '../../../src/control/run-dir.ts';
import { lockSwitchName } from '../../../src/control/switch-lock.ts';

function temporaryDir(t: ExecutionContext): string {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'weft-run-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function listen(t: ExecutionContext, file: string): Promise<void> {
  const server = net.createServer((socket) => socket.destroy()).listen(file);
  await once(server, 'listening');
  t.teardown(() => server.close());
}

/** Listens as the switch `name` does, with its lock file beside the socket. */
async function listenAsSwitch(t: ExecutionContext, dir: string, name: string): Promise<void> {
  writeFileSync(path.join(dir, `${name}.lock`), '');
  await listen(t, path.join(dir, `${name}.sock`));
}

/** Leaves a socket behind as a killed process does. */
async function leaveSocket(file: string): Promise<void> {
  const script = "require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
  await once(spawn(process.execPath, ['-e', script, file]), 'close');
}

test.serial('the run directory, by what is set', (t) => {
  const { WEFT_RUN_DIR, XDG_RUNTIME_DIR } = process.env;
  const getuid = process.getuid;
  t.teardown(() => {
    Object.assign(process.env, { WEFT_RUN_DIR, XDG_RUNTIME_DIR });
    if (WEFT_RUN_DIR === undefined) delete process.env['WEFT_RUN_DIR'];
    if (XDG_RUNTIME_DIR === undefined) delete process.env['XDG_RUNTIME_DIR'];
    if (getuid !== undefined) process.getuid = getuid;
  });
  process.env['WEFT_RUN_DIR'] = '/from/env';
  t.is(resolveRunDir('/asked/for'), '/asked/for');
  t.is(resolveRunDir(undefined), '/from/env');
  delete process.env['WEFT_RUN_DIR'];
  process.getuid = () => 0;
  t.is(resolveRunDir(undefined), '/run/weft');
  process.getuid = () => 1000;
  process.env['XDG_RUNTIME_DIR'] = '/run/user/1000';
  t.is(resolveRunDir(undefined), '/run/user/1000/weft');
  delete process.env['XDG_RUNTIME_DIR'];
  t.throws(() => resolveRunDir(undefined), { instanceOf: UsageError, message: /XDG_RUNTIME_DIR.*--run-dir/ });
});

test('names of switches', (t) => {
  for (const name of ['br0', 'a', 'my-switch_2.lab', 'x'.repeat(32)]) t.notThrows(() => checkSwitchName(name));
  for (const name of ['', '.', '..', 'a/b', '-x', 'a b', 'ü', 'x'.repeat(33), 'a\n', '\x1b[31m']) {
    t.throws(() => checkSwitchName(name), { instanceOf: UsageError, message: /^[\x20-\x7e]+$/ });
  }
});

test('a socket path that does not fit is refused, one that just fits works', async (t) => {
  const dir = temporaryDir(t);
  const name = 'br0';
  const fill = (len: number) => path.join(dir, 'x'.repeat(len - dir.length - '/'.length - `/${name}.sock`.length));
  t.throws(() => socketPathOf(fill(108), name), { instanceOf: UsageError, message: /108 octets.*107/ });
  const fits = fill(107);
  makeRunDir(fits);
  const file = socketPathOf(fits, name);
  t.is(file.length, 107);
  await listen(t, file);
  t.is(await probeSocket(file), 'running');
});

test('a run directory that cannot be made', (t) => {
  const dir = temporaryDir(t);
  writeFileSync(path.join(dir, 'file'), '');
  t.throws(() => makeRunDir(path.join(dir, 'file', 'weft')), {
    instanceOf: ControlError,
    message: /not a directory \(ENOTDIR\).*--run-dir/,
  });
  t.throws(() => makeRunDir(path.join(dir, 'file')), { instanceOf: ControlError });
});

test('finding the switch a verb is about', async (t) => {
  const dir = temporaryDir(t);
  await t.throwsAsync(selectSwitch(path.join(dir, 'none'), undefined), {
    instanceOf: ControlError,
    message: /no switch runs in/,
  });
  writeFileSync(path.join(dir, 'dead.lock'), '');
  await leaveSocket(path.join(dir, 'dead.sock'));
  t.deepEqual(await findSwitches(dir), [{ name: 'dead', socketPath: path.join(dir, 'dead.sock'), state: 'stale' }]);
  await t.throwsAsync(selectSwitch(dir, undefined), { instanceOf: ControlError, message: /no switch runs in/ });
  await t.throwsAsync(selectSwitch(dir, 'dead'), { message: /no switch named dead runs.*weft run --switch dead/ });

  await listenAsSwitch(t, dir, 'br0');
  t.is(await selectSwitch(dir, undefined), path.join(dir, 'br0.sock'));
  await t.throwsAsync(selectSwitch(dir, 'br7'), { instanceOf: ControlError, message: /no switch named br7.*running there: br0/ });

  await listenAsSwitch(t, dir, 'br1');
  await t.throwsAsync(selectSwitch(dir, undefined), { message: 'several switches run: br0, br1; say which with --switch NAME' });
  t.is(await selectSwitch(dir, 'br1'), path.join(dir, 'br1.sock'));
  await t.throwsAsync(selectSwitch(dir, '../br1'), { instanceOf: UsageError });
});

test('a socket of a guest is no switch, and is never connected to', async (t) => {
  const dir = temporaryDir(t);
  const guests = net.createServer(() => t.fail('somebody connected')).listen(path.join(dir, 'vm1.sock'));
  await once(guests, 'listening');
  t.teardown(() => guests.close());
  t.deepEqual(await findSwitches(dir), []);
  await t.throwsAsync(selectSwitch(dir, 'vm1'), { message: /no switch named vm1/ });
});

test('a name has one holder, who is named, and leaves nothing', (t) => {
  const dir = temporaryDir(t);
  const lock = lockSwitchName(dir, 'br0');
  t.throws(() => lockSwitchName(dir, 'br0'), {
    instanceOf: ControlError,
    message: new RegExp(`^switch br0 runs already \\(process ${process.pid}, .+\\); `),
  });
  lockSwitchName(dir, 'br1').release();
  lock.release();
  lock.release();
  t.deepEqual(readdirSync(dir), []);
  lockSwitchName(dir, 'br0').release();
});

test('the lock of a killed process is free', async (t) => {
  const dir = temporaryDir(t);
  const module = new URL('../../../src/control/switch-lock.js', import.meta.url).href;
  const script = `import { lockSwitchName } from ${JSON.stringify(module)}; lockSwitchName(process.argv[1], 'br0'); console.log('locked'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  t.throws(() => lockSwitchName(dir, 'br0'), { message: new RegExp(`process ${child.pid}, node`) });
  child.kill('SIGKILL');
  await once(child, 'close');
  t.true(existsSync(path.join(dir, 'br0.lock')));
  lockSwitchName(dir, 'br0').release();
  t.deepEqual(readdirSync(dir), []);
});
