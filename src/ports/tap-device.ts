// The device of a tap port: a tap whose descriptor weft holds. Containers, namespaces and the host
// itself are on its other side, the interface.
//
//   absent ──created by us──> held, gone when the port is       (persistent, so that it can be moved: made-tap.ts)
//   existing ──opened──> held, left as it was found when the port goes
//
// The interface is the user's: it is up when they say so (we bring up only one that we made, and the
// host port), and IFF_UP is the carrier we see: a write to a tap that is down fails with EIO.
// It may be moved to another namespace and stays our port there; since nothing tells us of that
// namespace's events, and a monitor in it would keep it alive after its container, it is looked at
// twice a second. If it is deleted, somebody meant it: the port is down and waits for a tap of that
// name to appear where the first one was, which then is not ours. While another process holds that
// one (ip-tuntap(8) does, for a moment), it is tried again, less and less often.

import { ERRNO } from '../sys/errno.ts';
import { closeFd } from '../sys/fd.ts';
import { tapHolder } from '../sys/holders.ts';
import type { LinkGroup } from '../sys/link-group.ts';
import type { LinkNotice } from '../sys/link-monitor.ts';
import { inNetns } from '../sys/netns.ts';
import { findLink, getLink, type Link } from '../sys/rtnetlink.ts';
import { SysError } from '../sys/sys-error.ts';
import { openTap, type TapDevice as TapOpening } from '../sys/tap-device.ts';
import { type Attachment, type Device, DeviceError, type DeviceStatus } from './device.ts';
import { type DeviceContext, DeviceState } from './device-state.ts';
import { HeldTap } from './held-tap.ts';
import { holderText } from './holder-text.ts';
import { InterfaceChanges } from './interface-changes.ts';
import type { Strike } from './journal.ts';
import { linkStatus } from './link-status.ts';
import { watchLinks } from './link-watch.ts';
import { makeTapLast } from './made-tap.ts';
import type { PortFault } from './port.ts';
import { Retry } from './retry.ts';
import type { PortSpec } from './spec.ts';

/** How often a tap in a foreign namespace is looked at. */
const AWAY_CHECK_MS = 500;
const RETRY_FIRST_MS = 20;
const RETRY_LAST_MS = 5000;

const DELETED = 'the interface was deleted';

/** A tap under a port. */
export class TapDevice implements Device {
  readonly #spec: PortSpec;
  readonly #context: DeviceContext;
  readonly #inherited: TapOpening | undefined;
  readonly #state = new DeviceState();
  readonly #retry = new Retry(RETRY_FIRST_MS, RETRY_LAST_MS, () => this.#tryAgain());
  #tap: HeldTap | undefined;
  #changes: InterfaceChanges | undefined;
  /** Of the tap that we made. */
  #strikeMade: Strike | undefined;
  #ifindex = 0;
  #stopWatch: (() => void) | undefined;
  #awayTimer: NodeJS.Timeout | undefined;

  /** `inherited` is a tap that somebody opened for us: it is taken as it is, and not waited for once it is gone. */
  constructor(spec: PortSpec, context: DeviceContext, inherited?: TapOpening) {
    this.#spec = spec;
    this.#context = context;
    this.#inherited = inherited;
  }

  get status(): DeviceStatus {
    return this.#state.status;
  }

