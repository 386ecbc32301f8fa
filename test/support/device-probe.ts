// Drives a device as a switch does: looks at its status, counts its changes, and plays the worker's
// part of letting go of what is no longer offered.

import type { Attachment, Device, DeviceStatus } from '../../src/ports/device.ts';
import type { DeviceContext } from '../../src/ports/device-state.ts';
import { createDevice } from '../../src/ports/open-device.ts';
import { type PortSpec, parsePortSpec } from '../../src/ports/spec.ts';
import { until } from './netns.ts';

/** Messages a device logged, as `level: message`. */
export const logged: string[] = [];

/** What tests tell a device about its switch. */
export const CONTEXT: DeviceContext = {
  runDir: '/run',
  switchName: 'br-test',
  journal: { add: () => () => {} },
  log: (level, message) => logged.push(`${level}: ${message}`),
};

/** A device with its caller. */
export class DeviceProbe {
  readonly device: Device;
  /** Every status that was told, from the one after `open` on. */
  readonly told: DeviceStatus[] = [];
  #held: Attachment | undefined;

  /** `port` as on a command line, with what only code can set beside. */
  constructor(port: string, more: Partial<PortSpec> = {}) {
    this.device = createDevice({ ...parsePortSpec(port), ...more }, CONTEXT);
  }

  get status(): DeviceStatus {
    return this.device.status;
  }

  /** Opens the device; changes told meanwhile are a fault. */
  open(): this {
    let isOpen = false;
    this.device.open(() => {
      if (!isOpen) throw new Error('a change was told while the device was being opened');
      this.#changed();
    });
    isOpen = true;
    this.#changed();
    return this;
  }

  /** Waits for a status that meets `condition`. */
  until(what: string, condition: (status: DeviceStatus) => boolean): Promise<DeviceStatus> {
    return until(`${what}, not ${JSON.stringify(this.status)}`, () => condition(this.status) && this.status);
  }

  /** Lets go of the attachment and closes the device. */
  close(): void {
    if (this.#held !== undefined) this.device.release(this.#held);
    this.#held = undefined;
    this.device.close();
  }

  #changed(): void {
    const { status } = this.device;
    this.told.push(status);
    const held = this.#held;
    if (held === status.attachment) return;
    this.#held = status.attachment;
    // The worker lets go some time later, not inside the call.
    if (held !== undefined) setImmediate(() => this.device.release(held));
  }
}
