// One port as the main thread keeps it: a device below, a port of the worker above, and the steps
// that bring the second in line with the first.
//
// The device may change at any time (a guest connects, a tap is deleted); the worker answers some
// turns later. So a change only marks the port, and `sync` goes round until what the worker runs is
// what the device offers:
//
//   other attachment wanted?  link down -> detach -> (worker has let go) release
//   MTU changed?              port_set
//   then                      attach, with the link up from the first frame on if the device is up
//   up or down?               port_link
//
// Only one `sync` of a port runs at a time, and a descriptor is released only after the worker's
// word that nothing refers to it any more.

import { CommandError } from '../bridge/command.ts';
import type { Attachment, Device } from '../ports/device.ts';
import type { PortFault } from '../ports/port.ts';
import type { PortSpec } from '../ports/spec.ts';
import type { WorkerClient } from './worker-client.ts';

/** Hears of a port going up or down. */
export type OnLink = (port: ManagedPort, up: boolean, reason: string | undefined) => void;

/** A port with its device. */
export class ManagedPort {
  readonly spec: PortSpec;
  readonly portNo: number;
  readonly device: Device;
  readonly #worker: WorkerClient;
  readonly #onLink: OnLink;
  #attached: Attachment | undefined;
  #isUp = false;
  #mtu: number;
  #running: Promise<void> | undefined;
  #isStale = false;
  #isClosing = false;

  /** `mtu` is what the bridge believes already. */
  constructor(spec: PortSpec, portNo: number, device: Device, mtu: number, worker: WorkerClient, onLink: OnLink) {
    this.spec = spec;
    this.portNo = portNo;
    this.device = device;
    this.#mtu = mtu;
    this.#worker = worker;
    this.#onLink = onLink;
  }

  /** Brings the worker in line with the device; resolves when it is. */
  sync(): Promise<void> {
    this.#isStale = true;
    this.#running ??= this.#settle().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** The worker took the port out because its device failed. */
  fault(fault: PortFault): void {
    if (this.#isUp) this.#tellLink(false, faultText(fault));
    const attachment = this.#attached;
    if (attachment !== undefined && !this.#isClosing) this.device.failed(attachment, fault);
  }

  /** Detaches and undoes everything; the bridge's port itself is the caller's to remove. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.sync();
    this.device.close();
  }

  /** Closes the device of a worker that has ended, so that there is nothing to detach. */
  abandon(): void {
    this.#isClosing = true;
    if (this.#attached !== undefined) this.device.release(this.#attached);
    this.#attached = undefined;
    this.device.close();
  }

  async #settle(): Promise<void> {
    const { portNo } = this;
    while (this.#isStale) {
      this.#isStale = false;
      const { up, attachment, mtu, reason } = this.#isClosing
        ? { up: false, attachment: undefined, mtu: this.#mtu, reason: 'removed' }
        : this.device.status;
      if (this.#attached !== attachment && this.#attached !== undefined) {
        await this.#link(false, reason ?? 'it is opened anew');
        await this.#worker.request({ type: 'detach', portNo });
        this.device.release(this.#attached);
        this.#attached = undefined;
        // What the device offered before may be closed by now.
        this.#isStale = true;
        continue;
      }
      if (mtu !== this.#mtu) {
        await this.#worker.request({ type: 'apply', command: { type: 'port_set', portNo, settings: { mtu } } });
        this.#mtu = mtu;
      }
      if (this.#attached !== attachment && attachment !== undefined) await this.#attach(attachment, up);
      await this.#link(up && this.#attached !== undefined, reason);
    }
  }

  async #attach(attachment: Attachment, up: boolean): Promise<void> {
    try {
      await this.#worker.request({ type: 'attach', portNo: this.portNo, attachment, up });
      this.#attached = attachment;
      if (up) this.#tellLink(true, undefined);
    } catch (error) {
      // The descriptor went bad on the way: the device finds out and offers another, or none.
      if (!(error instanceof CommandError)) throw error;
      this.device.failed(attachment, 'gone');
      this.device.release(attachment);
    }
  }

  async #link(up: boolean, reason: string | undefined): Promise<void> {
    if (up === this.#isUp) return;
    await this.#worker.request({ type: 'apply', command: { type: 'port_link', portNo: this.portNo, up } });
    this.#tellLink(up, reason);
  }

  #tellLink(up: boolean, reason: string | undefined): void {
    this.#isUp = up;
    this.#onLink(this, up, up ? undefined : reason);
  }
}

function faultText(fault: PortFault): string {
  switch (fault) {
    case 'gone':
      return 'the interface was deleted';
    case 'closed':
      return 'the other side closed the connection';
    case 'garbage':
      return 'the other side sent something that is not a frame';
  }
}
