// The device of a netdev port: a packet socket on an interface. Used for NICs, veth ends and the
// interface side of a tap that a program such as QEMU opens by its name.
//
//   watch the namespace → lock the name → (create) → judge → host's stack off → MTU, up → packet socket
//
// Packet sockets do not exclude each other, so two switches on one interface would each relay every
// frame: an abstract unix socket in the interface's namespace stands for its name, and has one
// owner. Unless the port is shared, the host's stack is kept off the interface (host-stack.ts) before
// it is brought up; a shared one is taken as it is.
//
// Carrier is IFF_UP and the interface's own. If the interface is deleted, or moved to another
// namespace, the port is down and comes back with the next interface of that name.
// With `create`, an interface that is missing at the start is made, as a persistent tap that nobody
// has open, and deleted at the end; but not under a program that has it open. QEMU would spin on the dead
// descriptor, and never be on the switch again; left alone, it is when the switch comes back. A
// program that is just ending is waited for.

import { ERRNO } from '../sys/errno.ts';
import { closeFd } from '../sys/fd.ts';
import { type HostStackRecord, keepHostOff, restoreHost } from '../sys/host-stack.ts';
import { interfaceInfo } from '../sys/interface-info.ts';
import type { LinkGroup } from '../sys/link-group.ts';
import type { LinkNotice } from '../sys/link-monitor.ts';
import { inNetnsFd, openNetns } from '../sys/netns.ts';
import { netnsIdentity } from '../sys/netns-search.ts';
import { openPacketSocket } from '../sys/packet-socket.ts';
import { deleteLink, findLink, getLink, type Link } from '../sys/rtnetlink.ts';
import { listAddresses } from '../sys/rtnetlink-address.ts';
import { SysError } from '../sys/sys-error.ts';
import { openTap } from '../sys/tap-device.ts';
import { type Attachment, type Device, DeviceError, type DeviceStatus } from './device.ts';
import { type DeviceContext, DeviceState } from './device-state.ts';
import { InterfaceChanges } from './interface-changes.ts';
import { lockInterface } from './interface-lock.ts';
import type { Strike } from './journal.ts';
import { linkStatus } from './link-status.ts';
import { watchLinks } from './link-watch.ts';
import { makeTapLast } from './made-tap.ts';
import { netdevRefusal } from './netdev-refusal.ts';
import { packetCaps } from './packet-caps.ts';
import type { PortFault } from './port.ts';
import { Retry } from './retry.ts';
import type { PortSpec } from './spec.ts';

const RETRY_FIRST_MS = 20;
const RETRY_LAST_MS = 5000;

/** How often, and how many times, it is looked whether a program still has the tap open that we made. */
const HELD_CHECK_MS = 50;
const HELD_CHECKS_MAX = 40;

/** The interface that is used, and what was done to it. */
interface Hold {
  readonly ifindex: number;
  readonly changes: InterfaceChanges;
  host: HostStackRecord | undefined;
  strikeHost: Strike | undefined;
}

/** An interface under a port. */
export class NetdevDevice implements Device {
  readonly #spec: PortSpec;
  readonly #context: DeviceContext;
  readonly #state = new DeviceState();
  readonly #retry = new Retry(RETRY_FIRST_MS, RETRY_LAST_MS, () => this.#tryAgain());
  #stopWatch: (() => void) | undefined;
  #netnsFd: number | undefined;
  #lockFd: number | undefined;
  /** ifindex of the tap that we made. */
  #madeIfindex: number | undefined;
  /** The tap that we made, held so that nobody else opens it before it is deleted with others. */
  #guardFd: number | undefined;
  #strikeMade: Strike | undefined;
  #hold: Hold | undefined;

  constructor(spec: PortSpec, context: DeviceContext) {
    this.#spec = spec;
    this.#context = context;
  }

  get status(): DeviceStatus {
    return this.#state.status;
  }

