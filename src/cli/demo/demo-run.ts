// One demo from its first step to its last, and back. It can be ended at any moment: what waits is
// interrupted, what is being made is finished, and then everything is undone in the opposite order.

import path from 'node:path';
import { ControlClient } from '../../control/client.ts';
import type { Daemon } from '../../control/daemon.ts';
import { startDaemon } from '../../control/daemon.ts';
import { ControlError, messageOf } from '../../control/errors.ts';
import { openLog } from '../../control/log.ts';
import { cacheDir, type GuestImage, provideGuestImage } from '../../launch/guest-image.ts';
import { probeAccel } from '../../launch/kvm-probe.ts';
import { type Lab, startLab } from '../../launch/lab.ts';
import { LaunchError } from '../../launch/launch-error.ts';
import type { Accelerator } from '../../launch/qemu-args.ts';
import { findQemu, type QemuProgram } from '../../launch/qemu-probe.ts';
import type { PortSpec } from '../../ports/spec.ts';
import type { Ending, Running } from '../lifetime.ts';
import type { Note, Progress } from '../progress.ts';
import { claimDemo, type DemoClaim, demoSubnets, removeDeadDemos } from './journal.ts';
import { type DemoNetwork, makeNetwork, planNetwork } from './network.ts';
import { lostPairs, type PingJson, pingAll, warmUp } from './ping-matrix.ts';
import { type DemoJson, type Introduction, lossSentence, renderIntroduction } from './report.ts';
import { guestStation, hostStation, type Station } from './station.ts';
import { measureThroughput, serve, type ThroughputJson } from './throughput.ts';

/** The guests: two cards as different as can be. */
const GUESTS = [
  { name: 'vm1', model: 'virtio-net-pci', host: 11 },
  { name: 'vm2', model: 'e1000', host: 12 },
] as const;
/** The guests' subnet where nobody else is on it. */
const ROOTLESS_SUBNET = '10.76.0';
/** Room for a kernel, its initramfs and iperf3. */
const GUEST_MEMORY_MB = 256;
const BOOT_TIMEOUT_MS = 120_000;

/** How a demo is run. */
export interface DemoOptions {
  runDir: string;
  /** Name of the switch; undefined for one that is free. */
  name: string | undefined;
  rootless: boolean;
  /** Titles of tables may be emphasised. */
  terminal: boolean;
  progress: Progress;
}

/** What there is once everything was tried. */
export interface DemoOutcome {
  result: DemoJson;
  logDir: string;
  guests: readonly { name: string; address: string }[];
}

/** Why something that waited was interrupted. */
class Interrupted extends Error {}

