// Standard output of the verbs: JSON on one line, or text.

/** Prints a value as one line of JSON. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Prints text; nothing for an empty one. */
export function print(text: string): void {
  if (text !== '') process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Whether text may be emphasised. */
export function isTerminal(): boolean {
  return process.stdout.isTTY === true && !process.env['NO_COLOR'];
}

/**
 * Makes a reader that goes away (`weft fdb | head`) the normal end it is. A standard error that nobody
 * reads any more, as after a terminal was closed, stops nothing.
 */
export function tolerateClosedOutputs(): void {
  process.stdout.on('error', endQuietly);
  process.stderr.on('error', () => {});
}

/** From here on the process goes on when nobody reads its standard output any more: it has other things to do. */
export function outliveClosedOutputs(): void {
  process.stdout.off('error', endQuietly).on('error', () => {});
}

function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit();
  console.error(`weft: cannot write to standard output: ${error.message}`);
  process.exit(1);
}
