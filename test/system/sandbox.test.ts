// The sandbox every other system test relies on: private network, mounts and process ids, and
// nothing left behind when it is killed.

import '../support/sandbox.ts';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { addNetns, addVeth, ip, run, until } from '../support/netns.ts';

t.test('network, mounts and process ids are private', async (t) => {
  t.same(readdirSync('/sys/class/net'), ['lo']);
  t.same(readdirSync('/run/netns'), []);
  t.equal(readFileSync('/proc/1/comm', 'utf8').trim(), 'sh');
  t.equal(os.tmpdir(), '/run/tmp');
  const ns = addNetns();
  addVeth('veth0', 'veth1', ns);
  t.match(ip(`-n ${ns} link show veth1`), /UP/);
  t.match(run('ip', 'netns', 'exec', ns, 'ls', '/sys/class/net'), /veth1/);
});

t.test('a killed sandbox takes its processes and namespaces with it', async (t) => {
  const script = fileURLToPath(import.meta.resolve('../support/sandbox-victim.js'));
  const env = { ...process.env };
  delete env.WEFT_TEST_SANDBOX;
  const outer = spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  outer.stdout.on('data', (data) => (output += data));
  await until('the inner sandbox', () => output.includes('ready'));
  t.ok(running('sleep 4242'));
  outer.kill('SIGKILL');
  await until('its processes to go', () => !running('sleep 4242') && !running(script));
  t.notOk(existsSync('/run/netns/left-behind1'));
});

t.test('without root a file is skipped with the reason', async (t) => {
  const script = fileURLToPath(import.meta.resolve('../support/sandbox-victim.js'));
  const env = ['env', '-u', 'WEFT_TEST_SANDBOX', '-u', 'NODE_OPTIONS'];
  t.equal(
    run('unshare', '--user', ...env, process.execPath, script),
    'TAP version 14\n1..0 # SKIP needs root: it makes network namespaces and interfaces\n',
  );
});

/** Whether a process with `text` in its command line runs in this process namespace. */
function running(text: string): boolean {
  return readdirSync('/proc').some((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text);
    } catch {
      return false;
    }
  });
}
