// What every device keeps: its status, and the descriptors it has handed to the worker.
//
// `set` tells a change of status once, and nothing when nothing changed. While `open` runs nobody
// is told: its caller looks at the status afterwards, and is not ready to be called before.
// A descriptor that was offered is closed by `release`, when the worker has let go of it, or by
// `close`, when nothing is attached any more; never in between. A device may offer faster than the
// worker takes (guests that connect and hang up): what was offered meanwhile, and was not taken, goes
// with the next release, or a peer could use up our descriptors.

import { closeFd } from '../sys/fd.ts';
import { SysError } from '../sys/sys-error.ts';
import { type Attachment, DeviceError, type DeviceStatus } from './device.ts';
import type { UndoJournal } from './journal.ts';

/** Severity of a message to the log. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a device is told about the switch it belongs to. */
export interface DeviceContext {
  /** Directory of the sockets and locks of this user's switches; relative socket paths are in it. */
  readonly runDir: string;
  readonly switchName: string;
  /** Where a device notes what it is about to change on the host. */
  readonly journal: UndoJournal;
  readonly log: (level: LogLevel, message: string) => void;
}

/** The state of one device. */
export class DeviceState {
  #status: DeviceStatus = { up: false, attachment: undefined, mtu: 0, mac: undefined, reason: 'not open' };
  #onChange: (() => void) | undefined;
  readonly #handedOut = new Set<Attachment>();

  get status(): DeviceStatus {
    return this.#status;
  }

  /** Runs `open`; what it throws comes out as a DeviceError, after `undo`. Changes are told from when it has returned. */
  open(onChange: () => void, open: () => void, undo: () => void): void {
    try {
      open();
    } catch (error) {
      undo();
      throw error instanceof SysError ? new DeviceError(error.message) : error;
    }
    this.#onChange = onChange;
  }

  /** Takes over what is given, and tells the change if it is one. A status that is up has no reason. */
  set(change: Partial<DeviceStatus>): void {
    const next = { ...this.#status, ...change };
    if (next.up) next.reason = undefined;
    const { up, attachment, mtu, mac, reason } = this.#status;
    const isSame =
      next.up === up && next.attachment === attachment && next.mtu === mtu && next.mac === mac && next.reason === reason;
    if (isSame) return;
    this.#status = next;
    this.#onChange?.();
  }

  /** Makes an attachment of `fd`, which from now on is closed by `release` or `close`. The caller puts it into the status. */
  handOut(io: Attachment['io'], fd: number, caps: number): Attachment {
    const attachment = { io, fd, caps };
    this.#handedOut.add(attachment);
    return attachment;
  }

  /** Whether the worker may still use `attachment`. */
  isHandedOut(attachment: Attachment): boolean {
    return this.#handedOut.has(attachment);
  }

  /** The worker has let go of `attachment` and uses no other: closes all that were handed out but the one offered now. */
  release(attachment: Attachment): void {
    for (const each of [...this.#handedOut]) if (each === attachment || each !== this.#status.attachment) this.#close(each);
  }

  /** Closes whatever was handed out, and tells no more changes. */
  close(): void {
    this.#onChange = undefined;
    for (const attachment of [...this.#handedOut]) this.#close(attachment);
    this.#status = { ...this.#status, up: false, attachment: undefined, reason: 'closed' };
  }
  #close(attachment: Attachment): void {
    this.#handedOut.delete(attachment);
    closeFd(attachment.fd);
  }
}
