// Real taps and packet sockets as ports, for system tests inside sandbox.ts.

import { writeFileSync } from 'node:fs';
import { MEMORY_PORT_SIZE, MemoryPort } from '../../src/ports/memory-port.ts';
import { openPort } from '../../src/ports/open-port.ts';
import type { Port } from '../../src/ports/port.ts';
import type { PortResources } from '../../src/ports/port-resources.ts';
import { Arena } from '../../src/sys/arena.ts';
import { closeFd } from '../../src/sys/fd.ts';
import { openPacketSocket } from '../../src/sys/packet-socket.ts';
import { getLink } from '../../src/sys/rtnetlink.ts';
import { openTap } from '../../src/sys/tap-device.ts';
import { NEED } from '../../src/wire/offload-facts.ts';
import { ip, until } from './netns.ts';

/** What the kernel takes over from a tap or a packet socket. */
export const KERNEL_CAPS = NEED.CSUM | NEED.TSO4 | NEED.TSO6 | NEED.USO | NEED.ECN;

/** Makes ports on interfaces and closes everything at the end. */
export class RealPorts {
  readonly #resources: PortResources;
  readonly #fds: number[] = [];
  #portNo = 0;

  constructor(resources: PortResources) {
    this.#resources = resources;
  }

  /** A port on the tap `name`, which is made and set up. */
  async tap(name: string): Promise<Port> {
    const { fd } = openTap(name);
    this.#fds.push(fd);
    quiet(name);
    ip(`link set dev ${name} up`);
    await isUp(name);
    return openPort(++this.#portNo, { io: 'tap', fd, caps: KERNEL_CAPS }, this.#resources);
  }

  /** A port on the interface `name`, by packet socket. */
  async packet(name: string, caps = KERNEL_CAPS): Promise<Port> {
    await isUp(name);
    const { fd } = openPacketSocket({ ifindex: getLink(name).ifindex });
    this.#fds.push(fd);
    return openPort(++this.#portNo, { io: 'packet', fd, caps }, this.#resources);
  }

  /** A port on a stream socket, which stays its maker's. */
  stream(fd: number): Port {
    return openPort(++this.#portNo, { io: 'stream', fd, caps: 0 }, this.#resources);
  }

  /** A port of frames in memory that system calls reach. */
  memory(): MemoryPort {
    return new MemoryPort(++this.#portNo, { memory: new Arena(MEMORY_PORT_SIZE).memory });
  }

  /** Closes every descriptor opened here. */
  close(): void {
    for (const fd of this.#fds.splice(0)) closeFd(fd);
  }
}

/** Keeps the host's own IPv6 frames (router solicitations and the like) off an interface. */
export function quiet(name: string): void {
  writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1');
}

async function isUp(name: string): Promise<void> {
  await until(`${name} to be up`, () => /LOWER_UP/.test(ip(`link show dev ${name}`)));
}
