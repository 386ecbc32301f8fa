// The journal of a switch, RUN_DIR/NAME.journal: how everything is undone that it has changed on the
// host. A step is written before the change is made, and struck out when it was undone. What a switch
// that was killed has left in there, the next one undoes (undo.ts).
//
//   weft journal 1 9c2f1f0e-…                        the boot it belongs to
//   +{"type":"tap","name":"tap0","mark":"…"}         to be undone
//   -{"type":"change","name":"eth0",…}               undone: its place is free for another
//
// Everything happens in place. A step is written behind a `-`, and counts when that has become a `+`;
// striking it out is one octet as well, so a full disk cannot prevent it, and a process that is killed
// half way leaves a line that does not count. Nothing is synced to the disk: the file has to outlive
// the process, not the machine, and the kernel keeps what was written. After a boot nothing of what
// the journal is about exists any more, so one of an earlier boot is empty.
//
// The process that has the journal holds a lock on the file (flock(2)), which the kernel takes back
// however that process ends: a journal whose lock can be had is that of a dead switch. The file goes
// when nothing is left in it and its owner ends.

import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { ERRNO } from '../sys/errno.ts';
import { tryLockFile } from '../sys/file-lock.ts';
import { errnoText, SysError } from '../sys/sys-error.ts';
import { parseUndoStep, type UndoStep } from './undo-step.ts';

/** Strikes a step out of the journal, because it was undone. Never throws; the second time does nothing. */
export type Strike = () => void;

/** Where a device notes what it is about to change. */
export interface UndoJournal {
  /** Writes down a step, before what it undoes is done. Throws SysError when it cannot; then nothing may be changed. */
  add(step: UndoStep): Strike;
}

/** A step in the journal, and how to strike it out. */
export interface JournalEntry {
  readonly step: UndoStep;
  readonly strike: Strike;
}

/** A line of the file. */
interface Slot {
  readonly at: number;
  /** Octets between the mark and the end of the line. */
  readonly room: number;
  step: UndoStep | undefined;
}

/** Far more than a thousand ports need; a larger file is not a journal. */
const SIZE_MAX = 16 << 20;
const MAGIC = 'weft journal 1';
const TRIES_MAX = 100;
const LIVE = '+';
const STRUCK = '-';

/** An open journal; nobody else has it open. */
export class Journal implements UndoJournal {
  readonly file: string;
  readonly #fd: number;
  readonly #header: string;
  readonly #complaints: string[];
  #slots: Slot[] = [];
  #size = 0;
  #isClosed = false;

  private constructor(file: string, fd: number) {
    this.file = file;
    this.#fd = fd;
    this.#header = `${MAGIC} ${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}\n`;
    this.#complaints = this.#read();
    if (this.#slots.length === 0) this.#clear();
  }

  /**
   * Opens and locks a journal, and makes an empty one if there is none and `create` is set. Undefined
   * when another process has it, or there is none. Throws SysError.
   */
  static open(file: string, create: boolean): Journal | undefined {
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const fd = openFile(file, create);
      if (fd === undefined) return undefined;
      try {
        if (fstatSync(fd).uid !== process.geteuid?.()) {
          throw new SysError(
            `${file} belongs to another user and is not used; remove it, or name another --run-dir`,
            ERRNO.EPERM,
          );
        }
        if (!tryLockFile(fd)) {
          closeSync(fd);
          return undefined;
        }
        if (isSameFile(fd, file)) return new Journal(file, fd);
      } catch (error) {
        closeSync(fd);
        throw error;
      }
      // Its last owner removed it at this very moment.
      closeSync(fd);
    }
    throw new SysError(`cannot lock ${file}: something keeps removing it`, ERRNO.EAGAIN);
  }

  /** What is still to be undone, in the order in which it was done. */
  entries(): JournalEntry[] {
    return this.#slots.flatMap((slot) =>
      slot.step === undefined ? [] : { step: slot.step, strike: this.#strikeOf(slot, slot.step) },
    );
  }

  /** What was wrong with what the file held, in sentences; the first time. */
  takeComplaints(): string[] {
    return this.#complaints.splice(0);
  }

