#!/usr/bin/env node
// Makes the small Linux guest that tests and the demo boot, from Debian packages: the distribution's
// generic kernel and an initramfs with busybox, iperf3 and the drivers of the network cards QEMU
// emulates. Nothing of it is committed; it lives in ${XDG_CACHE_HOME:-~/.cache}/weft and is
// named by the versions that went in and by this file's own text, so a change of either makes a new one.
//
// How it is made:
// - Packages that are installed are used as they are; others are fetched with `apt-get download` and
//   unpacked beside the image, so neither root nor an installed kernel is needed.
// - A kernel package carries no modules.dep (its postinst makes that), so the order in which modules
//   load is read from the modules themselves: each names what it needs in its `depends=` field.
// - The archive is written here, in cpio's "newc" format, because that allows a /dev/console without
//   root. Neither it nor the kernel is compressed: the guest would have to inflate them, and under TCG
//   an uncompressed pair boots in 2.5 s where the distribution's files take 5.5 s.
// - It is built in a directory of its own and renamed into place. Two builders at once do the work
//   twice, and the second finds the first one's image.
//
// The guest is told what to be on the kernel command line:
//   weft.name=vm1 weft.ip=192.168.76.11/24 (repeatable) weft.gateway=192.168.76.1 weft.mtu=1500
// It prints `weft-guest NAME ready` on the console (ttyS0, which also has a shell) and runs an agent
// on ttyS1; tools and tests speak to that through src/launch/agent.ts.
//
// Run by hand it prints the paths: `node tools/guest-image.mjs`. It imports nothing but Node, because it
// runs before anything is built.

import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Debian packages to install for this file; all but xz-utils are fetched for the build alone when they are not installed. */
export const GUEST_IMAGE_PACKAGES = ['busybox-static', 'iperf3', 'xz-utils'];

/** The kernel's meta package; what it depends on is the kernel. */
const KERNEL_META_PACKAGE = 'linux-image-amd64';
/** Drivers the guest loads, in this order, each after what it depends on. Those built into the kernel are passed over. */
const MODULES = ['virtio_pci', 'virtio_net', 'e1000', 'e1000e', '8139cp', '8139too', 'af_packet', '8021q', 'bridge'];
/** iperf3 and the packages its libraries come from, other than the C library, which every host has. */
const IPERF_PACKAGES = ['iperf3', 'libiperf0', 'libsctp1', 'libssl3'];
/** What an xz stream starts with. */
const XZ_MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
/** Images and abandoned builds that nobody used for so long are removed when a new image is made. */
const UNUSED_DAYS_MAX = 14;

const INIT = `#!/bin/sh
# The guest's first process: drivers, one address, the agent, and a shell for people.
export PATH=/bin HOME=/root TERM=linux
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts pts /dev/pts

name=guest addresses= gateway= mtu=
for word in $(cat /proc/cmdline); do
  case $word in
    weft.name=*) name=\${word#*=} ;;
    weft.ip=*) addresses="$addresses \${word#*=}" ;;
    weft.gateway=*) gateway=\${word#*=} ;;
    weft.mtu=*) mtu=\${word#*=} ;;
  esac
done
hostname "$name"
echo "127.0.0.1 localhost $name" > /etc/hosts

while read -r module; do
  insmod "/lib/modules/$module" || echo "weft-guest: $module does not load"
done < /lib/modules/load-order

ip link set lo up
if [ -e /sys/class/net/eth0 ]; then
  [ -z "$mtu" ] || ip link set eth0 mtu "$mtu"
  ip link set eth0 up
  for address in $addresses; do ip address add "$address" dev eth0; done
  [ -z "$gateway" ] || ip route add default via "$gateway"
  # An e1000 negotiates its link first; a guest that says it is ready can send.
  tries=0
  until [ "$(cat /sys/class/net/eth0/carrier)" = 1 ] || [ $tries -ge 30 ]; do
    usleep 100000
    tries=$((tries + 1))
  done
fi

echo 0 > /proc/sys/kernel/ctrl-alt-del
trap 'poweroff -f' INT TERM USR1 USR2
[ ! -e /dev/ttyS1 ] || while :; do weft-agent; sleep 1; done &
echo "weft-guest $name ready"
while :; do setsid cttyhack sh; sleep 1; done < /dev/ttyS0 > /dev/ttyS0 2>&1 &
while :; do wait; sleep 1; done
`;

