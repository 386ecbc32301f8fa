// The two ends of a guest's cable: the switch's port, and the link QEMU is given. Whoever starts a guest
// adds the first before QEMU is started with the second.
//
//   stream   weft listens on RUN_DIR/SWITCH-PORT.stream, QEMU connects. Needs QEMU 7.2, and no root
//   dgram    weft has RUN_DIR/SWITCH-PORT.dgram, QEMU the same with -guest behind; a guest finds its switch
//            again when that was started again. Needs QEMU 7.2, and no root
//   tap      the classic `-netdev tap,ifname=PORT`: QEMU has the tap's descriptor, and the port
//            its interface, by a packet socket. The port makes the tap where there is none, and removes it
//
// The name of a guest's socket does not end in `.sock`, which is for switches.

import path from 'node:path';
import type { GuestVia } from '../control/config.ts';
import { formatDgramPaths } from '../ports/dgram-paths.ts';
import type { PortSpec } from '../ports/spec.ts';
import { isInterfaceName } from '../sys/ifreq.ts';
import { LaunchError } from './launch-error.ts';
import { checkGuestName, type GuestLink, hasStream } from './qemu-args.ts';
import type { QemuVersion } from './qemu-probe.ts';

/** Where the switch of a guest is. */
export interface GuestPlace {
  readonly runDir: string;
  readonly switchName: string;
}

/** Both ends. */
export interface GuestPort {
  readonly spec: PortSpec;
  readonly link: GuestLink;
}

/** The ends for a guest on port `name`; `auto` is the best this QEMU has. Throws a LaunchError for a name that cannot be. */
export function guestPort(name: string, via: GuestVia, version: QemuVersion, place: GuestPlace): GuestPort {
  checkGuestName(name);
  if (via === 'tap' || (via === 'auto' && !hasStream(version))) {
    if (!isInterfaceName(name)) {
      throw new LaunchError(
        `Guest ${name}: its port is also the tap's name, which may have 15 octets; choose a shorter name for the port.`,
      );
    }
    return {
      spec: { kind: 'netdev', target: name, name, create: true, settings: {} },
      link: { via: 'tap', ifname: name },
    };
  }
  if (via === 'dgram') {
    const local = `${place.switchName}-${name}.dgram`;
    const remote = `${local}-guest`;
    return {
      spec: { kind: 'dgram', target: formatDgramPaths({ local, remote }), name, settings: {} },
      link: { via: 'dgram', switchPath: path.join(place.runDir, local), guestPath: path.join(place.runDir, remote) },
    };
  }
  const target = `${place.switchName}-${name}.stream`;
  return {
    spec: { kind: 'stream', target, name, settings: {} },
    link: { via: 'stream', socketPath: path.join(place.runDir, target) },
  };
}
