// What weft has to know of an interface before it makes a port of it, beyond what rtnetlink shows:
// whether it is wireless (an access point takes frames of one address only, so such an interface
// cannot be bridged), and which driver it has. Asked by ioctl on a socket, which is in the thread's
// network namespace; /sys shows the namespace of its mount, and is believed only when it means the
// same interface.

import { existsSync, readFileSync } from 'node:fs';
import { Arena } from './arena.ts';
import { closeFd, ioctl } from './fd.ts';
import { cString, IFREQ_UNION, ifreq } from './ifreq.ts';
import { IFF_LOOPBACK, type Link } from './rtnetlink.ts';
import { AF_INET, openSocket, SOCK_DGRAM } from './socket.ts';

/** linux/wireless.h: the name of a wireless protocol; others refuse it. Absent in kernels without wireless extensions. */
const SIOCGIWNAME = 0x8b01;
/** linux/sockios.h, linux/ethtool.h */
const SIOCETHTOOL = 0x8946;
const ETHTOOL_GDRVINFO = 3;
/** struct ethtool_drvinfo: command (u32), driver, version, firmware, bus (32 octets each) and more. */
const DRVINFO_SIZE = 196;
const DRVINFO_DRIVER = 4;
const DRVINFO_STRING_SIZE = 32;

/** An interface's nature. */
export interface InterfaceInfo {
  readonly wireless: boolean;
  readonly loopback: boolean;
  /** Whether it is a port of a kernel bridge, which takes its frames. */
  readonly bridgePort: boolean;
  /** Driver, such as `virtio_net` or `tun`; undefined where it does not say. */
  readonly driver: string | undefined;
}

/** The kernel is given an address inside the request, so the answer lies in native memory. */
let answer: Arena | undefined;

/** Looks at an interface of the thread's network namespace. Throws SysError. */
export function interfaceInfo(link: Link): InterfaceInfo {
  const fd = openSocket(AF_INET, SOCK_DGRAM, 0, 'a socket to ask about interfaces');
  try {
    return {
      wireless: ioctl(fd, SIOCGIWNAME, ifreq(link.name)) >= 0 || isWirelessInSysfs(link),
      loopback: (link.flags & IFF_LOOPBACK) !== 0,
      bridgePort: link.masterKind === 'bridge',
      driver: readDriver(fd, link.name),
    };
  } finally {
    closeFd(fd);
  }
}

function readDriver(fd: number, name: string): string | undefined {
  answer ??= new Arena(4096);
  answer.memory.u8.fill(0, 0, DRVINFO_SIZE);
  answer.memory.view.setUint32(0, ETHTOOL_GDRVINFO, true);
  const request = ifreq(name);
  request.writeBigUInt64LE(BigInt(answer.address), IFREQ_UNION);
  if (ioctl(fd, SIOCETHTOOL, request) < 0) return undefined;
  return cString(Buffer.from(answer.memory.u8.slice(0, DRVINFO_SIZE)), DRVINFO_DRIVER, DRVINFO_STRING_SIZE) || undefined;
}

function isWirelessInSysfs(link: Link): boolean {
  const directory = `/sys/class/net/${link.name}`;
  const mac = Buffer.from(link.mac).toString('hex');
  try {
    if (Number(readFileSync(`${directory}/ifindex`, 'utf8')) !== link.ifindex) return false;
    if (readFileSync(`${directory}/address`, 'utf8').trim().replaceAll(':', '') !== mac) return false;
  } catch {
    return false;
  }
  return existsSync(`${directory}/phy80211`) || existsSync(`${directory}/wireless`);
}
