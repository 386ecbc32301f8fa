// From anything that was thrown to an exit code and one line on standard error.
//
//   0  done
//   1  failed: the line says what, why and what to do
//   2  wrong usage or configuration: the line names the option, or the file, line and field

import { CommanderError } from 'commander';
import { messageOf, UsageError } from '../control/errors.ts';

/** What a failure ends with. */
export interface Failure {
  exitCode: 0 | 1 | 2;
  /** Nothing when all there is to say has been said. */
  line: string | undefined;
}

/** Classes whose errors are faults of weft; every other error is a sentence for the user. */
const FAULTS = [TypeError, RangeError, ReferenceError, SyntaxError];

/** Judges an error. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) return usageFailure(error);
  const isUsage = error instanceof UsageError || (error instanceof Error && error.name === 'SpecError');
  const isFault =
    !(error instanceof Error) || FAULTS.some((fault) => error instanceof fault) || error.message.startsWith('assertion failed');
  const message = isFault ? `${messageOf(error)} (this is a fault of weft; WEFT_DEBUG=1 shows where)` : messageOf(error);
  return { exitCode: isUsage ? 2 : 1, line: oneLine(message, error) };
}

/** Prints the line of a failure, with the stack when WEFT_DEBUG is set. */
export function reportFailure(error: unknown): number {
  const { exitCode, line } = failureOf(error);
  if (line !== undefined) console.error(`weft: ${harmless(line)}`);
  if (process.env['WEFT_DEBUG'] && error instanceof Error && exitCode !== 0) console.error(error.stack);
  return exitCode;
}

/** Commander has printed help and version itself; its complaints begin with `error:`. */
function usageFailure(error: CommanderError): Failure {
  if (error.exitCode === 0) return { exitCode: 0, line: undefined };
  if (error.code === 'commander.help') return { exitCode: 2, line: undefined };
  const message = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
  return { exitCode: 2, line: `${message}${/[?.)]$/.test(message) ? '' : ';'} weft --help shows what there is` };
}

/** Messages of the launcher may end in lines of a guest's log; all others are one line. */
function oneLine(message: string, error: unknown): string {
  return error instanceof Error && error.name === 'LaunchError' ? message : message.replaceAll(/\s*\n\s*/g, ' ').trim();
}

/** A message without control characters: what it repeats from outside must not steer a terminal. */
export function harmless(message: string): string {
  return message.replaceAll(/(?!\n)\p{Cc}/gu, '?');
}
