// The main thread's side of a port: opens and configures what the port stands on, watches it, and
// puts everything back. The worker's side (port.ts) gets a descriptor number and nothing else.
//
// A device comes and goes under a port that stays: a guest connects and quits, a tap is deleted and
// made again. So a device has a status, tells each change of it, and may offer a new attachment
// (a descriptor to run) at any time:
//
//   open() ──> status {up, attachment, mtu, mac, reason} ──onChange──> the switch attaches / detaches
//                                                                       the worker's port
//   the worker has let go of an attachment ──> release(attachment): close its descriptor
//   the worker met a fault                 ──> failed(attachment, fault): find out, go down, recover
//   close(): undo everything this device changed on the host (called when nothing is attached)
//
// Rules: an attachment's descriptor is closed by `release` only, never while the worker may use it;
// a device whose attachment became useless offers another or none and waits for the release of the
// old one. Nothing here blocks for longer than a system call.

import type { LinkGroup } from '../sys/link-group.ts';
import type { PortFault } from './port.ts';

/** How the worker runs a descriptor. Plain data: it is sent to the worker. */
export interface Attachment {
  /** tap (or macvtap): reads and writes of virtio-net header + frame; packet: AF_PACKET socket; stream: length-prefixed frames; dgram: a frame a datagram. */
  io: 'tap' | 'packet' | 'stream' | 'dgram';
  fd: number;
  /** Offload work the device takes over on egress: bits of NEED. */
  caps: number;
}

/** What holds of a device now. */
export interface DeviceStatus {
  /** Whether frames can pass: attached, with carrier. */
  up: boolean;
  attachment: Attachment | undefined;
  /** Octets of payload it carries. */
  mtu: number;
  /** Address of the interface behind it, where there is one. */
  mac: string | undefined;
  /** Why it is down, as words for people ("no carrier", "waiting for a guest to connect"); undefined when up. */
  reason: string | undefined;
}

/** A device under a port. */
export interface Device {
  readonly status: DeviceStatus;
  /** Opens it. Throws DeviceError when it can never work as asked; what may come later (no guest yet) is a status. */
  open(onChange: () => void): void;
  /** The worker no longer uses `attachment`, nor any other: close its descriptor, and those offered before that it never took. */
  release(attachment: Attachment): void;
  /** The worker met a fault on `attachment`. */
  failed(attachment: Attachment, fault: PortFault): void;
  /** Puts the interface that `close` is going to delete into `group`, to go with others before. Throws SysError. */
  deleteWith?(group: LinkGroup): void;
  /** Undoes everything the device changed on the host. Nothing is attached any more. */
  close(): void;
}

/** A device that cannot be opened; the message is a sentence: what, why, what to do. */
export class DeviceError extends Error {
  override readonly name = 'DeviceError';
}
