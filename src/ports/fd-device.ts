// The device of an fd port: a tap, packet socket or connected stream socket that whoever started
// weft opened, and handed down by its number. What it is, the descriptor itself says.
//
// It is ours from then on: closed when the port goes, and not opened again when its device does.
// Only what was inherited is taken: the descriptors weft opens, and those that are ports already,
// are closed on exec, which an inherited one is not. So a number never names one of our own. But Node
// marks all it inherits so while it starts; `claimInherited` takes that back for those that are to be
// ports, before weft opens anything of its own.

import { readFileSync } from 'node:fs';
import { isOpenFd, setInheritable, setNonBlocking } from '../sys/fd.ts';
import { inspectFd } from '../sys/fd-kind.ts';
import { adoptPacketSocket } from '../sys/packet-socket.ts';
import { findLink } from '../sys/rtnetlink.ts';
import { SO_ACCEPTCONN, SOCK_STREAM, SOL_SOCKET, socketOption } from '../sys/socket.ts';
import { configureTapHeader, setTapOffloads, type TapInfo, type TapDevice as TapOpening } from '../sys/tap-device.ts';
import { type Attachment, type Device, DeviceError, type DeviceStatus } from './device.ts';
import { type DeviceContext, DeviceState } from './device-state.ts';
import { hasHungUp } from './hung-up.ts';
import { linkStatus } from './link-status.ts';
import { watchLinks } from './link-watch.ts';
import { packetCaps } from './packet-caps.ts';
import type { PortFault } from './port.ts';
import type { PortSpec } from './spec.ts';
import { STREAM_MTU_DEFAULT } from './stream-device.ts';
import { TapDevice } from './tap-device.ts';

/** fcntl.h: how /proc shows that a descriptor is closed on exec. */
const O_CLOEXEC = 0o2000000;

/** Marks what was handed down for the fd ports among `specs`; called before weft opens any descriptor. */
export function claimInherited(specs: readonly PortSpec[]): void {
  for (const { kind, target } of specs) {
    const fd = Number(target);
    if (kind === 'fd' && isOpenFd(fd)) setInheritable(fd, true);
  }
}

/** An inherited descriptor under a port. */
export class FdDevice implements Device {
  readonly #spec: PortSpec;
  readonly #context: DeviceContext;
  readonly #closed = new DeviceState();
  #inner: Device | undefined;

  constructor(spec: PortSpec, context: DeviceContext) {
    this.#spec = spec;
    this.#context = context;
  }

