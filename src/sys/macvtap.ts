// Macvtaps in passthru mode: an interface on a NIC that takes everything the NIC receives, and a
// character device behind it that is read and written as a tap is, virtio-net header and offloads
// included. All functions act in the thread's network namespace and throw SysError.
//
// The character device of the interface number N is /dev/tapN, but N is a number of one network
// namespace and /dev is of all: there it may be another namespace's. What is sure is the device
// number that sysfs shows beside the interface. So /dev/tapN is opened only if it has that number,
// and else a node is made where nobody sees it (private-mount.ts).

import { readFileSync, statSync } from 'node:fs';
import { ERRNO } from './errno.ts';
import { closeFd, ioctl, O_NONBLOCK, O_RDWR, openFd } from './fd.ts';
import { declare } from './ffi.ts';
import { withPrivateMount } from './private-mount.ts';
import { addMacvtap, findLink, getLink, type Link } from './rtnetlink.ts';
import { check, checkResult, failure, SysError } from './sys-error.ts';
import { configureTapHeader, setTapOffloads } from './tap-device.ts';

const mknodat = declare('long syscall(long number, int directory, const char* path, uint mode, ulong device)');

/** asm/unistd.h; the C library has it under this name only since 2.33. */
const SYS_MKNODAT = process.arch === 'arm64' ? 33 : 259;
/** fcntl.h: a path that is not absolute begins at the working directory. */
const AT_FDCWD = -100;
/** sys/stat.h: a character device that its owner reads and writes. */
const NODE_MODE = 0o020600;

/** linux/if_tun.h; _IOW('T', 212, int) */
const TUNSETSNDBUF = 0x400454d4;
/** As taps have it: what the NIC's queue has no room for is dropped there. */
const SEND_BUFFER_SIZE = 0x7fffffff;

/** The name of our macvtap on the NIC with this number; by that one which a killed process left is known, too. */
export function macvtapName(nicIfindex: number): string {
  return `weft-mvt${nicIfindex}`;
}

/** Our macvtap on a NIC; undefined when there is none. */
export function findMacvtap(nicIfindex: number): Link | undefined {
  const link = findLink(macvtapName(nicIfindex));
  return link?.kind === 'macvtap' && link.peer === nicIfindex ? link : undefined;
}

/** Puts a macvtap in passthru mode on a NIC; it is down. */
export function makeMacvtap(nic: Link): Link {
  const name = macvtapName(nic.ifindex);
  try {
    addMacvtap(name, nic.ifindex);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    throw makeError(nic.name, error);
  }
  return getLink(name);
}

/** Opens the character device of a macvtap, non-blocking; `offloads` are the TUN_F bits it accepted. The caller closes it. */
export function openMacvtap(link: Link): { fd: number; offloads: number } {
  const device = deviceNumber(link);
  const fd = openNode(link, device);
  try {
    configureTapHeader(fd);
    const size = Buffer.alloc(4);
    size.writeInt32LE(SEND_BUFFER_SIZE);
    checkResult(ioctl(fd, TUNSETSNDBUF, size), 'set the send buffer of a macvtap');
    return { fd, offloads: setTapOffloads(fd) };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function makeError(nic: string, error: SysError): SysError {
  switch (error.errno) {
    case ERRNO.EOPNOTSUPP:
      return new SysError('the kernel has no macvtap; load it with `modprobe macvtap`, or use the port kind netdev', error.errno);
    case ERRNO.EBUSY:
    case ERRNO.EINVAL:
      return new SysError(
        `something else takes the frames of ${nic} already (a bridge, a bond, a macvlan or an ipvlan): ${error.message}`,
        error.errno,
      );
    default:
      return error;
  }
}

/** Number of the character device, as mknod(2) takes it. */
function deviceNumber(link: Link): number {
  try {
    return withPrivateMount('sysfs', (root) => numberIn(root, link));
  } catch (error) {
    // Without the right to mount, /sys does as well where it shows our namespace.
    if (!(error instanceof SysError) || !isInSysfs(link)) throw error;
    return numberIn('/sys', link);
  }
}

function numberIn(sysfs: string, { name, ifindex }: Link): number {
  let text: string;
  try {
    text = readFileSync(`${sysfs}/class/net/${name}/macvtap/tap${ifindex}/dev`, 'utf8');
  } catch (error) {
    throw failure(`find the character device of ${name}`, (error as NodeJS.ErrnoException).errno ?? ERRNO.EIO);
  }
  const [major = 0, minor = 0] = text.split(':').map(Number);
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}

function isInSysfs({ name, ifindex, mac }: Link): boolean {
  try {
    const shown = (file: string) => readFileSync(`/sys/class/net/${name}/${file}`, 'utf8').trim();
    return Number(shown('ifindex')) === ifindex && shown('address').replaceAll(':', '') === Buffer.from(mac).toString('hex');
  } catch {
    return false;
  }
}

function openNode({ name, ifindex }: Link, device: number): number {
  const shared = `/dev/tap${ifindex}`;
  const flags = O_RDWR | O_NONBLOCK;
  const stat = statSync(shared, { throwIfNoEntry: false });
  if (stat?.isCharacterDevice() && stat.rdev === device) return openFd(shared, flags);
  return withPrivateMount('tmpfs', (root) => {
    const node = `${root}/tap`;
    check(mknodat(SYS_MKNODAT, AT_FDCWD, node, NODE_MODE, device), `make the device node of ${name} (a container may forbid it)`);
    return openFd(node, flags);
  });
}
