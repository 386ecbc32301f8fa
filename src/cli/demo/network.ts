// What the demo makes on the host besides the switch: a network namespace in which "the PC" lives, and
// the cable to it, a veth pair. The switch itself makes the host's port, a tap.
//
//   this namespace                                   namespace demo-5e1f-pc
//   demo-5e1f (tap, .1)    demo-5e1f-up (veth) ─────── eth0 (.2)
//   host port ─ [switch] ─ uplink
//
// All names carry the same random part. They are chosen when nothing has them, and written to the
// journal before anything is made: what is removed by name later, perhaps by another process, is ours.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { ControlError, codeOf, messageOf } from '../../control/errors.ts';
import { inNetns, netnsPath } from '../../sys/netns.ts';
import { deleteLink, findLink, getLink, setLink } from '../../sys/rtnetlink.ts';
import { addAddress } from '../../sys/rtnetlink-address.ts';
import { chooseSubnet } from './subnet.ts';

/** Names and addresses of one demo's network; plain data, made for JSON. */
export interface DemoNetwork {
  /** First three octets of its /24. */
  readonly subnet: string;
  /** The tap of the host port, which the switch makes and removes. */
  readonly host: string;
  /** The veth that is the uplink. */
  readonly uplink: string;
  /** The PC's namespace; its end of the cable is `eth0` there. */
  readonly netns: string;
}

/** The PC's card, inside its namespace. */
const PC_IFNAME = 'eth0';
const TRIES_MAX = 100;
const IP_TIMEOUT_MS = 10_000;

const execute = promisify(execFile);

/** Chooses names and a subnet that nothing on this host has, and that is none of `reserved` (`10.76.1`). Throws ControlError. */
export async function planNetwork(reserved: readonly string[]): Promise<DemoNetwork> {
  const taken = [...reserved.map((subnet) => `${subnet}.0/24`), ...(await usedNetworks())];
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const tag = randomBytes(2);
    const host = `demo-${tag.toString('hex')}`;
    const network = { subnet: '', host, uplink: `${host}-up`, netns: `${host}-pc` };
    const isTaken = findLink(host) ?? findLink(network.uplink) ?? existsSync(netnsPath(network.netns));
    if (!isTaken) return { ...network, subnet: chooseSubnet(taken, tag[0] as number) };
  }
  throw new ControlError('no free names for the interfaces of the demo: look at ip link and ip netns for what has them all');
}

/** Makes the namespace and the cable. Throws ControlError or SysError; what was made before the failure stays for `removeNetwork`. */
export async function makeNetwork(network: DemoNetwork): Promise<void> {
  const { subnet, uplink, netns } = network;
  await ip(['netns', 'add', netns]);
  await ip(['link', 'add', 'name', uplink, 'type', 'veth', 'peer', 'name', PC_IFNAME, 'netns', netns]);
  inNetns(netns, () => {
    const { ifindex } = getLink(PC_IFNAME);
    addAddress(ifindex, `${subnet}.2`, 24);
    setLink(ifindex, { up: true });
    setLink(getLink('lo').ifindex, { up: true });
  });
}

/** Removes what there is of the network, the tap too if its switch could not. Throws ControlError or SysError. */
export async function removeNetwork(network: DemoNetwork): Promise<void> {
  removeLink(network.uplink, 'veth');
  removeLink(network.host, 'tun');
  if (existsSync(netnsPath(network.netns))) await ip(['netns', 'delete', network.netns]);
}

function removeLink(name: string, kind: string): void {
  const link = findLink(name);
  if (link?.kind === kind) deleteLink(link.ifindex);
}

/** Every IPv4 address and network this host has a route for, its own among them. */
async function usedNetworks(): Promise<string[]> {
  const routes = JSON.parse(await ip(['-json', '-4', 'route', 'show', 'table', 'all'])) as { dst?: string }[];
  return routes.flatMap(({ dst }) => dst ?? []);
}

async function ip(args: readonly string[]): Promise<string> {
  try {
    return (await execute('ip', args, { timeout: IP_TIMEOUT_MS })).stdout;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      throw new ControlError('the demo needs the program ip, which is not installed; on Debian: apt-get install iproute2');
    }
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    throw new ControlError(`ip ${args.join(' ')} failed: ${said || messageOf(error)}`);
  }
}
