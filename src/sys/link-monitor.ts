// Tells when an interface appears, changes or goes, from the network namespace the monitor was
// opened in. The kernel drops notices when the socket's buffer is full (ENOBUFS); then all links
// are asked for again and compared with what was told, so nothing is missed, only merged.

import { ERRNO } from './errno.ts';
import { closeFd } from './fd.ts';
import { openNetlink, receiveNetlink } from './netlink.ts';
import { inNetns, inNetnsFd, openNetns } from './netns.ts';
import { type Link, listLinks, parseLink, RTM_DELLINK, RTM_NEWLINK } from './rtnetlink.ts';
import { setReceiveBufferSize } from './socket.ts';
import { watchReadable } from './watch.ts';

/** linux/rtnetlink.h */
const RTMGRP_LINK = 1;

const RECEIVE_BUFFER_SIZE = 1 << 20;

/** linux/socket.h: bridge's own notices about its ports come on the same group. */
const AF_BRIDGE = 7;

/** An interface that is (new or changed), or that is no more. */
export interface LinkNotice {
  readonly link: Link;
  readonly gone: boolean;
}

/** A subscription; runs on a thread with Node's event loop and does not keep the process alive. */
export class LinkMonitor {
  readonly #fd: number;
  readonly #netns: number | undefined;
  readonly #notify: (notice: LinkNotice) => void;
  readonly #stop: () => void;
  readonly #known: Map<number, Link>;
  #closed = false;

  /** Watches the namespace `netns` (as for inNetns; undefined: the thread's). Throws SysError. */
  constructor(netns: string | undefined, notify: (notice: LinkNotice) => void) {
    this.#notify = notify;
    this.#netns = netns === undefined ? undefined : openNetns(netns);
    let fd = -1;
    try {
      fd = inNetns(netns, () => openNetlink(RTMGRP_LINK));
      setReceiveBufferSize(fd, RECEIVE_BUFFER_SIZE);
      // Subscribed first, listed second: what happens in between is told, not lost.
      this.#known = new Map(this.#list().map((link) => [link.ifindex, link]));
      this.#stop = watchReadable(fd, () => this.#receive());
    } catch (error) {
      if (fd >= 0) closeFd(fd);
      if (this.#netns !== undefined) closeFd(this.#netns);
      throw error;
    }
    this.#fd = fd;
  }

  /** The interfaces as last told. */
  links(): Iterable<Link> {
    return this.#known.values();
  }

  /** Ends the subscription. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop();
    closeFd(this.#fd);
    if (this.#netns !== undefined) closeFd(this.#netns);
  }

  #receive(): void {
    while (!this.#closed) {
      const messages = receiveNetlink(this.#fd);
      if (messages === -ERRNO.ENOBUFS) {
        // What is still queued is older than what was lost: told after the list, it would bring back the dead.
        while (typeof receiveNetlink(this.#fd) !== 'number');
        this.#compare();
      } else if (typeof messages === 'number') {
        return;
      } else {
        for (const message of messages) {
          if (message.type !== RTM_NEWLINK && message.type !== RTM_DELLINK) continue;
          if (message.body.readUInt8(0) === AF_BRIDGE) continue;
          this.#tell(parseLink(message), message.type === RTM_DELLINK);
        }
      }
    }
  }

  #compare(): void {
    const links = this.#list();
    const present = new Set(links.map((link) => link.ifindex));
    for (const link of [...this.#known.values()]) {
      if (!present.has(link.ifindex)) this.#tell(link, true);
    }
    for (const link of links) this.#tell(link, false);
  }

  #tell(link: Link, gone: boolean): void {
    if (this.#closed) return;
    if (gone) this.#known.delete(link.ifindex);
    else this.#known.set(link.ifindex, link);
    this.#notify({ link, gone });
  }

  #list(): Link[] {
    // Entering the own namespace would need root, too.
    return this.#netns === undefined ? listLinks() : inNetnsFd(this.#netns, 'of the link monitor', listLinks);
  }
}
