// The device of a macvtap port: a NIC that is the switch's alone, taken over by a macvtap in passthru
// mode (macvtap.ts), whose character device is run as a tap.
//
//   watch the namespace → lock the name → judge → macvtap → host's stack off → MTU, up → open
//
// Passthru takes only what is addressed to one station: frames to groups go on to the host's stack
// on the NIC, which answered them, and IP fragments among them are put together on the way. So a filter
// at the NIC's ingress hands them to the macvtap before (host-stack.ts), whole and as they came. A filter
// that dropped them there would leave the macvtap nothing: it is before.
//
// The carrier is the NIC's. When the NIC is deleted its macvtap goes with it, the port is down, and
// comes back with the next interface of that name; a macvtap that somebody deletes is made again. One
// that is still there at the start, under the name that we give, is of a switch that was killed: the
// lock shows that nobody uses it.

import { closeFd } from '../sys/fd.ts';
import { type HostStackRecord, keepHostOff, restoreHost, turnIpv6Off } from '../sys/host-stack.ts';
import { interfaceInfo } from '../sys/interface-info.ts';
import type { LinkGroup } from '../sys/link-group.ts';
import type { LinkNotice } from '../sys/link-monitor.ts';
import { findMacvtap, makeMacvtap, openMacvtap } from '../sys/macvtap.ts';
import { inNetnsFd, openNetns } from '../sys/netns.ts';
import { netnsIdentity } from '../sys/netns-search.ts';
import { deleteLink, findLink, getLink, type Link, listLinks, setLink } from '../sys/rtnetlink.ts';
import { listAddresses } from '../sys/rtnetlink-address.ts';
import { SysError } from '../sys/sys-error.ts';
import { type Attachment, type Device, DeviceError, type DeviceStatus } from './device.ts';
import { type DeviceContext, DeviceState } from './device-state.ts';
import { InterfaceChanges } from './interface-changes.ts';
import { lockInterface } from './interface-lock.ts';
import type { Strike } from './journal.ts';
import { linkStatus } from './link-status.ts';
import { watchLinks } from './link-watch.ts';
import { macvtapRefusal } from './macvtap-refusal.ts';
import type { PortFault } from './port.ts';
import { Retry } from './retry.ts';
import type { PortSpec } from './spec.ts';
import { tapCaps } from './tap-caps.ts';

const RETRY_FIRST_MS = 20;
const RETRY_LAST_MS = 5000;

/** The NIC that is used, and what was done to it. */
interface Hold {
  readonly ifindex: number;
  readonly changes: InterfaceChanges;
  /** ifindex of the macvtap; 0 before it is made. */
  macvtap: number;
  strikeMacvtap: Strike | undefined;
  host: HostStackRecord | undefined;
  strikeHost: Strike | undefined;
}

/** A NIC under a port. */
export class MacvtapDevice implements Device {
  readonly #spec: PortSpec;
  readonly #context: DeviceContext;
  readonly #state = new DeviceState();
  readonly #retry = new Retry(RETRY_FIRST_MS, RETRY_LAST_MS, () => this.#tryAgain());
  #stopWatch: (() => void) | undefined;
  #netnsFd: number | undefined;
  #lockFd: number | undefined;
  #hold: Hold | undefined;

  constructor(spec: PortSpec, context: DeviceContext) {
    this.#spec = spec;
    this.#context = context;
  }

  get status(): DeviceStatus {
    return this.#state.status;
  }

