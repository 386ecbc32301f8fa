// What a guest says on its console, kept within bounds: the octets in a file that is turned over once
// (FILE, and FILE.1 before it), and the last lines in memory for messages.
//
// A guest chooses these octets, and the lines end on somebody's terminal. So escape sequences and
// control characters are taken out of the lines; the file keeps them.
//
// The file is written synchronously: consoles are slow, and the last words before a crash are the point.

import fs from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

/** Size at which the file is turned over; so a log is at most twice this on disk. */
export const LOG_FILE_BYTES_MAX = 1 << 20;
/** Lines kept in memory. */
export const LOG_LINES_MAX = 200;
/** Characters kept of one line. */
export const LOG_LINE_LEN_MAX = 400;

const CONTROL_CHARACTER = /[^\P{Cc}\t]/gu;

/** A bounded log of one guest's output. */
export class ConsoleLog {
  /** Path of the file, or undefined for a log in memory only. */
  readonly file: string | undefined;
  readonly #fileBytesMax: number;
  readonly #decoder = new StringDecoder('utf8');
  readonly #lines: string[] = [];
  #unfinished = '';
  #fd = -1;
  #fileBytes = 0;

  /** Starts the log; an earlier `file` is replaced. A file that cannot be written becomes a line of the log, not an error. */
  constructor(file?: string, fileBytesMax = LOG_FILE_BYTES_MAX) {
    this.file = file;
    this.#fileBytesMax = fileBytesMax;
    if (file !== undefined) this.#openFile(file);
  }

  /** Adds output as it comes. */
  write(octets: Uint8Array): void {
    this.#writeFile(octets);
    const parts = (this.#unfinished + this.#decoder.write(octets)).split('\n');
    this.#unfinished = (parts.pop() ?? '').slice(-4 * LOG_LINE_LEN_MAX);
    for (const part of parts) this.#addLine(part);
  }

  /** The last `count` lines, the unfinished one among them, oldest first; without control characters. */
  tail(count: number): string[] {
    const lines = [...this.#lines];
    const unfinished = cleaned(this.#unfinished);
    if (unfinished !== '') lines.push(unfinished);
    return lines.slice(-count);
  }

  /** Closes the file; the lines stay readable. */
  close(): void {
    if (this.#fd >= 0) fs.closeSync(this.#fd);
    this.#fd = -1;
  }

  #addLine(text: string): void {
    const line = cleaned(text);
    if (line === '') return;
    this.#lines.push(line);
    if (this.#lines.length > LOG_LINES_MAX) this.#lines.shift();
  }

  #openFile(file: string): void {
    try {
      this.#fd = fs.openSync(file, 'w', 0o640);
      this.#fileBytes = 0;
    } catch (error) {
      this.#loseFile(error);
    }
  }

  #writeFile(octets: Uint8Array): void {
    if (this.#fd < 0 || this.file === undefined) return;
    try {
      if (this.#fileBytes > 0 && this.#fileBytes + octets.length > this.#fileBytesMax) {
        this.close();
        fs.renameSync(this.file, `${this.file}.1`);
        this.#openFile(this.file);
      }
      if (this.#fd >= 0) this.#fileBytes += fs.writeSync(this.#fd, octets);
    } catch (error) {
      this.#loseFile(error);
    }
  }

  #loseFile(error: unknown): void {
    this.close();
    this.#addLine(`weft: the log file ${this.file} cannot be written: ${error instanceof Error ? error.message : error}`);
  }
}

/** A line fit for a terminal: no escape sequences, no control characters, not too long. */
function cleaned(line: string): string {
  return stripVTControlCharacters(line).replace(CONTROL_CHARACTER, '').trimEnd().slice(0, LOG_LINE_LEN_MAX);
}
