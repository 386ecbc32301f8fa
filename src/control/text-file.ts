// A text file that a user names on the command line, read within bounds: whatever the name leads to,
// reading ends. A file may be a pipe (`--config <(make-config)`, /dev/stdin); a named pipe that nobody
// writes to, or a device that never ends, would else hold the program for ever.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { codeOf } from './errors.ts';

const CHUNK_LEN = 65_536;
/** How long nothing may come out of a pipe. */
const SILENCE_MS = 5000;
const PAUSE_MS = 10;

/** A file that cannot be read; the message says why, in words that follow "cannot read PATH". */
export class TextFileError extends Error {
  override readonly name = 'TextFileError';
}

/** The text of a file of at most `lenMax` octets. Throws TextFileError. */
export function readTextFile(path: string, lenMax: number): string {
  let fd: number;
  try {
    // Without O_NONBLOCK, opening a named pipe waits for somebody who writes.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw failure(error);
  }
  try {
    return new TextDecoder().decode(readAll(fd, lenMax));
  } catch (error) {
    throw failure(error);
  } finally {
    closeSync(fd);
  }
}

function readAll(fd: number, lenMax: number): Buffer {
  const chunks: Buffer[] = [];
  const isPipe = fstatSync(fd).isFIFO();
  let len = 0;
  for (let waitedMs = 0; ; ) {
    const chunk = Buffer.alloc(CHUNK_LEN);
    const n = readSome(fd, chunk);
    // A pipe that is at its end before its first octet has nobody who writes yet.
    if (n === undefined || (n === 0 && isPipe && len === 0)) {
      if (waitedMs >= SILENCE_MS) throw new TextFileError(`nothing was written to it within ${SILENCE_MS / 1000} s`);
      sleep(PAUSE_MS);
      waitedMs += PAUSE_MS;
      continue;
    }
    if (n === 0) return Buffer.concat(chunks, len);
    waitedMs = 0;
    len += n;
    if (len > lenMax) throw new TextFileError(`it is longer than ${lenMax} octets`);
    chunks.push(chunk.subarray(0, n));
  }
}

/** Octets read, 0 at the end, undefined when there is nothing yet. */
function readSome(fd: number, chunk: Buffer): number | undefined {
  try {
    return readSync(fd, chunk);
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') return undefined;
    throw error;
  }
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function failure(error: unknown): Error {
  if (error instanceof TextFileError) return error;
  const code = codeOf(error);
  return code === undefined ? (error as Error) : new TextFileError(code);
}
