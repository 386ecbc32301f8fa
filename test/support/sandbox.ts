// Runs the importing test file inside namespaces of its own. A system test makes this its first import:
//
//   import '../../support/sandbox.ts';
//   import t from 'tap';
//
// Modules are evaluated in the order of their imports, so this one acts before tap has written a
// word: it starts the same file again under unshare(1), hands over its standard streams, and ends
// with that process's status. Inside, network, mounts and process ids are private, /run is an empty
// tmpfs (with /run/netns for ip-netns(8), and TMPDIR on it), and /sys shows the private network.
// Everything the test makes ends with the first process of the namespace, also after kill -9:
// setpriv ties unshare to us, unshare ties that first process to itself. It is a shell and not
// node, because process 1 has to collect orphans.
//
// Without root the file is skipped, and says so. NODE_OPTIONS carries tap's hook into every Node
// process a test starts: start one whose start-up time matters through `env -u NODE_OPTIONS`.

import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';

/** Holds the network namespace the test was started from; inside, ours is another. */
const MARK = 'WEFT_TEST_SANDBOX';

const INIT = [
  'set -e',
  'mount -t tmpfs -o mode=755 tmpfs /run',
  'mkdir -m 755 /run/netns /run/lock',
  'mkdir -m 1777 /run/tmp',
  'mount -t sysfs sysfs /sys',
  'ip link set lo up',
  'set +e',
  '"$@"',
  'exit $?',
].join('\n');

const ownNetns = readlinkSync('/proc/self/ns/net');
const outerNetns = process.env[MARK];

if (outerNetns === undefined || outerNetns === ownNetns) {
  if (process.getuid?.() !== 0) {
    process.stdout.write('TAP version 14\n1..0 # SKIP needs root: it makes network namespaces and interfaces\n');
    process.exit(0);
  }
  process.exit(runInside());
}

/** Starts this process again inside, waits, and returns its exit status. */
function runInside(): number {
  const env: NodeJS.ProcessEnv = { ...process.env, [MARK]: ownNetns, TMPDIR: '/run/tmp' };
  delete env.NODE_CHANNEL_FD;
  delete env.NODE_CHANNEL_SERIALIZATION_MODE;
  const command = [
    ...['--pdeathsig', 'KILL', '--'],
    ...['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child=KILL', '--mount-proc', '--'],
    ...['sh', '-c', INIT, 'sandbox'],
    ...[process.execPath, ...process.execArgv, ...process.argv.slice(1)],
  ];
  const child = spawnSync('setpriv', command, { stdio: 'inherit', env });
  if (child.error) process.stderr.write(`cannot start the test's namespaces: ${child.error.message}\n`);
  return child.status ?? 1;
}
