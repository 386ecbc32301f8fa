// What people see while tools work: plain lines in a log, and on a terminal one line more at the
// bottom that is rewritten while something long goes on. Also the one error type of the tools.

import process from 'node:process';

/** A failure that is a sentence for the user; `exitCode` is 2 where the user must install or change something first. */
export class ToolError extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

let statusShown = false;

/** Prints a line. */
export function say(line) {
  clearStatus();
  console.log(line);
}

/** Shows `text` as the bottom line of a terminal; does nothing elsewhere. */
export function status(text) {
  if (!process.stdout.isTTY) return;
  const width = (process.stdout.columns || 80) - 1;
  process.stdout.write(`\r\x1b[K${text.length > width ? `${text.slice(0, width - 1)}…` : text}`);
  statusShown = true;
}

/** Takes the bottom line away. */
export function clearStatus() {
  if (statusShown) process.stdout.write('\r\x1b[K');
  statusShown = false;
}

/** Seconds since `startMs` (of `Date.now()`), as people write them. */
export function secondsSince(startMs) {
  const seconds = (Date.now() - startMs) / 1000;
  return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}
