// Runs commands in a guest over its second serial port, whatever its network does.
//
// The guest's side is a shell script in the image (tools/guest-image.mjs). It says "\x01ready"; then for a
// request line `ID SECONDS COMMAND` it answers "\x01begin ID", the command's output as it comes (standard
// error too), and "\x01end ID STATUS", each mark on a line of its own. Marks of an unknown ID are
// output, so IDs are random: no output can be mistaken for an answer, and what a command that we gave up
// waiting for still prints is skipped until the next "begin".
//
// One command runs at a time; further ones wait their turn. The guest kills a command that takes longer
// than its time. If the guest does not even do that, we stop waiting a little later.

import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { LaunchError } from './launch-error.ts';

/** What became of a command. */
export interface CommandResult {
  /** Exit status as the shell sees it: 128 + signal for a command that was killed. */
  readonly status: number;
  /** Standard output and standard error as they came, at most OUTPUT_BYTES_MAX octets. */
  readonly output: string;
}

/** Output kept of one command; the rest is dropped. */
export const OUTPUT_BYTES_MAX = 1 << 20;
/** Longest command; the guest's serial line buffers 4095 octets. */
export const COMMAND_BYTES_MAX = 4000;
/** Time a command gets unless it asks for another. */
export const COMMAND_TIMEOUT_DEFAULT_MS = 10_000;

const MARK = 1;
const NEWLINE = 10;
/** No mark of ours is longer. */
const MARK_LEN_MAX = 64;
/** How much later than the guest the host gives up. */
const GRACE_MS = 5000;
/** Status of a command the guest killed. */
const STATUS_KILLED = 137;
/** How far the guest's clock may be off when we decide whether it was the time limit that killed. */
const CLOCK_TOLERANCE_MS = 500;

/** The command in progress. */
interface Exchange {
  readonly id: string;
  readonly output: Buffer[];
  outputBytes: number;
  begun: boolean;
  /** Ends it: with the guest's exit status, or with what went wrong. */
  readonly end: (outcome: number | string) => void;
}

/** The agent of one guest. */
export class Agent {
  /** True once the guest's agent listens; false if the guest ends before. Never rejects. */
  readonly ready: Promise<boolean>;
  readonly #guestName: string;
  readonly #socket: Duplex;
  #settleReady: (ready: boolean) => void = () => {};
  #received: Buffer = Buffer.alloc(0);
  #exchange: Exchange | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** Speaks over `socket`, the other end of the guest's second serial port, from before the guest starts. */
  constructor(socket: Duplex, guestName: string) {
    this.#guestName = guestName;
    this.#socket = socket;
    this.ready = new Promise((resolve) => {
      this.#settleReady = resolve;
    });
    socket.on('data', (octets: Buffer) => this.#receive(octets));
    // An error is followed by close, and close says it all: QEMU has gone.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#settleReady(false);
      this.#exchange?.end('was cut off, because the guest ended.');
    });
  }

  /**
   * Runs `command` with `sh -c` in the guest and resolves with its status and output, whatever the status.
   * Rejects with a LaunchError if it takes longer than `timeoutMs` (rounded up to seconds), if the guest
   * does not answer, or if the guest ends. Waits for the guest to be ready, and for earlier commands.
   */
  async run(
    command: string,
    { timeoutMs = COMMAND_TIMEOUT_DEFAULT_MS }: { readonly timeoutMs?: number } = {},
  ): Promise<CommandResult> {
    if (/[\n\r\0]/.test(command) || command.trim() === '' || Buffer.byteLength(command) > COMMAND_BYTES_MAX) {
      throw new LaunchError(
        `A command for a guest is one line of 1 to ${COMMAND_BYTES_MAX} octets, unlike "${shortened(command)}".`,
      );
    }
    const before = this.#last;
    const result = before.then(() => this.#perform(command, Math.max(1, Math.ceil(timeoutMs / 1000))));
    this.#last = result.catch(() => {});
    return result;
  }

  async #perform(command: string, seconds: number): Promise<CommandResult> {
    const output: Buffer[] = [];
    const ready = await this.ready;
    const started = performance.now();
    const outcome = ready ? await this.#exchangeOf(command, seconds, output) : 'was not run, because the guest has ended.';
    const text = Buffer.concat(output).toString();
    if (typeof outcome === 'string') throw new LaunchError(`Guest ${this.#guestName}: "${shortened(command)}" ${outcome}`);
    if (outcome === STATUS_KILLED && performance.now() - started >= seconds * 1000 - CLOCK_TOLERANCE_MS) {
      const printed = text.trim().slice(-500) || 'nothing';
      throw new LaunchError(
        `Guest ${this.#guestName}: "${shortened(command)}" was killed after ${seconds} s; it had printed: ${printed}`,
      );
    }
    return { status: outcome, output: text };
  }

  /** One request and its answer: the exit status, or what went wrong; the output is added to `output`. */
  #exchangeOf(command: string, seconds: number, output: Buffer[]): Promise<number | string> {
    return new Promise((resolve) => {
      const end = (outcome: number | string) => {
        clearTimeout(timer);
        this.#exchange = undefined;
        resolve(outcome);
      };
      const timer = setTimeout(
        () => end(`got no answer within ${seconds} s; the guest hangs, or is far too slow.`),
        seconds * 1000 + GRACE_MS,
      );
      if (this.#socket.destroyed) {
        end('was not run, because the guest has ended.');
        return;
      }
      this.#exchange = { id: randomBytes(8).toString('hex'), output, outputBytes: 0, begun: false, end };
      this.#socket.write(`${this.#exchange.id} ${seconds} ${command}\n`);
    });
  }

  /** Splits what arrived into marks and output; keeps a mark that is not complete yet. */
  #receive(octets: Buffer): void {
    let rest = this.#received.length === 0 ? octets : Buffer.concat([this.#received, octets]);
    while (rest.length > 0) {
      const start = rest.indexOf(MARK);
      if (start !== 0) {
        this.#addOutput(start < 0 ? rest : rest.subarray(0, start));
        rest = start < 0 ? rest.subarray(rest.length) : rest.subarray(start);
        continue;
      }
      const newline = rest.subarray(0, MARK_LEN_MAX).indexOf(NEWLINE);
      if (newline < 0 && rest.length < MARK_LEN_MAX) break;
      const isMark = newline > 0 && this.#obey(rest.toString('latin1', 1, newline));
      const len = isMark ? newline + 1 : 1;
      if (!isMark) this.#addOutput(rest.subarray(0, len));
      rest = rest.subarray(len);
    }
    this.#received = rest;
  }

  /** Acts on a mark; false if it is none of ours. */
  #obey(mark: string): boolean {
    const [verb, id, status] = mark.split(' ');
    if (mark === 'ready') {
      this.#settleReady(true);
      return true;
    }
    const exchange = this.#exchange;
    if (exchange === undefined || id !== exchange.id) return false;
    if (verb === 'begin') exchange.begun = true;
    else if (verb === 'end') exchange.end(Number(status));
    return true;
  }

  #addOutput(octets: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === undefined || !exchange.begun) return;
    const room = OUTPUT_BYTES_MAX - exchange.outputBytes;
    if (room <= 0) return;
    exchange.output.push(Buffer.from(octets.subarray(0, room)));
    exchange.outputBytes += Math.min(room, octets.length);
  }
}

/** A command as it stands in a message. */
function shortened(command: string): string {
  return command.length > 80 ? `${command.slice(0, 77)}...` : command;
}