const AGENT = `#!/bin/sh
# Runs what the host asks for on the second serial port. A request is one line, "ID SECONDS COMMAND";
# the answer is "\\001begin ID", the output as it comes, and "\\001end ID STATUS". A command that takes
# longer than SECONDS is killed with everything it started.
exec < /dev/ttyS1 > /dev/ttyS1 2> /dev/null
stty raw -echo
printf '\\001ready\\n'
while read -r id seconds command; do
  [ -n "$command" ] || continue
  printf '\\001begin %s\\n' "$id"
  timeout -s KILL "$seconds" setsid sh -c "$command" < /dev/null 2>&1 &
  pid=$!
  wait $pid
  status=$?
  [ $status != 137 ] || kill -KILL -- -$pid 2> /dev/null
  printf '\\001end %s %s\\n' "$id" "$status"
done
`;

/** A failure that is a sentence for the user. */
class ImageError extends Error {}

/**
 * The guest image, built if the cache has none for today's versions.
 * `log` gets one plain line per step that takes time; nothing when the image is there.
 * Throws an Error whose message says what is missing and how to get it.
 */
export async function ensureGuestImage({ log = () => {} } = {}) {
  if (process.arch !== 'x64') throw new ImageError(`The guest image is made for x86-64, and this machine is ${process.arch}.`);
  const versions = await Promise.all([
    resolveKernel(),
    resolvePackage('busybox-static', '/bin/busybox'),
    resolvePackage('iperf3', '/usr/bin/iperf3'),
  ]);
  const hash = createHash('sha256').update(fs.readFileSync(fileURLToPath(import.meta.url)));
  for (const { name, version } of versions) hash.update(`\0${name}=${version}`);

  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'weft');
  const dir = path.join(cache, `guest-${hash.digest('hex').slice(0, 16)}`);
  const image = { kernel: path.join(dir, 'kernel'), initrd: path.join(dir, 'initrd'), kernelVersion: versions[0].abi };
  if (!fs.existsSync(dir)) {
    fs.mkdirSync(cache, { recursive: true });
    removeUnused(cache);
    await build(dir, versions, log);
  }
  const now = new Date();
  fs.utimesSync(dir, now, now);
  return image;
}