  /** Takes the interface over; makes it first if that is asked for and there is none. */
  open(onChange: () => void): void {
    const begin = () => {
      this.#stopWatch = watchLinks(this.#spec.netns, {
        onLink: (notice) => this.#onLink(notice),
        onNetns: (exists) => this.#onNetns(exists),
      });
      this.#inside(() => {
        this.#lock();
        this.#acquire(this.#find());
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
    this.#log('warn', `the packet socket failed (${fault}), trying again`);
    this.#lose('the packet socket failed');
  }

  deleteWith(group: LinkGroup): void {
    const made = this.#madeIfindex;
    if (made === undefined) return;
    this.#inside(() => {
      const link = findLink(made);
      if (link?.kind === 'tun') this.#guardFd = openUnheldTap(link);
      if (link !== undefined && this.#guardFd !== undefined) group.add(link);
    });
  }

  close(): void {
    this.#stopWatch?.();
    this.#stopWatch = undefined;
    this.#retry.cancel();
    this.#state.close();
    this.#letGo();
    this.#deleteMade(HELD_CHECKS_MAX);
  }

  /** The interface; made if it has to be. */
  #find(): Link {
    const { target, create } = this.#spec;
    if (create && findLink(target) === undefined) {
      const { fd, created } = openTap(target);
      try {
        if (created) {
          this.#strikeMade = makeTapLast(fd, target, this.#context);
          this.#madeIfindex = findLink(target)?.ifindex;
        }
      } finally {
        closeFd(fd);
      }
    }
    const link = findLink(target);
    if (link !== undefined) return link;
    throw new DeviceError(
      `there is no interface ${target}${this.#spec.netns === undefined ? '' : ` in ${this.#spec.netns}`}; \`ip link\` lists those there are, ` +
        `and netdev:${target},create makes a tap of that name`,
    );
  }

  /** Takes over an interface that is there. Throws SysError or DeviceError, with everything undone. */
  #acquire(link: Link): void {
    const { shared = false, settings } = this.#spec;
    const { ifindex } = link;
    const facts = { link, info: interfaceInfo(link), addresses: listAddresses(ifindex) };
    const refusal = netdevRefusal(facts, shared);
    if (refusal !== undefined) throw new DeviceError(`cannot use ${link.name} as a port: ${refusal}`);
    const { journal } = this.#context;
    const changes = new InterfaceChanges(ifindex, ifindex === this.#madeIfindex ? undefined : journal);
    const hold: Hold = { ifindex, changes, host: undefined, strikeHost: undefined };
    this.#hold = hold;
    try {
      if (!shared) {
        hold.host = keepHostOff(ifindex, (record) => {
          hold.strikeHost = journal.add({ type: 'host-off', netns: netnsIdentity(), name: link.name, record });
        });
      }
      if (settings.mtu !== undefined) hold.changes.setMtu(settings.mtu);
      if (!shared) hold.changes.bringUp();
      const { fd, vnetHdrSize } = openPacketSocket({ ifindex });
      const attachment = this.#state.handOut('packet', fd, packetCaps());
      if (vnetHdrSize === 0) throw new DeviceError(`cannot use ${link.name} as a port: the kernel has no PACKET_VNET_HDR`);
      this.#state.set({ ...linkStatus(getLink(ifindex)), attachment });
    } catch (error) {
      this.#letGo();
      throw error instanceof SysError ? new DeviceError(`cannot use ${link.name} as a port: ${error.message}`) : error;
    }
  }

  /** Finds out what holds of the interface now. */
  #look(): void {
    const ifindex = this.#hold?.ifindex;
    if (ifindex === undefined) return;
    const link = this.#inside(() => findLink(ifindex));
    if (link === undefined) this.#lose('the interface was deleted');
    else this.#state.set(linkStatus(link));
  }

  #onLink({ link, gone }: LinkNotice): void {
    if (link.ifindex === this.#hold?.ifindex) this.#look();
    else if (this.#hold === undefined && !gone && link.name === this.#spec.target) this.#retry.schedule();
  }

  #onNetns(exists: boolean): void {
    if (this.#hold !== undefined) this.#lose(`the network namespace ${this.#spec.netns} was deleted`);
    // What we have there would keep the old namespace alive.
    this.#deleteMade(0);
    if (exists) this.#retry.schedule();
  }

  #tryAgain(): void {
    const { target } = this.#spec;
    if (this.#hold !== undefined) return;
    try {
      this.#inside(() => {
        const link = findLink(target);
        if (link === undefined) return;
        this.#lock();
        this.#acquire(link);
        this.#retry.reset();
      });
    } catch (error) {
      if (!(error instanceof SysError || error instanceof DeviceError)) throw error;
      this.#state.set({ reason: error.message });
      this.#retry.schedule();
    }
  }

  /** The interface is of no use any more. The packet socket is closed when it is released. */
  #lose(reason: string): void {
    this.#state.set({ up: false, attachment: undefined, reason });
    this.#letGo();
    this.#retry.schedule();
  }

  /** Undoes what was done to the interface. */
  #letGo(): void {
    const hold = this.#hold;
    this.#hold = undefined;
    if (hold === undefined) return;
    this.#undo(() => {
      hold.changes.undo(hold.ifindex, (error) => this.#undoFailed(error));
      if (hold.host !== undefined) restoreHost(hold.host);
      hold.strikeHost?.();
    });
  }

  /** Deletes the tap that we made, as soon as nobody has it open, then gives its name back and leaves the namespace. */
  #deleteMade(checks: number): void {
    const wasGuarded = this.#guardFd !== undefined;
    if (this.#guardFd !== undefined) closeFd(this.#guardFd);
    this.#guardFd = undefined;
    const ifindex = this.#madeIfindex;
    let isHeld = false;
    let isDeleted = false;
    if (ifindex !== undefined) {
      this.#undo(() => {
        const link = findLink(ifindex);
        if (link === undefined) isDeleted = wasGuarded;
        if (link?.kind !== 'tun') return;
        isDeleted = deleteUnheldTap(link);
        isHeld = !isDeleted;
      });
    }
    if (isHeld && checks > 0) {
      if (checks === HELD_CHECKS_MAX) this.#log('info', `tap ${this.#spec.target} stays while a program has it open`);
      setTimeout(() => this.#deleteMade(checks - 1), HELD_CHECK_MS).unref();
      return;
    }
    const { target } = this.#spec;
    if (isHeld)
      this.#log('warn', `a program still has tap ${target} open; \`ip link del ${target}\` removes it when it is not needed`);
    // Not found here it may have been moved: then it is looked for when the switch ends.
    if (isDeleted) this.#strikeMade?.();
    this.#madeIfindex = undefined;
    this.#strikeMade = undefined;
    this.#unlock();
    this.#leave();
  }

  /** Runs `fn` in the interface's namespace, the same one until `#leave`, whatever its name stands for meanwhile. */
  #inside<T>(fn: () => T): T {
    const { netns } = this.#spec;
    if (netns === undefined) return fn();
    this.#netnsFd ??= openNetns(netns);
    return inNetnsFd(this.#netnsFd, netns, fn);
  }

  #leave(): void {
    if (this.#netnsFd !== undefined) closeFd(this.#netnsFd);
    this.#netnsFd = undefined;
  }

  #undo(action: () => void): void {
    try {
      this.#inside(action);
    } catch (error) {
      this.#undoFailed(error);
    }
  }

  #undoFailed(error: unknown): void {
    this.#log('warn', `cannot put ${this.#spec.target} back as it was: ${error instanceof Error ? error.message : error}`);
  }

  /** Takes the name of the interface, for all switches; kept until the end. */
  #lock(): void {
    if (this.#lockFd !== undefined) return;
    this.#lockFd = lockInterface(this.#spec.target, this.#spec.name, this.#context);
  }

  #unlock(): void {
    if (this.#lockFd !== undefined) closeFd(this.#lockFd);
    this.#lockFd = undefined;
  }

  #log(level: 'info' | 'warn', message: string): void {
    this.#context.log(level, `port ${this.#spec.name}: ${message}`);
  }
}

/** Deletes a tap; false, and nothing is done, when a program has it open. */
function deleteUnheldTap(link: Link): boolean {
  const fd = openUnheldTap(link);
  if (fd === undefined) return false;
  try {
    deleteLink(link.ifindex);
  } finally {
    closeFd(fd);
  }
  return true;
}

/** Opens a tap, and keeps everybody else from that while it is open: it takes one descriptor. Undefined when a program has it open. */
function openUnheldTap(link: Link): number | undefined {
  try {
    return openTap(link.name).fd;
  } catch (error) {
    if (error instanceof SysError && error.errno === ERRNO.EBUSY) return undefined;
    throw error;
  }
}