  /** Opens the tap, and makes it if there is none. */
  open(onChange: () => void): void {
    const openAll = () => {
      this.#stopWatch = watchLinks(this.#spec.netns, {
        onLink: (notice) => this.#onLink(notice),
        onNetns: (exists) => this.#onNetns(exists),
      });
      this.#acquire(true);
    };
    this.#state.open(onChange, openAll, () => this.close());
  }

  release(attachment: Attachment): void {
    this.#state.release(attachment);
  }

  failed(attachment: Attachment, fault: PortFault): void {
    if (this.status.attachment !== attachment) return;
    this.#look();
    if (this.status.attachment !== attachment) return;
    this.#context.log('warn', `port ${this.#spec.name}: tap ${this.#spec.target} failed (${fault}), trying again`);
    this.#state.set({ up: false, attachment: undefined, reason: 'the tap failed' });
    this.#retry.schedule();
  }

  deleteWith(group: LinkGroup): void {
    this.#tap?.deleteWith(group);
  }

  close(): void {
    this.#stopWatch?.();
    this.#stopWatch = undefined;
    this.#retry.cancel();
    this.#state.close();
    if (this.#tap !== undefined) this.#letGo(this.#tap);
  }

  /** Opens and configures the tap, and offers it. Throws SysError or DeviceError, with everything undone. */
  #acquire(mayCreate: boolean): void {
    const { netns, role, address, mac, settings } = this.#spec;
    const opened = this.#inherited ?? inNetns(netns, () => this.#openTap(mayCreate));
    if (opened === undefined) return;
    const tap = new HeldTap(opened.fd, netns, opened.offloads, opened.created);
    this.#tap = tap;
    try {
      tap.inside(() => {
        const changes = new InterfaceChanges(getLink(opened.name).ifindex, tap.isOurs ? undefined : this.#context.journal);
        this.#changes = changes;
        if (settings.mtu !== undefined) changes.setMtu(settings.mtu);
        if (mac !== undefined) changes.setMac(mac);
        if (address !== undefined) changes.addAddress(address);
        if (tap.isOurs || role === 'host') changes.bringUp();
      });
      this.#offer(tap);
    } catch (error) {
      this.#letGo(tap);
      throw error instanceof SysError ? new DeviceError(`cannot set up tap ${opened.name}: ${error.message}`) : error;
    }
  }

  /** Undefined when it does not exist and is not to be made. */
  #openTap(mayCreate: boolean): TapOpening | undefined {
    const { target } = this.#spec;
    try {
      const opened = openTap(target);
      if (!opened.created) return opened;
      if (mayCreate) {
        this.#makeLast(opened);
        return opened;
      }
      // It went between being seen and being opened, and opening made another, which goes with its descriptor.
      closeFd(opened.fd);
      return undefined;
    } catch (error) {
      if (!(error instanceof SysError) || error.errno !== ERRNO.EBUSY) throw error;
      const holder = holderText(tapHolder(target)?.pid, this.#context);
      throw new DeviceError(
        `cannot open tap ${target}: ${holder} holds it; stop that first, or use the tap's other side with the port kind netdev`,
      );
    }
  }

  #makeLast({ fd, name }: TapOpening): void {
    try {
      this.#strikeMade = makeTapLast(fd, name, this.#context);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /** Gives the worker a descriptor of a tap that lives. */
  #offer(tap: HeldTap): void {
    const link = tap.link();
    if (link === undefined) {
      this.#lose(DELETED);
      return;
    }
    this.#follow(tap, link);
    this.#state.set({ ...linkStatus(link), attachment: this.#state.handOut('tap', tap.duplicate(), tap.caps) });
  }

  /** Finds out what holds of the tap now. */
  #look(): void {
    const tap = this.#tap;
    if (tap === undefined) return;
    let link: Link | undefined;
    try {
      link = tap.link();
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      this.#context.log('debug', `port ${this.#spec.name}: ${error.message}`);
      return;
    }
    if (link === undefined) {
      this.#lose(DELETED);
      return;
    }
    this.#follow(tap, link);
    const { up, mtu, mac, reason } = linkStatus(link);
    const isAttached = this.status.attachment !== undefined;
    this.#state.set({ up: up && isAttached, mtu, mac, reason: isAttached ? reason : this.status.reason });
  }

  /** Keeps in view an interface that may have another number, and be in another namespace, by now. */
  #follow(tap: HeldTap, link: Link): void {
    this.#ifindex = link.ifindex;
    if (!tap.isAway) this.#stopAwayTimer();
    else this.#awayTimer ??= setInterval(() => this.#look(), AWAY_CHECK_MS).unref();
  }

  #onLink({ link, gone }: LinkNotice): void {
    if (this.#tap !== undefined) {
      if (link.ifindex === this.#ifindex || link.name === this.#spec.target) this.#look();
    } else if (!gone && link.name === this.#spec.target && this.#inherited === undefined) {
      this.#retry.schedule();
    }
  }

  #onNetns(exists: boolean): void {
    this.#look();
    if (this.#tap !== undefined && !this.#tap.isAway) this.#lose(`the network namespace ${this.#spec.netns} was deleted`);
    if (exists && this.#tap === undefined) this.#retry.schedule();
  }

  #tryAgain(): void {
    const { netns, target } = this.#spec;
    try {
      if (this.#tap !== undefined) {
        this.#offer(this.#tap);
      } else if (inNetns(netns, () => findLink(target)) !== undefined) {
        this.#acquire(false);
        this.#retry.reset();
      }
    } catch (error) {
      if (!(error instanceof SysError || error instanceof DeviceError)) throw error;
      this.#state.set({ reason: error.message });
      this.#retry.schedule();
    }
  }

  /** The tap is no more, or out of reach. What the worker still has of it is closed when it is released. */
  #lose(reason: string): void {
    const tap = this.#tap;
    this.#state.set({ up: false, attachment: undefined, reason });
    if (tap !== undefined) this.#letGo(tap);
  }

  /** Undoes what was changed on the tap, and closes our descriptor. */
  #letGo(tap: HeldTap): void {
    const warn = (error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      this.#context.log('warn', `port ${this.#spec.name}: cannot put ${this.#spec.target} back as it was: ${text}`);
    };
    this.#tap = undefined;
    this.#stopAwayTimer();
    try {
      const link = tap.isOurs ? undefined : tap.link();
      if (link !== undefined) tap.inside(() => this.#changes?.undo(link.ifindex, warn));
      else this.#changes?.forget();
      tap.close();
      this.#strikeMade?.();
    } catch (error) {
      warn(error);
    }
    this.#changes = undefined;
    this.#strikeMade = undefined;
  }

  #stopAwayTimer(): void {
    clearInterval(this.#awayTimer);
    this.#awayTimer = undefined;
  }
}