  get status(): DeviceStatus {
    return (this.#inner ?? this.#closed).status;
  }

  /** Finds out what the descriptor is, and takes it over. */
  open(onChange: () => void): void {
    this.#inner = this.#take(Number(this.#spec.target));
    this.#inner.open(onChange);
  }

  release(attachment: Attachment): void {
    this.#inner?.release(attachment);
  }

  failed(attachment: Attachment, fault: PortFault): void {
    this.#inner?.failed(attachment, fault);
  }

  close(): void {
    this.#inner?.close();
  }

  #take(fd: number): Device {
    const found = inspectFd(fd);
    if (found === undefined) throw refusal(fd, 'is not open: the program that starts weft has to hand it down');
    if (!isInherited(fd)) throw refusal(fd, "is one of weft's own, or a port already; name one that was handed down to it");
    switch (found.kind) {
      case 'tap':
        return new TapDevice(this.#spec, this.#context, openTap(fd, found.tap));
      case 'packet':
        if (found.ifindex <= 0) throw refusal(fd, 'is a packet socket that is not bound to an interface; bind it to one first');
        return new InheritedSocket(this.#spec, 'packet', fd, found.ifindex);
      case 'socket':
        if (found.type !== SOCK_STREAM) throw refusal(fd, `is a socket that carries no stream; ${CAN_BE}`);
        if (socketOption(fd, SOL_SOCKET, SO_ACCEPTCONN, 4)?.readInt32LE() === 1) {
          throw refusal(fd, 'is a socket that listens; hand down a connection, or let weft listen with stream:PATH');
        }
        if (hasHungUp(fd)) throw refusal(fd, 'is a socket that is not connected');
        return new InheritedSocket(this.#spec, 'stream', fd, undefined);
      case 'other':
        throw refusal(fd, `is neither a tap nor a socket; ${CAN_BE}`);
    }
  }
}

const CAN_BE = 'it can be a tap with a virtio-net header, a packet socket bound to an interface, or a connected stream socket';

function refusal(fd: number, why: string): DeviceError {
  return new DeviceError(`cannot use descriptor ${fd} as a port: it ${why}`);
}

/** Whether a program that we start would inherit the descriptor, as we did. */
function isInherited(fd: number): boolean {
  const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
}

function openTap(fd: number, info: TapInfo): TapOpening {
  if (info.packetInfo || info.vnetHdrSize === 0) {
    throw refusal(fd, 'is a tap without a virtio-net header; open it with IFF_NO_PI and IFF_VNET_HDR');
  }
  setInheritable(fd, false);
  setNonBlocking(fd);
  configureTapHeader(fd);
  return { fd, name: info.name, offloads: setTapOffloads(fd), created: false, persistent: info.persistent };
}

/** A socket that was handed down. */
class InheritedSocket implements Device {
  readonly #spec: PortSpec;
  readonly #io: 'packet' | 'stream';
  readonly #fd: number;
  readonly #ifindex: number | undefined;
  readonly #state = new DeviceState();
  #stopWatch: (() => void) | undefined;

  constructor(spec: PortSpec, io: 'packet' | 'stream', fd: number, ifindex: number | undefined) {
    this.#spec = spec;
    this.#io = io;
    this.#fd = fd;
    this.#ifindex = ifindex;
  }

  get status(): DeviceStatus {
    return this.#state.status;
  }

  open(onChange: () => void): void {
    const begin = () => {
      const fd = this.#fd;
      if (this.#ifindex !== undefined && findLink(this.#ifindex) === undefined) {
        throw refusal(fd, 'is a packet socket of another network namespace; start weft in that one (`ip netns exec`)');
      }
      setInheritable(fd, false);
      setNonBlocking(fd);
      const attachment = this.#state.handOut(this.#io, fd, this.#io === 'packet' ? packetCaps() : 0);
      if (this.#ifindex === undefined) {
        this.#state.set({ up: true, attachment, mtu: this.#spec.settings.mtu ?? STREAM_MTU_DEFAULT });
        return;
      }
      if (adoptPacketSocket(fd).vnetHdrSize === 0) throw refusal(fd, 'is a packet socket without PACKET_VNET_HDR');
      this.#state.set({ attachment });
      this.#stopWatch = watchLinks(undefined, {
        onLink: ({ link }) => link.ifindex === this.#ifindex && this.#look(),
        onNetns: () => {},
      });
      this.#look();
    };
    this.#state.open(onChange, begin, () => this.close());
  }

  release(attachment: Attachment): void {
    this.#state.release(attachment);
  }

  failed(attachment: Attachment, fault: PortFault): void {
    if (this.status.attachment !== attachment) return;
    const reason = fault === 'gone' ? 'the interface was deleted' : 'the other side closed the connection';
    this.#state.set({ up: false, attachment: undefined, reason });
  }

  close(): void {
    this.#stopWatch?.();
    this.#stopWatch = undefined;
    this.#state.close();
  }

  #look(): void {
    if (this.#ifindex === undefined || this.status.attachment === undefined) return;
    const link = findLink(this.#ifindex);
    if (link !== undefined) this.#state.set({ ...linkStatus(link), mtu: this.#spec.settings.mtu ?? link.mtu });
    else this.#state.set({ up: false, attachment: undefined, reason: 'the interface was deleted' });
  }
}
