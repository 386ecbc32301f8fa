// The Debian packages weft needs around itself: one table with the reason for each. What is missing
// is found by looking for the thing itself, so that a QEMU somebody built counts as well, and so that
// the same table says what to install on a system without apt.

import fs from 'node:fs';
import { outputOf, runLogged, which } from './run.mjs';
import { say } from './say.mjs';

const program = (name) => () => which(name) !== undefined;
const file =
  (...names) =>
  () =>
    names.some((name) => fs.existsSync(name));

/**
 * `purpose`: 'run' for npm start, 'test' for npm test in addition. `rootless`: also needed by `npm start -- --rootless`.
 * Not here: the guest's kernel, which is taken out of its package without being installed (guest-image.mjs).
 */
const PACKAGES = [
  { name: 'iproute2', purpose: 'run', has: program('ip'), why: 'makes the interfaces, addresses and namespaces of the demo' },
  {
    name: 'util-linux',
    purpose: 'run',
    rootless: true,
    has: program('flock'),
    why: 'locks and sandboxes: flock, unshare, setpriv',
  },
  { name: 'iputils-ping', purpose: 'run', has: program('ping'), why: 'the ping matrix of the demo' },
  { name: 'iperf3', purpose: 'run', rootless: true, has: program('iperf3'), why: 'TCP throughput, on the host and in guests' },
  { name: 'qemu-system-x86', purpose: 'run', rootless: true, has: program('qemu-system-x86_64'), why: 'the guests' },
  { name: 'busybox-static', purpose: 'run', rootless: true, has: program('busybox'), why: 'the programs inside the guests' },
  { name: 'xz-utils', purpose: 'run', rootless: true, has: program('xz'), why: 'unpacks the kernel and drivers of the guests' },
  { name: 'g++', purpose: 'test', has: program('g++'), why: 'compiles the npm packages cap and raw-socket' },
  { name: 'make', purpose: 'test', has: program('make'), why: 'compiles the npm packages cap and raw-socket' },
  { name: 'python3', purpose: 'test', has: program('python3'), why: 'node-gyp, which compiles cap and raw-socket' },
  {
    name: 'libpcap-dev',
    purpose: 'test',
    has: file('/usr/include/pcap/pcap.h'),
    why: 'the npm package cap, the witness in tests',
  },
  { name: 'bridge-utils', purpose: 'test', has: program('brctl'), why: 'a kernel bridge to compare with' },
  { name: 'ethtool', purpose: 'test', has: program('ethtool'), why: 'switches offloads on and off under test' },
  { name: 'dnsmasq-base', purpose: 'test', has: program('dnsmasq'), why: 'hands out addresses to guests' },
  { name: 'tcpdump', purpose: 'test', has: program('tcpdump'), why: 'looks at frames beside the switch' },
  { name: 'tshark', purpose: 'test', has: program('tshark'), why: 'judges frames and captures independently' },
];

/** The rows of the table that are needed for `purpose` ('run' or 'test') and are not there. */
export function missingPackages(purpose, { rootless = false } = {}) {
  return PACKAGES.filter((row) => (purpose === 'test' || row.purpose === 'run') && (!rootless || row.rootless) && !row.has());
}

/** The rows as lines for people, by Debian's names. */
export function describePackages(rows) {
  const width = Math.max(...rows.map((row) => row.name.length));
  return rows.map((row) => `  ${row.name.padEnd(width)}  ${row.why}`);
}

/** Whether this system installs software with apt. */
export function hasApt() {
  return which('apt-get') !== undefined && which('dpkg') !== undefined;
}

/** Whether apt has package lists: the guest's kernel is downloaded by them. */
async function hasPackageLists() {
  const policy = await outputOf('apt-cache', ['policy', 'linux-image-amd64']);
  return policy !== undefined && /Candidate: [^(\s]/.test(policy);
}

/** Installs `rows` as root, reading the package lists first; reads the lists alone where there are none. */
export async function installPackages(rows, log) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
  const apt = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=600', '-o', 'Acquire::Retries=3'];
  if (rows.length === 0) {
    if (!(await hasPackageLists()))
      await runLogged('reading the Debian package lists', 'apt-get', [...apt, 'update'], { log, env });
    return;
  }
  say('Debian packages to install:');
  for (const line of describePackages(rows)) say(line);
  await runLogged('reading the Debian package lists', 'apt-get', [...apt, 'update'], { log, env });
  const names = rows.map((row) => row.name);
  await runLogged('installing them', 'apt-get', [...apt, '--no-install-recommends', 'install', ...names], { log, env });
}
