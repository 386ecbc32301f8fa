// Assertions that stay on in production. A failed one is a fault of weft itself, never of a
// frame or of the user's input, so it throws and the process ends with the message.

/** Throws an Error with `message` unless `condition` holds. Pass a function to build costly text only on failure. */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${typeof message === 'string' ? message : message()}`);
}

/** Marks a place the type system proves unreachable. */
export function unreachable(value: never): never {
  throw new Error(`unreachable value: ${String(value)}`);
}
