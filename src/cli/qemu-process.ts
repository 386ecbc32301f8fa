// QEMU in the foreground with a card on a running switch.
//
//   add the port, leased ──> start QEMU on our terminal ──> wait for its end ──> remove the port
//
// The control connection that added the port stays open: whatever ends us, the switch notices, and
// removes the port (control/leases.ts); and QEMU is killed when we are (launch/guarded-child.ts). Signals go
// on to QEMU, and we end when it has, with its status. A switch that ends meanwhile ends nobody's guest.

import os from 'node:os';
import path from 'node:path';
import { ControlClient } from '../control/client.ts';
import type { GuestVia } from '../control/config.ts';
import { cacheDir } from '../launch/guest-image.ts';
import { guestMac } from '../launch/guest-mac.ts';
import { type GuestPort, guestPort } from '../launch/guest-port.ts';
import { probeAccel } from '../launch/kvm-probe.ts';
import { type Accelerator, choosesAccelerator, MEMORY_MB_DEFAULT, MODEL_DEFAULT } from '../launch/qemu-args.ts';
import { checkModel, findQemu, type QemuProgram } from '../launch/qemu-probe.ts';
import { type GuestExit, startGuest } from '../launch/supervisor.ts';
import { deleteLink, findLink } from '../sys/rtnetlink.ts';

/** What `weft qemu` is told besides QEMU's arguments. */
export interface QemuOptions {
  port?: string;
  model?: string;
  mac?: string;
  via: GuestVia;
}

/** Time QEMU gets to write its disks after a signal. */
const GRACE_MS = 30_000;
/** Others may take the name we chose; not so often. */
const NAME_TRIES_MAX = 10;

/** Runs QEMU to its end; resolves to the exit status. */
export async function runQemu(socketPath: string, args: readonly string[], options: QemuOptions): Promise<number> {
  const qemu = await findQemu();
  const model = options.model ?? MODEL_DEFAULT;
  checkModel(qemu, options.port ?? 'to be started', model);
  const accel = await accelFor(qemu, args);
  const client = await ControlClient.connect(socketPath);
  try {
    const { name: switchName } = await client.call('show', {});
    const { name, port, madeTap } = await addGuestPort(client, qemu, switchName, path.dirname(socketPath), options);
    const mac = guestMac(switchName, name, options.mac);
    const machine = { name, mac, model, link: port.link, accel, memoryMb: MEMORY_MB_DEFAULT, qemu: args };
    const guest = await startGuest(qemu, machine, { terminal: true });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void guest.stop(GRACE_MS));
    let isOver = false;
    void client.closed().then(() => {
      if (!isOver) console.error(`weft: ${switchName} has ended; guest ${name} runs on, without a network`);
    });
    const exit = await guest.exited;
    isOver = true;
    // The port is gone before we are. If the switch has gone first, there is nothing to remove.
    await client.call('port_del', { name }).catch(() => {});
    if (madeTap) deleteTap(name);
    if (exit.status !== 0) console.error(`weft: ${exit.message}`);
    return statusOf(exit);
  } finally {
    client.close();
  }
}

/** How the guest is to run: as the user's arguments say, else under KVM if a guest boots under it here. */
async function accelFor(qemu: QemuProgram, args: readonly string[]): Promise<Accelerator> {
  return choosesAccelerator(args) ? 'tcg' : (await probeAccel(qemu, undefined, cacheDir())).accel;
}

/** Adds the guest's port, under the name asked for or the first free one. */
async function addGuestPort(
  client: ControlClient,
  qemu: QemuProgram,
  switchName: string,
  runDir: string,
  { port: asked, via }: QemuOptions,
): Promise<{ name: string; port: GuestPort; madeTap: boolean }> {
  const namesInUse = async () => (await client.call('ports', {})).map(({ ifname }) => ifname);
  for (let tries = 1; ; tries++) {
    let name = asked;
    if (name === undefined) {
      const inUse = new Set(await namesInUse());
      for (let n = 1; name === undefined; n++) {
        // A tap of its name would be made: an interface that is there already is somebody else's.
        const isFree = !inUse.has(`vm${n}`) && findLink(`vm${n}`) === undefined;
        if (isFree) name = `vm${n}`;
      }
    }
    const port = guestPort(name, via, qemu.version, { runDir, switchName });
    const madeTap = port.link.via === 'tap' && findLink(name) === undefined;
    try {
      await client.call('port_add', { spec: port.spec, lease: true });
      return { name, port, madeTap };
    } catch (error) {
      const isTaken = asked === undefined && (await namesInUse()).includes(name);
      if (!isTaken || tries === NAME_TRIES_MAX) throw error;
    }
  }
}

/** Removes the tap that was made for us, if the switch ended first: it leaves a tap that QEMU has open. */
function deleteTap(name: string): void {
  const link = findLink(name);
  if (link?.kind === 'tun') deleteLink(link.ifindex);
}

/** As a shell tells it: 128 + signal for a QEMU that a signal ended. */
function statusOf({ status, signal }: GuestExit): number {
  if (status !== null) return status;
  return 128 + (os.constants.signals[signal as NodeJS.Signals] ?? 0);
}