/** Builds into a temporary directory beside `dir` and renames it into place. */
async function build(dir, [kernel, busybox, iperf], log) {
  const started = Date.now();
  const temp = `${dir}.tmp-${randomBytes(6).toString('hex')}`;
  const unpacked = path.join(temp, 'unpacked');
  const done = path.join(temp, 'image');
  fs.mkdirSync(unpacked, { recursive: true });
  fs.mkdirSync(done);
  try {
    const root = kernel.installed ? '/' : unpacked;
    if (!kernel.installed) await unpack([kernel.name], temp, unpacked, log, ['./boot', './lib/modules', './usr/lib/modules']);
    if (!busybox.installed) await unpack(['busybox-static'], temp, unpacked, log);
    if (!iperf.installed) await unpack(IPERF_PACKAGES, temp, unpacked, log);

    log(`making the guest image (Linux ${kernel.abi}, busybox, iperf3)`);
    const archive = new Cpio();
    for (const each of ['dev', 'proc', 'sys', 'etc', 'root', 'tmp', 'run', 'var', 'bin', 'lib', 'lib64', 'lib/modules'])
      archive.dir(each);
    archive.device('dev/console', 5, 1);
    archive.file('init', 0o755, Buffer.from(INIT));
    archive.file('bin/weft-agent', 0o755, Buffer.from(AGENT));
    await addBusybox(archive, installedFile(busybox, unpacked, '/bin/busybox'));
    await addProgram(archive, 'bin/iperf3', installedFile(iperf, unpacked, '/usr/bin/iperf3'), unpacked);
    await addModules(archive, moduleTree(root, kernel.abi));

    await inflateKernel(path.join(root, 'boot', `vmlinuz-${kernel.abi}`), path.join(done, 'kernel'), log);
    fs.writeFileSync(path.join(done, 'initrd'), archive.end());
    try {
      fs.renameSync(done, dir);
    } catch (error) {
      // Somebody else's build was faster; theirs is as good.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    }
    log(`guest image ready after ${((Date.now() - started) / 1000).toFixed(1)} s in ${dir}`);
  } finally {
    fs.rmSync(temp, { recursive: true, force: true });
  }
}

/** The kernel package today: its name, version, ABI (the name of its files), and whether it is installed. */
async function resolveKernel() {
  const { stdout } = await run('apt-cache', ['depends', '--important', KERNEL_META_PACKAGE]).catch(
    missingTool('apt-cache', 'apt'),
  );
  const found = /Depends: (linux-image-(\S+))/.exec(stdout);
  if (found) return { ...(await resolvePackage(found[1], `/boot/vmlinuz-${found[2]}`)), abi: found[2] };
  // Without package lists an installed kernel serves as well.
  const installed = fs.existsSync('/boot')
    ? fs.readdirSync('/boot').filter((f) => /^vmlinuz-.*-amd64$/.test(f) && !f.includes('cloud'))
    : [];
  const abi = installed.map((f) => f.slice('vmlinuz-'.length)).find((each) => moduleTree('/', each) !== undefined);
  if (abi !== undefined) return { name: `linux-image-${abi}`, version: 'installed', installed: true, abi };
  throw new ImageError(
    `apt knows no package ${KERNEL_META_PACKAGE}, which the guest's kernel is taken from: run "apt-get update" as root, on Debian 12 or later.`,
  );
}

/** A package as it is installed, or else as apt would install it; `file` proves that it is installed and readable. */
async function resolvePackage(name, file) {
  if (isReadable(file)) {
    const { stdout } = await run('dpkg-query', ['-W', '-f', '${db:Status-Status} ${Version}', name]).catch(() => ({
      stdout: '',
    }));
    const [status, version] = stdout.split(' ');
    if (status === 'installed') return { name, version, installed: true };
  }
  const { stdout } = await run('apt-cache', ['policy', name]).catch(missingTool('apt-cache', 'apt'));
  const version = /Candidate: (\S+)/.exec(stdout)?.[1];
  if (version === undefined || version === '(none)') {
    throw new ImageError(`Package ${name} is neither installed nor known to apt: run "apt-get update" as root, then try again.`);
  }
  return { name, version, installed: false };
}

/**
 * Takes the ELF kernel out of a compressed one; QEMU starts it directly (by its PVH entry). Where that
 * cannot be done the compressed one serves as well, slower.
 */
async function inflateKernel(compressed, to, log) {
  const octets = fs.readFileSync(compressed);
  const at = octets.indexOf(XZ_MAGIC);
  if (at >= 0) {
    fs.writeFileSync(`${to}.xz`, octets.subarray(at));
    try {
      // --single-stream, because the kernel's loader goes on behind the compressed part.
      await run('sh', ['-c', 'xz -dc --single-stream < "$1" > "$2"', 'sh', `${to}.xz`, to]);
      return;
    } catch (error) {
      log(`the kernel stays compressed and boots slower: ${lastLine(error.stderr)} (package xz-utils)`);
    } finally {
      fs.rmSync(`${to}.xz`);
    }
  }
  fs.copyFileSync(compressed, to);
}

/** Downloads packages and unpacks them (only `members`, where given) into `to`. */
async function unpack(names, temp, to, log, members = []) {
  const { stdout } = await run('apt-cache', ['show', '--no-all-versions', ...names]);
  const bytes = [...stdout.matchAll(/^Size: (\d+)$/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
  log(`downloading ${names.join(', ')} (${(bytes / 1e6).toFixed(1)} MB)`);
  const downloads = fs.mkdtempSync(path.join(temp, 'deb-'));
  // As root, apt would drop to a user who cannot write here, and warn about it.
  const asRoot = process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : [];
  await run('apt-get', [...asRoot, '-q', 'download', ...names], { cwd: downloads }).catch((error) => {
    throw new ImageError(
      `apt-get could not download ${names.join(', ')}: ${lastLine(error.stderr)}. Check the network, or run "apt-get update" as root.`,
    );
  });
  log(`unpacking ${names.join(', ')}`);
  for (const deb of fs.readdirSync(downloads)) {
    const file = path.join(downloads, deb);
    if (members.length === 0) await run('dpkg-deb', ['-x', file, to]);
    else await unpackMembers(file, members, to);
  }
  fs.rmSync(downloads, { recursive: true });
}

/** Unpacks the wanted members of one package; a kernel package has most of its 400 MB elsewhere. */
async function unpackMembers(file, members, to) {
  const { stdout } = await run('dpkg-deb', ['-c', file], { maxBuffer: 64 << 20 });
  const drivers = /^\.\/(boot\/vmlinuz-|(usr\/)?lib\/modules\/[^/]+\/(modules\.builtin|kernel\/(net|drivers\/(net|virtio))\/))/;
  const wanted = stdout
    .split('\n')
    .map((line) => line.slice(line.indexOf(' ./') + 1))
    .filter((name) => members.some((member) => name.startsWith(`${member}/`)) && drivers.test(name) && !name.endsWith('/'));
  const list = `${file}.list`;
  fs.writeFileSync(list, `${wanted.join('\n')}\n`);
  await run('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" -T "$3"', 'sh', file, to, list]);
}

/** Where `file` of a package is: in the system if the package is installed, else where it was unpacked. */
function installedFile(pkg, unpacked, file) {
  if (pkg.installed) return file;
  // A merged-/usr package has /bin/busybox as /usr/bin/busybox.
  const found = [file, `/usr${file}`].map((each) => path.join(unpacked, each)).find((each) => fs.existsSync(each));
  if (found === undefined)
    throw new ImageError(`Package ${pkg.name} ${pkg.version} has no ${file}, so the guest image cannot be made from it.`);
  return found;
}

/** busybox and one link for each of its applets. */
async function addBusybox(archive, file) {
  archive.file('bin/busybox', 0o755, fs.readFileSync(file));
  const { stdout } = await run(file, ['--list']);
  for (const applet of stdout.split('\n').filter((each) => each !== '' && each !== 'busybox'))
    archive.link(`bin/${applet}`, 'busybox');
}

/** A dynamically linked program with the libraries the dynamic linker would choose for it. */
async function addProgram(archive, name, file, unpacked) {
  archive.file(name, 0o755, fs.readFileSync(file));
  const libraryPath = ['/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu'].map((each) => path.join(unpacked, each)).join(':');
  const { stdout } = await run('ldd', [file], { env: { ...process.env, LD_LIBRARY_PATH: libraryPath } });
  const lost = /^\s*(\S+) => not found/m.exec(stdout);
  if (lost)
    throw new ImageError(
      `${file} needs ${lost[1]}, which no unpacked package has: install the package ${path.basename(file)} as root.`,
    );
  for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) {
    // The program finds the loader by its full path and the rest in the loader's own default folders.
    archive.file(
      library.startsWith('/lib64/') ? library.slice(1) : `lib/${path.basename(library)}`,
      0o755,
      fs.readFileSync(library),
    );
  }
}

/** The folder of a kernel's modules under `root`, or undefined. */
function moduleTree(root, abi) {
  return [`lib/modules/${abi}`, `usr/lib/modules/${abi}`]
    .map((each) => path.join(root, each))
    .find((each) => fs.existsSync(each));
}

/** The wanted modules and what they depend on, with the order to load them in. */
async function addModules(archive, tree) {
  const files = new Map();
  for (const file of fs.readdirSync(path.join(tree, 'kernel'), { recursive: true })) {
    const match = /([^/]+)\.ko(\.xz)?$/.exec(file);
    if (match) files.set(match[1].replaceAll('-', '_'), path.join(tree, 'kernel', file));
  }
  const builtin = fs.readFileSync(path.join(tree, 'modules.builtin'), 'utf8').replaceAll('-', '_');
  const order = [];
  const add = async (name) => {
    if (order.includes(name)) return;
    const file = files.get(name);
    if (file === undefined) {
      if (builtin.includes(`/${name}.ko`)) return;
      throw new ImageError(`The kernel in ${tree} has no module ${name}, which the guest image needs.`);
    }
    const octets = await readModule(file);
    for (const needed of moduleDependencies(octets)) await add(needed);
    archive.file(`lib/modules/${name}.ko`, 0o644, octets);
    order.push(name);
  };
  for (const name of MODULES) await add(name);
  archive.file('lib/modules/load-order', 0o644, Buffer.from(order.map((name) => `${name}.ko\n`).join('')));
}

/** A module's ELF file; Debian 13 and later compress them. */
async function readModule(file) {
  if (!file.endsWith('.xz')) return fs.readFileSync(file);
  const { stdout } = await run('xz', ['-dc', file], { encoding: 'buffer', maxBuffer: 64 << 20 }).catch(
    missingTool('xz', 'xz-utils'),
  );
  return stdout;
}

/** The names in a module's `depends=` field, one of the zero-ended strings of its .modinfo section. */
function moduleDependencies(octets) {
  const at = octets.indexOf('\0depends=');
  if (at < 0) return [];
  const text = octets.toString('latin1', at + '\0depends='.length, octets.indexOf(0, at + 1));
  return text
    .split(',')
    .filter((name) => name !== '')
    .map((name) => name.replaceAll('-', '_'));
}

/** Writes a cpio archive of the kernel's kind ("newc", Documentation/driver-api/early-userspace/buffer-format). */
class Cpio {
  #parts = [];
  #inode = 1;

  dir(name) {
    this.#entry(name, 0o040755, Buffer.alloc(0));
  }
  file(name, mode, octets) {
    this.#entry(name, 0o100000 | mode, octets);
  }
  link(name, target) {
    this.#entry(name, 0o120777, Buffer.from(target));
  }
  device(name, major, minor) {
    this.#entry(name, 0o020600, Buffer.alloc(0), major, minor);
  }
  end() {
    this.#entry('TRAILER!!!', 0, Buffer.alloc(0));
    return Buffer.concat(this.#parts);
  }

  #entry(name, mode, octets, major = 0, minor = 0) {
    // Fields: inode, mode, uid, gid, links, mtime, size, device, special device, name size, checksum.
    const fields = [this.#inode++, mode, 0, 0, 1, 0, octets.length, 0, 0, major, minor, name.length + 1, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
    this.#parts.push(padded(Buffer.from(header)), padded(octets));
  }
}

/** Octets filled with zeros to a multiple of four. */
function padded(octets) {
  const short = -octets.length & 3;
  return short === 0 ? octets : Buffer.concat([octets, Buffer.alloc(short)]);
}

/** Removes images, and builds that were killed, that nobody used lately. */
function removeUnused(cache) {
  for (const name of fs.readdirSync(cache)) {
    if (!name.startsWith('guest-')) continue;
    const dir = path.join(cache, name);
    const unusedDays = (Date.now() - (fs.statSync(dir, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())) / 86_400_000;
    if (unusedDays > (name.includes('.tmp-') ? 1 : UNUSED_DAYS_MAX)) fs.rmSync(dir, { recursive: true, force: true });
  }
}

function isReadable(file) {
  try {
    fs.accessSync(file, fs.constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function lastLine(text) {
  return String(text).trim().split('\n').pop();
}

/** A rejection handler that turns a missing program into a sentence. */
function missingTool(tool, debianPackage) {
  return (error) => {
    if (error.code === 'ENOENT')
      throw new ImageError(`"${tool}" is missing; the guest image is made with it. Install the package ${debianPackage}.`);
    throw error;
  };
}

if (process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const { kernel, initrd } = await ensureGuestImage({ log: (line) => console.error(line) });
    console.log(kernel);
    console.log(initrd);
  } catch (error) {
    console.error(error instanceof ImageError ? error.message : error);
    process.exitCode = 1;
  }
}