/** A running demo. */
export class Demo implements Running {
  /** 1 until everything was tried and works. */
  exitCode: 0 | 1 = 1;
  readonly #options: DemoOptions;
  readonly #abort = new AbortController();
  readonly #undo: (() => Promise<void>)[] = [];
  readonly #interruption: Promise<never>;
  #interrupt: (error: Error) => void = () => {};
  #work: Promise<void> = Promise.resolve();
  #isTried = false;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#interruption = new Promise((_, reject) => {
      this.#interrupt = reject;
    });
    this.#interruption.catch(() => {});
  }

  /** Begins; `onTried` hears what came out, and a failure goes to `ending`. */
  begin(ending: Ending, onTried: (outcome: DemoOutcome) => void): void {
    this.#work = this.#run(ending).then(
      (outcome) => {
        this.#isTried = true;
        const loss = lossSentence(outcome.result);
        if (loss === undefined) this.exitCode = 0;
        onTried(outcome);
        if (loss !== undefined) ending.fail(new ControlError(loss));
      },
      (error: Error) => {
        if (error instanceof Interrupted) return;
        this.#isTried = true;
        ending.fail(error);
      },
    );
  }

  /** Interrupts what goes on and undoes everything. */
  async stop(): Promise<void> {
    const { progress } = this.#options;
    this.#interrupt(new Interrupted());
    this.#abort.abort();
    await this.#work;
    if (!this.#isTried) console.error('weft: the demo was ended before everything was tried');
    if (this.#undo.length === 0) return;
    await progress.step('taking everything down', async () => {
      for (const step of this.#undo.reverse()) {
        try {
          await step();
        } catch (error) {
          this.exitCode = 1;
          console.error(`weft: ${messageOf(error)}; the next weft demo will try to remove it`);
        }
      }
    });
  }

  async #run(ending: Ending): Promise<DemoOutcome> {
    const { runDir, name, rootless, progress, terminal } = this.#options;
    const dead = await removeDeadDemos(runDir);
    if (dead.length > 0) progress.say(`removed what killed demos had left: ${dead.join(', ')}`);
    const { image, qemu, accel } = await this.#preparation();

    const claim = await claimDemo(runDir, name);
    this.#undo.push(() => claim.release());
    const network = rootless ? null : await planNetwork(demoSubnets(runDir));
    const subnet = network?.subnet ?? ROOTLESS_SUBNET;
    progress.say(`\n${renderIntroduction(introductions(network, subnet), terminal)}\n\n`);
    if (network !== null) {
      claim.record(network);
      await this.#step(`plugging in the PC (network namespace ${network.netns})`, () => makeNetwork(network));
    }
    const daemon = await this.#step(`starting switch ${claim.name}`, () => this.#startSwitch(claim, network, ending));
    const lab = await this.#startGuests(claim, subnet, { image, qemu, accel });

    const guests = lab.guests.map((guest, i) => guestStation(guest, `${subnet}.${GUESTS[i]?.host}`));
    const stations = [...this.#outside(network), ...guests];
    const pairs = stations.length * (stations.length - 1);
    const pings = await this.#step(`pinging, ${pairs} pairs`, (note) =>
      this.#wait(pingAll(stations, (done, count) => note(`${done} of ${count}`))),
    );
    const throughput = await this.#throughput(guests, stations, pings);

    const client = await ControlClient.connect(daemon.socketPath);
    try {
      const [ports, fdb, drops] = [await client.call('ports', {}), await client.call('fdb', {}), await client.call('drops', {})];
      const ok = lostPairs(pings).length === 0;
      return { result: { ok, switch: claim.name, network, pings, throughput, ports, fdb, drops }, logDir: claim.dir, guests };
    } finally {
      client.close();
    }
  }

  /** What guests need, none of which has to be undone. */
  async #preparation(): Promise<{ image: GuestImage; qemu: QemuProgram; accel: Accelerator }> {
    const { progress } = this.#options;
    const qemu = await findQemu();
    const image = await this.#wait(provideGuestImage((line) => progress.say(line)));
    const { accel, reason } = await this.#step('looking whether guests run under KVM', () =>
      this.#wait(probeAccel(qemu, image, cacheDir())),
    );
    progress.say(`  ${reason}`);
    return { image, qemu, accel };
  }

  async #startSwitch(claim: DemoClaim, network: DemoNetwork | null, ending: Ending): Promise<Daemon> {
    const { runDir, progress } = this.#options;
    const log = openLog({ level: 'warn', json: false, terminal: false, write: (line) => progress.say(line), name: claim.name });
    const ports = GUESTS.map(
      ({ name }): PortSpec => ({
        kind: 'stream',
        target: path.relative(runDir, socketOf(claim, name)),
        name,
        settings: {},
      }),
    );
    const daemon = await startDaemon(
      {
        name: claim.name,
        ...(network !== null && {
          host: { ifname: network.host, address: `${network.subnet}.1/24` },
          uplink: { ifname: network.uplink },
        }),
        ports,
        settings: {},
        guests: [],
      },
      { runDir, log, onStopRequest: ending.request, onFailure: ending.fail },
    );
    this.#undo.push(async () => {
      await daemon.stop();
      log.close();
    });
    return daemon;
  }

  async #startGuests(
    claim: DemoClaim,
    subnet: string,
    { image, qemu, accel }: { image: GuestImage; qemu: QemuProgram; accel: Accelerator },
  ): Promise<Lab> {
    const { progress } = this.#options;
    const guests = GUESTS.map(({ name, model, host }) => ({
      name,
      model,
      memoryMb: GUEST_MEMORY_MB,
      link: { via: 'stream', socketPath: socketOf(claim, name) } as const,
      addresses: [`${subnet}.${host}/24`],
    }));
    const names = GUESTS.map(({ name }) => name).join(' and ');
    return this.#step(`booting ${names} (Linux ${image.kernelVersion})`, async (note) => {
      const lab = await startLab(guests, {
        qemu,
        accel,
        switchName: claim.name,
        image,
        logDir: claim.dir,
        onExit: ({ message }) => {
          if (this.#isTried) progress.say(message);
          else this.#interrupt(new LaunchError(message));
        },
      });
      this.#undo.push(() => lab.stop());
      const onProgress = ({ name, lastLine }: { name: string; lastLine: string }) => note(lastLine && `${name}: ${lastLine}`);
      await this.#wait(lab.ready({ timeoutMs: BOOT_TIMEOUT_MS, onProgress }));
      note('waiting for the network cards');
      await this.#wait(warmUp(lab.guests.map((guest, i) => guestStation(guest, `${subnet}.${GUESTS[i]?.host}`))));
      return lab;
    });
  }

  /** Who is on the switch besides the guests. */
  #outside(network: DemoNetwork | null): Station[] {
    if (network === null) return [];
    const { subnet, netns } = network;
    const { signal } = this.#abort;
    return [hostStation('host', `${subnet}.1`, signal), hostStation('pc', `${subnet}.2`, signal, netns)];
  }

  /** TCP between the guests, and from outside to one of them; nothing where ping did not come through. */
  async #throughput(
    guests: readonly Station[],
    stations: readonly Station[],
    pings: readonly PingJson[],
  ): Promise<ThroughputJson[]> {
    const [vm1, vm2] = guests;
    if (vm1 === undefined || vm2 === undefined || lostPairs(pings).length > 0) return [];
    for (const guest of guests) await this.#wait(serve(guest));
    const results: ThroughputJson[] = [];
    for (const [from, to] of [
      [vm1, vm2] as const,
      ...stations.filter((each) => !guests.includes(each)).map((each) => [each, vm1] as const),
    ]) {
      results.push(await this.#step(`TCP from ${from.name} to ${to.name}`, () => this.#wait(measureThroughput(from, to))));
    }
    return results;
  }

  /** A step that people see; not begun once the end was asked for. What it makes, it must finish or undo. */
  #step<T>(what: string, work: (note: Note) => Promise<T>): Promise<T> {
    if (this.#abort.signal.aborted) throw new Interrupted();
    return this.#options.progress.step(what, work);
  }

  /** Waits for something that need not be finished: less long when the end is asked for, or a guest has died. */
  #wait<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#interruption]);
  }
}

function socketOf(claim: DemoClaim, guest: string): string {
  return path.join(claim.dir, `${guest}.sock`);
}

function introductions(network: DemoNetwork | null, subnet: string): Introduction[] {
  const guests = GUESTS.map(({ name, model, host }) => ({
    name,
    address: `${subnet}.${host}`,
    what: `a QEMU guest with ${/^[aeiou]/.test(model) ? 'an' : 'a'} ${model} card`,
  }));
  if (network === null) return guests;
  return [
    { name: 'host', address: `${subnet}.1`, what: `this machine, on the tap ${network.host}` },
    { name: 'pc', address: `${subnet}.2`, what: `a "physical PC" behind the uplink ${network.uplink}` },
    ...guests,
  ];
}
