// The guests of one switch, started and stopped together: `weft up`, the demo and the tests.
//
// Everything that can be known to be wrong is refused before the first QEMU starts; if one guest cannot be
// started, those before it are stopped again. Guests boot side by side.

import path from 'node:path';
import type { GuestConfig } from '../control/config.ts';
import type { PortSpec } from '../ports/spec.ts';
import { guestMac } from './guest-mac.ts';
import { type GuestPlace, guestPort } from './guest-port.ts';
import { LaunchError } from './launch-error.ts';
import {
  type Accelerator,
  type GuestBoot,
  type GuestLink,
  type GuestMachine,
  MEMORY_MB_DEFAULT,
  MODEL_DEFAULT,
  qemuArgs,
} from './qemu-args.ts';
import { checkModel, type QemuProgram, type QemuVersion } from './qemu-probe.ts';
import { type Guest, type GuestExit, type ReadyOptions, startGuest } from './supervisor.ts';

/** A guest as a configuration describes it. */
export interface LabGuest {
  readonly name: string;
  readonly link: GuestLink;
  readonly mac?: string;
  readonly model?: string;
  readonly memoryMb?: number;
  /** The user's QEMU arguments. A guest without them boots weft's image. */
  readonly qemu?: readonly string[];
  /** For a guest that boots weft's image. */
  readonly addresses?: readonly string[];
  readonly gateway?: string;
  readonly mtu?: number;
}

/** What the guests of a lab share. */
export interface LabOptions {
  readonly qemu: QemuProgram;
  readonly accel: Accelerator;
  /** Part of each derived MAC. */
  readonly switchName: string;
  /** weft's guest image; needed for guests without QEMU arguments of their own. */
  readonly image?: { readonly kernel: string; readonly initrd: string };
  /** Existing folder for the consoles' logs, NAME.log each. */
  readonly logDir?: string;
  /** Called once for each guest that ends without having been stopped. */
  readonly onExit?: (exit: GuestExit) => void;
}

/** Guests that run. */
export interface Lab {
  /** In the order of the configuration. */
  readonly guests: readonly Guest[];
  /** Resolves when all are ready; rejects with the first one's LaunchError. `timeoutMs` is for each. */
  ready(options?: ReadyOptions): Promise<void>;
  /** Stops all; resolves when all are gone, each within `graceMs` by itself or then by force. */
  stop(graceMs?: number): Promise<void>;
}

/** A configuration's guests: the ports they need on the switch, and what to start. */
export interface LabPlan {
  readonly ports: readonly PortSpec[];
  readonly guests: readonly LabGuest[];
}

/** What the guests of a configuration come to. Throws a LaunchError for one that cannot be connected. */
export function planLab(configs: readonly GuestConfig[], version: QemuVersion, place: GuestPlace): LabPlan {
  const ports: PortSpec[] = [];
  const guests: LabGuest[] = [];
  for (const { name, port = name, via = 'auto', mac, model, memory_mb: memoryMb, qemu } of configs) {
    const { spec, link } = guestPort(port, via, version, place);
    ports.push(spec);
    guests.push({
      name,
      link,
      ...(mac !== undefined && { mac }),
      ...(model !== undefined && { model }),
      ...(memoryMb !== undefined && { memoryMb }),
      ...(qemu !== undefined && { qemu }),
    });
  }
  return { ports, guests };
}

/** Starts `guests` and resolves when all QEMUs run. Throws a LaunchError; then none of them runs. */
export async function startLab(guests: readonly LabGuest[], options: LabOptions): Promise<Lab> {
  const machines = labMachines(guests, options);
  const started: Guest[] = [];
  let stopping = false;
  const lab: Lab = {
    guests: started,
    ready: async (ready) => {
      await Promise.all(started.map((guest) => guest.ready(ready)));
    },
    stop: async (graceMs) => {
      stopping = true;
      await Promise.all(started.map((guest) => guest.stop(graceMs)));
    },
  };
  try {
    for (const machine of machines) {
      const logFile = options.logDir === undefined ? {} : { logFile: path.join(options.logDir, `${machine.name}.log`) };
      started.push(await startGuest(options.qemu, machine, logFile));
    }
  } catch (error) {
    await lab.stop();
    throw error;
  }
  for (const guest of started) {
    void guest.exited.then((exit) => {
      if (!stopping) options.onExit?.(exit);
    });
  }
  return lab;
}

/** The machines of `guests`, with every default filled in and everything checked that can be. */
export function labMachines(guests: readonly LabGuest[], options: LabOptions): GuestMachine[] {
  const machines = guests.map((guest) => labMachine(guest, options));
  const names = new Set<string>();
  const macs = new Map<string, string>();
  for (const { name, mac } of machines) {
    if (names.has(name)) throw new LaunchError(`Two guests have the name ${name}; each needs its own.`);
    const other = macs.get(mac);
    if (other !== undefined)
      throw new LaunchError(`Guests ${other} and ${name} have the same MAC ${mac}; give one of them another.`);
    names.add(name);
    macs.set(mac, name);
  }
  for (const machine of machines) {
    checkModel(options.qemu, machine.name, machine.model);
    qemuArgs(machine, options.qemu.version);
  }
  return machines;
}

function labMachine(guest: LabGuest, options: LabOptions): GuestMachine {
  return {
    name: guest.name,
    mac: guestMac(options.switchName, guest.name, guest.mac),
    model: guest.model ?? MODEL_DEFAULT,
    link: guest.link,
    accel: options.accel,
    memoryMb: guest.memoryMb ?? MEMORY_MB_DEFAULT,
    qemu: guest.qemu ?? [],
    ...(guest.qemu === undefined ? { boot: imageBoot(guest, options) } : {}),
  };
}

function imageBoot(guest: LabGuest, options: LabOptions): GuestBoot {
  if (options.image === undefined) {
    throw new LaunchError(
      `Guest ${guest.name} says nothing about what to boot; give it QEMU arguments, such as qemu: [-hda, disk.img].`,
    );
  }
  return {
    kernel: options.image.kernel,
    initrd: options.image.initrd,
    ...(guest.addresses === undefined ? {} : { addresses: guest.addresses }),
    ...(guest.gateway === undefined ? {} : { gateway: guest.gateway }),
    ...(guest.mtu === undefined ? {} : { mtu: guest.mtu }),
  };
}