  /** Takes the NIC over. */
  open(onChange: () => void): void {
    const { target, netns } = this.#spec;
    const begin = () => {
      this.#stopWatch = watchLinks(netns, {
        onLink: (notice) => this.#onLink(notice),
        onNetns: (exists) => this.#onNetns(exists),
      });
      this.#inside(() => {
        const link = findLink(target);
        if (link === undefined) {
          const where = netns === undefined ? '' : ` in ${netns}`;
          throw new DeviceError(`there is no interface ${target}${where}; \`ip link\` lists those there are`);
        }
        this.#acquire(link);
      });
    };
    this.#state.open(onChange, begin, () => this.close());
  }

  release(attachment: Attachment): void {
    this.#state.release(attachment);
  }

  failed(attachment: Attachment, fault: PortFault): void {
    if (this.status.attachment !== attachment) return;
    this.#look();
    if (this.status.attachment !== attachment) return;
    this.#log(`the macvtap on ${this.#spec.target} failed (${fault}), trying again`);
    this.#lose('the macvtap failed');
  }

  deleteWith(group: LinkGroup): void {
    const hold = this.#hold;
    if (hold === undefined) return;
    this.#inside(() => {
      const link = findLink(hold.macvtap);
      if (link?.kind === 'macvtap') group.add(link);
    });
  }

  close(): void {
    this.#stopWatch?.();
    this.#stopWatch = undefined;
    this.#retry.cancel();
    this.#state.close();
    this.#letGo();
    this.#leave();
  }

  /** Takes over a NIC that is there. Throws SysError or DeviceError, with everything undone. */
  #acquire(nic: Link): void {
    const { name, settings } = this.#spec;
    const { journal } = this.#context;
    const { ifindex } = nic;
    this.#lockFd ??= lockInterface(nic.name, name, this.#context);
    const left = findMacvtap(ifindex);
    if (left !== undefined) deleteLink(left.ifindex);
    const facts = { link: nic, info: interfaceInfo(nic), addresses: listAddresses(ifindex) };
    const refusal = macvtapRefusal(facts, ifindex, listLinks());
    if (refusal !== undefined) throw new DeviceError(`cannot use ${nic.name} as a port: ${refusal}`);
    const changes = new InterfaceChanges(ifindex, journal);
    const hold: Hold = {
      ifindex,
      changes,
      macvtap: 0,
      strikeMacvtap: undefined,
      host: undefined,
      strikeHost: undefined,
    };
    this.#hold = hold;
    try {
      const netns = netnsIdentity();
      hold.strikeMacvtap = journal.add({ type: 'macvtap', netns, name: nic.name, ifindex });
      const macvtap = makeMacvtap(nic);
      hold.macvtap = macvtap.ifindex;
      const announce = (record: HostStackRecord) => {
        hold.strikeHost = journal.add({ type: 'host-off', netns, name: nic.name, record });
      };
      hold.host = keepHostOff(ifindex, announce, macvtap.ifindex);
      if (settings.mtu !== undefined) changes.setMtu(settings.mtu);
      changes.bringUp();
      // Or the host would announce itself through it.
      turnIpv6Off(macvtap.name);
      const { fd, offloads } = openMacvtap(macvtap);
      const attachment = this.#state.handOut('tap', fd, tapCaps(offloads));
      // So that frames to groups come even if someone takes our filter away. Set while it is up, the kernel
      // would count it on the NIC, and in this mode never take that back.
      setLink(macvtap.ifindex, { arp: false, allMulticast: true });
      setLink(macvtap.ifindex, { up: true });
      this.#state.set({ ...statusOf(getLink(ifindex), getLink(macvtap.ifindex)), attachment });
    } catch (error) {
      this.#letGo();
      throw error instanceof SysError ? new DeviceError(`cannot use ${nic.name} as a port: ${error.message}`) : error;
    }
  }

  /** Finds out what holds of the NIC and the macvtap now. */
  #look(): void {
    const hold = this.#hold;
    if (hold === undefined) return;
    const [nic, macvtap] = this.#inside(() => [findLink(hold.ifindex), findLink(hold.macvtap)]);
    if (nic === undefined) this.#lose('the interface was deleted');
    else if (macvtap === undefined) this.#lose('the macvtap was deleted');
    else this.#state.set(statusOf(nic, macvtap));
  }

  #onLink({ link, gone }: LinkNotice): void {
    const hold = this.#hold;
    if (hold === undefined) {
      if (!gone && link.name === this.#spec.target) this.#retry.schedule();
    } else if (link.ifindex === hold.ifindex || link.ifindex === hold.macvtap) {
      this.#look();
    }
  }

  #onNetns(exists: boolean): void {
    if (this.#hold !== undefined) this.#lose(`the network namespace ${this.#spec.netns} was deleted`);
    // What we have there would keep the old namespace alive.
    this.#leave();
    if (exists) this.#retry.schedule();
  }

  #tryAgain(): void {
    if (this.#hold !== undefined) return;
    try {
      this.#inside(() => {
        const link = findLink(this.#spec.target);
        if (link === undefined) return;
        this.#acquire(link);
        this.#retry.reset();
      });
    } catch (error) {
      if (!(error instanceof SysError || error instanceof DeviceError)) throw error;
      this.#state.set({ reason: error.message });
      this.#retry.schedule();
    }
  }

  /** The NIC is of no use any more. The descriptor is closed when it is released. */
  #lose(reason: string): void {
    this.#state.set({ up: false, attachment: undefined, reason });
    this.#letGo();
    this.#retry.schedule();
  }

  /** Deletes the macvtap, and undoes what was done to the NIC. */
  #letGo(): void {
    const hold = this.#hold;
    this.#hold = undefined;
    if (hold === undefined) return;
    this.#undo(() => {
      if (hold.macvtap !== 0 && findLink(hold.macvtap)?.kind === 'macvtap') deleteLink(hold.macvtap);
      hold.strikeMacvtap?.();
    });
    this.#undo(() => {
      hold.changes.undo(hold.ifindex, (error) => this.#undoFailed(error));
      if (hold.host !== undefined) restoreHost(hold.host);
      hold.strikeHost?.();
    });
  }

  /** Gives the name back and leaves the namespace. */
  #leave(): void {
    if (this.#lockFd !== undefined) closeFd(this.#lockFd);
    this.#lockFd = undefined;
    if (this.#netnsFd !== undefined) closeFd(this.#netnsFd);
    this.#netnsFd = undefined;
  }

  /** Runs `fn` in the NIC's namespace, the same one until `#leave`, whatever its name stands for meanwhile. */
  #inside<T>(fn: () => T): T {
    const { netns } = this.#spec;
    if (netns === undefined) return fn();
    this.#netnsFd ??= openNetns(netns);
    return inNetnsFd(this.#netnsFd, netns, fn);
  }

  #undo(action: () => void): void {
    try {
      this.#inside(action);
    } catch (error) {
      this.#undoFailed(error);
    }
  }

  #undoFailed(error: unknown): void {
    this.#log(`cannot put ${this.#spec.target} back as it was: ${error instanceof Error ? error.message : error}`);
  }

  #log(message: string): void {
    this.#context.log('warn', `port ${this.#spec.name}: ${message}`);
  }
}

/** Status of a port on the NIC: that of the NIC, as far as the macvtap follows it. */
function statusOf(nic: Link, macvtap: Link): Pick<DeviceStatus, 'up' | 'mtu' | 'mac' | 'reason'> {
  const { mtu, mac, up, reason } = linkStatus(nic);
  const follows = linkStatus(macvtap);
  return { mtu, mac, up: up && follows.up, reason: reason ?? follows.reason };
}