  add(step: UndoStep): Strike {
    const body = Buffer.from(JSON.stringify(step));
    try {
      if (this.#size === 0) this.#append(Buffer.from(this.#header));
      const slot =
        this.#slots.find(({ step: used, room }) => used === undefined && room >= body.length) ?? this.#addSlot(body.length);
      const line = Buffer.alloc(1 + slot.room, ' ');
      line.write(STRUCK);
      body.copy(line, 1);
      writeAll(this.#fd, line, slot.at);
      writeAll(this.#fd, Buffer.from(LIVE), slot.at);
      slot.step = step;
      return this.#strikeOf(slot, step);
    } catch (error) {
      const reason = errnoText((error as NodeJS.ErrnoException).errno ?? ERRNO.EIO);
      throw new SysError(
        `cannot note in ${this.file} what is to be undone later: ${reason}; nothing was changed; make room there, or name another --run-dir`,
        (error as NodeJS.ErrnoException).errno ?? ERRNO.EIO,
      );
    }
  }

  /** Gives the journal back; the file goes unless something is still to be undone. Safe to call twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      // Removed while it is still locked: nobody else can have it at that moment.
      if (this.entries().length === 0 && isSameFile(this.#fd, this.file)) unlinkSync(this.file);
    } finally {
      closeSync(this.#fd);
    }
  }

  #strikeOf(slot: Slot, step: UndoStep): Strike {
    return () => {
      // By then the place may be another step's.
      if (slot.step !== step || this.#isClosed) return;
      slot.step = undefined;
      try {
        writeAll(this.#fd, Buffer.from(STRUCK), slot.at);
        if (this.#slots.every(({ step: used }) => used === undefined)) this.#clear();
      } catch {
        // A medium that fails: undoing once more what was undone is harmless, because values that are not ours stay.
      }
    };
  }

  /** A new line, which does not count yet. */
  #addSlot(room: number): Slot {
    const at = this.#size;
    this.#append(Buffer.from(`${STRUCK}${' '.repeat(room)}\n`));
    const slot = { at, room, step: undefined };
    this.#slots.push(slot);
    return slot;
  }

  #append(octets: Buffer): void {
    try {
      writeAll(this.#fd, octets, this.#size);
      this.#size += octets.length;
    } catch (error) {
      ftruncateSync(this.#fd, this.#size);
      throw error;
    }
  }

  #clear(): void {
    ftruncateSync(this.#fd, 0);
    this.#slots = [];
    this.#size = 0;
  }

  /** Reads the file; returns what is wrong with it. What cannot be read does not count. */
  #read(): string[] {
    const { size } = fstatSync(this.#fd);
    if (size === 0) return [];
    const unusable = `${this.file} is not a journal of weft and is emptied; what a killed switch left on this host, if anything, stays`;
    if (size > SIZE_MAX) return [unusable];
    const text = readFileSync(this.#fd, 'latin1');
    if (!text.startsWith(`${MAGIC} `)) return [unusable];
    if (!text.startsWith(this.#header)) return [];
    const complaints: string[] = [];
    let at = this.#header.length;
    for (let n = 2; at < text.length; n++) {
      const end = text.indexOf('\n', at);
      const line = text.slice(at, end < 0 ? text.length : end);
      const step = line.startsWith(LIVE) ? parseUndoStep(Buffer.from(line.slice(1), 'latin1').toString()) : undefined;
      if (step === undefined && !line.startsWith(STRUCK))
        complaints.push(`${this.file}: line ${n} cannot be read and is passed over`);
      if (end < 0) {
        // Cut off; written anew it would have an end.
        if (step !== undefined) complaints.push(`${this.file}: line ${n} has no end and is passed over`);
        break;
      }
      this.#slots.push({ at, room: line.length - 1, step });
      at = end + 1;
    }
    ftruncateSync(this.#fd, at);
    this.#size = at;
    if (this.#slots.every(({ step }) => step === undefined)) this.#slots = [];
    return complaints;
  }
}

/** Undefined when there is none. */
function openFile(file: string, create: boolean): number | undefined {
  try {
    return openSync(file, constants.O_RDWR | constants.O_NOFOLLOW | (create ? constants.O_CREAT : 0), 0o600);
  } catch (error) {
    const number = (error as NodeJS.ErrnoException).errno ?? ERRNO.EIO;
    if (!create && Math.abs(number) === ERRNO.ENOENT) return undefined;
    throw new SysError(`cannot open ${file}: ${errnoText(number)}; remove it, or name another --run-dir`, number);
  }
}

function isSameFile(fd: number, file: string): boolean {
  const ours = fstatSync(fd, { bigint: true });
  const named = statSync(file, { bigint: true, throwIfNoEntry: false });
  return named !== undefined && named.ino === ours.ino && named.dev === ours.dev;
}

/** A short write is a full disk: the next try says so. */
function writeAll(fd: number, octets: Buffer, at: number): void {
  for (let done = 0; done < octets.length; ) done += writeSync(fd, octets, done, octets.length - done, at + done);
}
