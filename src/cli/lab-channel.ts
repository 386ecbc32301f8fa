// What a lab in the background and the `weft up --detach` that started it have in common: the
// channel on which the lab gives its one word, ready or why not, and its log.
//
// The lab's standard error is RUN_DIR/NAME.lab/weft.log, for whatever a process can say, its last
// words included. Its size is bounded by turning it over, once, to weft.log.1.

import fs from 'node:fs';
import path from 'node:path';
import type { GuestLink } from '../launch/qemu-args.ts';
import { failureOf } from './failure.ts';

/** Size at which the log is turned over. */
const LOG_FILE_BYTES_MAX = 1 << 20;

/** A lab once each guest is ready or has failed. */
export interface LabJson {
  name: string;
  ready: boolean;
  pid: number;
  socket: string;
  guests: { name: string; port: string; mac: string; via: GuestLink['via']; pid: number; ready: boolean; log: string | null }[];
}

/** What the lab says to whoever started it, once. */
export type LabWord = { type: 'ready'; lab: LabJson } | { type: 'failed'; line: string | undefined; exitCode: number };

/** Folder of a lab's logs. */
export function labDir(runDir: string, name: string): string {
  return path.join(runDir, `${name}.lab`);
}

/** The log of the lab itself. */
export function labLogPath(runDir: string, name: string): string {
  return path.join(labDir(runDir, name), 'weft.log');
}

/** `br0: vm1 and vm2 are ready`. */
export function readySentence({ name, guests }: LabJson): string {
  const list = (wanted: boolean) => guests.filter(({ ready }) => ready === wanted).map((guest) => guest.name);
  const ready = list(true);
  const failed = list(false);
  if (guests.length === 0) return `${name} is ready`;
  const parts: string[] = [];
  if (ready.length > 0) parts.push(`${ready.join(', ')} ${ready.length === 1 ? 'is' : 'are'} ready`);
  if (failed.length > 0) parts.push(`${failed.join(', ')} ${failed.length === 1 ? 'is' : 'are'} not`);
  return `${name}: ${parts.join('; ')}`;
}

/** The lab's end of the channel. */
export class Parent {
  #isOver = false;

  /** Calls `listener` if whoever started us goes before it has had our word. */
  onGone(listener: () => void): void {
    const gone = () => !this.#isOver && listener();
    process.once('disconnect', gone);
    if (!process.connected) gone();
  }

  ready(lab: LabJson): Promise<void> {
    return this.#say({ type: 'ready', lab });
  }

  /** Passes a failure on, the first one. */
  failed(error: unknown): Promise<void> {
    return this.#say({ type: 'failed', ...failureOf(error) });
  }

  /** Resolves when it is said. Nobody may be listening any more, and that changes nothing. */
  async #say(word: LabWord): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await new Promise<void>((resolve) => (process.send === undefined ? resolve() : process.send(word, () => resolve())));
  }
}

/** Writes lines to standard error, which is the lab's log, and turns it over when it is full. */
export function boundedStderr(runDir: string, name: string): (line: string) => void {
  const log = labLogPath(runDir, name);
  let bytes = fs.statSync(log, { throwIfNoEntry: false })?.size ?? 0;
  return (line) => {
    const len = Buffer.byteLength(line);
    if (bytes + len > LOG_FILE_BYTES_MAX) {
      fs.copyFileSync(log, `${log}.1`);
      fs.truncateSync(log);
      bytes = 0;
    }
    bytes += len;
    fs.writeSync(process.stderr.fd, line);
  };
}
