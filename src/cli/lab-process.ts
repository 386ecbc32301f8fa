// The process of a lab: a switch and its guests.
//
//   check everything ──> start the switch with all ports ──> start the guests ──> each is ready ──> run
//
// A guest is ready when its network card is connected to the switch; one that boots weft's own image,
// when it has booted. A guest that ends is reported with the end of its log, and the others go on. On the
// way down the guests go first, and get time to write their disks.
//
// The guests' consoles are written to RUN_DIR/NAME.lab/GUEST.log. They stay until the next lab of
// that name, because they are wanted most when something went wrong.

import { mkdirSync } from 'node:fs';
import { type Daemon, type DaemonConfig, startDaemon } from '../control/daemon.ts';
import { ControlError, messageOf } from '../control/errors.ts';
import { type Log, openLog } from '../control/log.ts';
import { cacheDir, provideGuestImage } from '../launch/guest-image.ts';
import { probeAccel } from '../launch/kvm-probe.ts';
import { type Lab, type LabOptions, type LabPlan, labMachines, planLab, startLab } from '../launch/lab.ts';
import { findQemu } from '../launch/qemu-probe.ts';
import { type Guest, READY_TIMEOUT_DEFAULT_MS } from '../launch/supervisor.ts';
import type { LogLevel, Switch } from '../loop/switch.ts';
import { boundedStderr, type LabJson, labDir, Parent, readySentence } from './lab-channel.ts';
import { END_MS, runToEnd } from './lifetime.ts';
import { print, printJson } from './output.ts';

/** How a lab is run. */
export interface LabRunOptions {
  runDir: string;
  /** Readiness is told as JSON. */
  json: boolean;
  logJson: boolean;
  logLevel: LogLevel;
  /** Left in the background by `weft up --detach`, which waits for word from us. */
  detached: boolean;
}

/** Time a guest gets to end by itself. */
const GRACE_MS = 10_000;

/** Runs a lab until it is stopped; ends the process. */
export async function runLab(config: DaemonConfig, options: LabRunOptions): Promise<never> {
  const { runDir } = options;
  const parent = options.detached ? new Parent() : undefined;
  const write = parent === undefined ? undefined : boundedStderr(runDir, config.name);
  const log = openLog({ level: options.logLevel, json: options.logJson, name: config.name, ...(write && { write }) });
  try {
    const guests = await prepare(config, runDir, log);
    return await runToEnd(
      async (ending) => {
        parent?.onGone(ending.request);
        try {
          return await startAll(config, guests, runDir, log, ending);
        } catch (error) {
          await parent?.failed(error);
          throw error;
        }
      },
      (running) => void tellReady(running, guests, log, options, parent),
      GRACE_MS + END_MS,
    );
  } catch (error) {
    await parent?.failed(error);
    throw error;
  }
}

/** The guests of a lab, checked, before anything is started. */
interface Guests {
  plan: LabPlan;
  options: LabOptions;
}

interface RunningLab {
  daemon: Daemon;
  lab: Lab | undefined;
  stop(): Promise<void>;
}

/** Finds QEMU and what the guests need. Throws a LaunchError for whatever can be known to be wrong. */
async function prepare(config: DaemonConfig, runDir: string, log: Log): Promise<Guests | undefined> {
  if (config.guests.length === 0) return undefined;
  const qemu = await findQemu();
  const needsImage = config.guests.some((guest) => guest.qemu === undefined);
  const image = needsImage ? await provideGuestImage((line) => log.write('info', line)) : undefined;
  const { accel, reason } = await probeAccel(qemu, image, cacheDir());
  log.write('info', reason);
  const plan = planLab(config.guests, qemu.version, { runDir, switchName: config.name });
  const options: LabOptions = {
    ...{ qemu, accel, switchName: config.name, logDir: labDir(runDir, config.name), ...(image && { image }) },
    onExit: (exit) => {
      // Each line on its own: a log keeps to one line a message.
      for (const line of exit.message.split('\n')) log.write(exit.expected ? 'info' : 'error', line);
    },
  };
  labMachines(plan.guests, options);
  return { plan, options };
}

async function startAll(
  config: DaemonConfig,
  guests: Guests | undefined,
  runDir: string,
  log: Log,
  ending: { request(): void; fail(error: Error): void },
): Promise<RunningLab> {
  const ports = [...config.ports, ...(guests?.plan.ports ?? [])];
  const daemon = await startDaemon({ ...config, ports }, { runDir, log, onStopRequest: ending.request, onFailure: ending.fail });
  let lab: Lab | undefined;
  try {
    if (guests !== undefined) {
      mkdirSync(labDir(runDir, config.name), { recursive: true });
      lab = await startLab(guests.plan.guests, guests.options);
    }
  } catch (error) {
    await daemon.stop();
    throw error;
  }
  const stop = async () => {
    await lab?.stop(GRACE_MS);
    await daemon.stop();
    log.close();
  };
  return { daemon, lab, stop };
}

/** Waits until every guest is ready or has failed, and says so. */
async function tellReady(
  { daemon, lab }: RunningLab,
  prepared: Guests | undefined,
  log: Log,
  { json }: LabRunOptions,
  parent: Parent | undefined,
): Promise<void> {
  const sw = daemon.switch;
  if (!json && parent === undefined) print(`${sw.name} ready`);
  const guests = await Promise.all(
    (lab?.guests ?? []).map(async (guest, i) => {
      const port = prepared?.plan.ports[i]?.name ?? guest.name;
      const via = prepared?.plan.guests[i]?.link.via ?? 'stream';
      const ready = await isReady(guest, port, sw, log);
      return { name: guest.name, port, mac: guest.mac, via, pid: guest.pid, ready, log: guest.log.file ?? null };
    }),
  );
  const ready = guests.every((guest) => guest.ready);
  const result: LabJson = { name: sw.name, ready, pid: process.pid, socket: daemon.socketPath, guests };
  if (parent !== undefined) await parent.ready(result);
  else if (json) printJson(result);
  else if (guests.length > 0) print(readySentence(result));
}

/** Waits for one guest, and logs how that went. */
async function isReady(guest: Guest, port: string, sw: Switch, log: Log): Promise<boolean> {
  const startedMs = performance.now();
  let hasEnded = false;
  void guest.exited.then(() => {
    hasEnded = true;
  });
  try {
    await guestReady(guest, port, sw);
    log.write('info', `guest ${guest.name} is ready after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    return true;
  } catch (error) {
    // Its end has been reported.
    if (!hasEnded) log.write('error', messageOf(error));
    return false;
  }
}

/** Resolves when a guest is ready; rejects with a sentence when it ends before, or takes too long. */
async function guestReady(guest: Guest, port: string, sw: Switch): Promise<void> {
  if (guest.agent !== undefined) return guest.ready();
  let stopWatching = () => {};
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([
      new Promise<void>((resolve, reject) => {
        stopWatching = sw.subscribe((event) => event.type === 'port_up' && event.port === port && resolve());
        const isUp = async () => (await sw.view()).ports.some(({ name, up }) => name === port && up);
        isUp().then((up) => up && resolve(), reject);
      }),
      guest.exited.then(({ message }) => {
        throw new ControlError(message);
      }),
      new Promise<void>((_resolve, reject) => {
        const late = `guest ${guest.name} has not connected its network card after ${READY_TIMEOUT_DEFAULT_MS / 1000} s`;
        timer = setTimeout(() => reject(new ControlError(late)), READY_TIMEOUT_DEFAULT_MS);
      }),
    ]);
  } finally {
    stopWatching();
    clearTimeout(timer);
  }
}
