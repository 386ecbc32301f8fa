// The two ways in which a request of a user fails; both messages are sentences that say what, why
// and what to do. They stand in a file of their own so that catching them loads nothing else.

/** It could not be done (exit code 1). */
export class ControlError extends Error {
  override readonly name: string = 'ControlError';
}

/** It was asked for wrongly, on the command line or in a configuration (exit code 2). */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}

/** A configuration file is wrong; the message begins with `file:line:column`. */
export class ConfigError extends UsageError {
  override readonly name: string = 'ConfigError';
}

/** The system's code of an error (`ENOENT`), or undefined. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
