// One running guest: starts its QEMU, keeps what it prints, says why it ended, and ends it.
//
// - QEMU is a guarded child (guarded-child.ts): it is gone when we are, also after kill -9.
// - Its standard output (the guest's console) and standard error go to one bounded log.
// - For a guest that boots weft's image, a socket pair made at the spawn is the second serial port: no path,
//   nothing to remove, and connected before the guest's first instruction.
// - It is ended with SIGTERM, on which QEMU closes down at once, and SIGKILL if that does not help.
//   The guest is not asked to shut down: these guests have nothing to save. The signals go to our own
//   child, by ChildProcess.kill, which knows when the process id is no longer ours.
//
// Nothing here retries: a guest that ended is reported, and whoever started it decides.

import type { ChildProcess, StdioOptions } from 'node:child_process';
import fs from 'node:fs';
import type { Duplex } from 'node:stream';
import { Agent } from './agent.ts';
import { ConsoleLog, LOG_LINES_MAX } from './console-log.ts';
import { spawnGuarded } from './guarded-child.ts';
import { LaunchError } from './launch-error.ts';
import { AGENT_FD, type GuestLink, type GuestMachine, qemuArgs } from './qemu-args.ts';
import { checkModel, type QemuProgram } from './qemu-probe.ts';

/** How a guest ended. */
export interface GuestExit {
  readonly name: string;
  /** Exit status, or null if a signal ended it. */
  readonly status: number | null;
  readonly signal: string | null;
  /** Whether we ended it or it shut down by itself without complaint; otherwise it died. */
  readonly expected: boolean;
  /** What happened, in one sentence; for a guest that died, followed by the end of its log. */
  readonly message: string;
}

/** How far a guest has come that is not ready yet. */
export interface BootProgress {
  readonly name: string;
  readonly elapsedMs: number;
  /** Last line of its console, or '' while it has said nothing. */
  readonly lastLine: string;
}

/** How to wait for a guest. */
export interface ReadyOptions {
  readonly timeoutMs?: number;
  /** Called about once a second while waiting. */
  readonly onProgress?: (progress: BootProgress) => void;
}

/** A guest that was started. */
export interface Guest {
  readonly name: string;
  readonly mac: string;
  /** Process id of its QEMU. */
  readonly pid: number;
  /** QEMU's arguments as they were used. */
  readonly args: readonly string[];
  readonly log: ConsoleLog;
  /** Present for guests that boot weft's image. */
  readonly agent: Agent | undefined;
  /** Resolves when its QEMU has ended, however; never rejects. */
  readonly exited: Promise<GuestExit>;
  /**
   * Resolves when the guest's agent listens and its network is configured; for a guest without an agent,
   * at once. Rejects with a LaunchError if it ends first or takes too long; the guest is not ended.
   */
  ready(options?: ReadyOptions): Promise<void>;
  /** Ends the guest and resolves when it is gone; within `graceMs` by itself, then by force. */
  stop(graceMs?: number): Promise<GuestExit>;
}

/** Where a guest's output goes. */
export interface GuestOutput {
  /** File for the console's log; without it the last lines are kept in memory only. */
  readonly logFile?: string;
  /** Leaves our own terminal to QEMU (for `weft qemu` with -nographic); there is no log then. */
  readonly terminal?: boolean;
}

/** Time a guest gets to boot; under TCG on a busy machine it needs a good part of it. */
export const READY_TIMEOUT_DEFAULT_MS = 90_000;
/** Time QEMU gets to end on SIGTERM. */
export const STOP_GRACE_DEFAULT_MS = 2000;
/** Lines of the log in the message about a guest that died. */
export const MESSAGE_LINES = 12;

const PROGRESS_MS = 1000;
/** How long the pipes of an ended QEMU may stay open before its log counts as complete. */
const DRAIN_MS = 1000;

/**
 * Starts `machine` and resolves as soon as QEMU runs; a QEMU that refuses its arguments ends right after,
 * which `ready` and `exited` report. Throws a LaunchError for a description that cannot be started.
 */
export async function startGuest(qemu: QemuProgram, machine: GuestMachine, output: GuestOutput = {}): Promise<Guest> {
  checkModel(qemu, machine.name, machine.model);
  const args = qemuArgs(machine, qemu.version);
  checkLink(machine);
  const terminal = output.terminal === true;
  const stdio: StdioOptions = terminal ? ['inherit', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'];
  if (machine.boot !== undefined) stdio[AGENT_FD] = 'pipe';
  const log = new ConsoleLog(output.logFile);
  let child: ChildProcess;
  try {
    child = await spawnGuarded(qemu.path, args, { stdio, detached: !terminal });
  } catch (error) {
    log.close();
    throw error;
  }
  return new QemuGuest(machine, args, child, log, terminal);
}

/** Refuses a link with nothing at its other end. QEMU would not: it runs with a card that is never connected, or makes a tap of its own. */
function checkLink({ name, link }: GuestMachine): void {
  const socketPath = link.via === 'stream' ? link.socketPath : link.via === 'dgram' ? link.switchPath : undefined;
  if (socketPath !== undefined && fs.statSync(socketPath, { throwIfNoEntry: false })?.isSocket() !== true) {
    throw new LaunchError(
      `Guest ${name}: no switch listens on ${socketPath}; start the switch, or add the port, before the guest.`,
    );
  }
  if (link.via === 'tap' && !hasInterface(link.ifname)) {
    throw new LaunchError(`Guest ${name}: there is no tap ${link.ifname} here; add the switch's port for it before the guest.`);
  }
}

/** Whether this network namespace has interface `ifname`; /sys may show another namespace's. */
function hasInterface(ifname: string): boolean {
  const lines = fs.readFileSync('/proc/net/dev', 'utf8').split('\n');
  return lines.some((line) => line.trimStart().startsWith(`${ifname}:`));
}

class QemuGuest implements Guest {
  readonly name: string;
  readonly mac: string;
  readonly pid: number;
  readonly args: readonly string[];
  readonly log: ConsoleLog;
  readonly agent: Agent | undefined;
  readonly exited: Promise<GuestExit>;
  readonly #child: ChildProcess;
  readonly #hasTerminal: boolean;
  readonly #link: GuestLink;
  #stopping = false;

  constructor(machine: GuestMachine, args: readonly string[], child: ChildProcess, log: ConsoleLog, hasTerminal: boolean) {
    this.name = machine.name;
    this.mac = machine.mac;
    this.pid = child.pid ?? 0;
    this.args = args;
    this.log = log;
    this.#link = machine.link;
    this.#child = child;
    this.#hasTerminal = hasTerminal;
    child.stdout?.on('data', (octets: Buffer) => log.write(octets));
    child.stderr?.on('data', (octets: Buffer) => log.write(octets));
    const socket = child.stdio[AGENT_FD];
    this.agent = socket ? new Agent(socket as Duplex, machine.name) : undefined;
    this.exited = this.#watch();
  }

  async ready({ timeoutMs = READY_TIMEOUT_DEFAULT_MS, onProgress }: ReadyOptions = {}): Promise<void> {
    if (this.agent === undefined) return;
    const started = performance.now();
    const progress = setInterval(() => {
      onProgress?.({ name: this.name, elapsedMs: performance.now() - started, lastLine: this.log.tail(1)[0] ?? '' });
    }, PROGRESS_MS);
    let deadline: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      deadline = setTimeout(() => resolve('late'), timeoutMs);
    });
    const outcome = await Promise.race([this.agent.ready, this.exited, late]);
    clearInterval(progress);
    clearTimeout(deadline);
    if (outcome === true) return;
    if (outcome === 'late') {
      throw new LaunchError(`Guest ${this.name} is not ready after ${Math.round(timeoutMs / 1000)} s${this.#logEnd()}`);
    }
    throw new LaunchError((await this.exited).message);
  }

  async stop(graceMs: number = STOP_GRACE_DEFAULT_MS): Promise<GuestExit> {
    this.#stopping = true;
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    const exit = await this.exited;
    clearTimeout(force);
    return exit;
  }

  #watch(): Promise<GuestExit> {
    return new Promise((resolve) => {
      let drain: NodeJS.Timeout | undefined;
      const end = () => {
        clearTimeout(drain);
        this.#child.stdio[AGENT_FD]?.destroy();
        this.log.close();
        // QEMU leaves the path we gave it.
        if (this.#link.via === 'dgram') fs.rmSync(this.#link.guestPath, { force: true });
        resolve(this.#describeExit(this.#child.exitCode, this.#child.signalCode));
      };
      // Close comes after the last output; a helper that QEMU started could hold the pipes open, though.
      this.#child.once('exit', () => {
        drain = setTimeout(end, DRAIN_MS);
      });
      this.#child.once('close', end);
    });
  }

  #describeExit(status: number | null, signal: string | null): GuestExit {
    // A panic reboots, and QEMU, told not to reboot, ends as after an orderly shutdown.
    const panic = panicLines(this.log.tail(LOG_LINES_MAX));
    const expected = this.#stopping || (status === 0 && panic.length === 0);
    let how = signal === null ? `exit status ${status}` : `signal ${signal}`;
    if (panic.length > 0) how = 'kernel panic';
    let message = `Guest ${this.name} died (${how})${this.#logEnd(panic)}`;
    if (this.#stopping) message = `Guest ${this.name} was stopped.`;
    else if (expected) message = `Guest ${this.name} has shut down.`;
    return { name: this.name, status, signal, expected, message };
  }

  /** The end of the log, or what else tells more, as the end of a message. */
  #logEnd(lines: readonly string[] = []): string {
    // What it said stands above on the terminal.
    if (this.#hasTerminal) return '.';
    const shown = (lines.length > 0 ? lines : this.log.tail(MESSAGE_LINES)).map((line) => `  ${line}`).join('\n');
    const where = this.log.file === undefined ? '' : ` (${this.log.file})`;
    return shown === '' ? `; it printed nothing${where}.` : `; the end of its log${where}:\n${shown}`;
  }
}

/** A Linux kernel's last words, from the panic on; none if it did not panic. */
function panicLines(lines: readonly string[]): string[] {
  const start = lines.findLastIndex((line) => line.includes('Kernel panic - not syncing'));
  return start < 0 ? [] : lines.slice(start, start + MESSAGE_LINES);
}
