// Loads the optional packages (cap, raw-socket, pcap-parser). Their build may have failed without a
// word, and two of them are native, so a test asks here, and skips with the reason when one is
// missing. The packages have no types: cap.ts, raw-socket.ts and pcap-file.ts declare what we use.
//
// A native addon of these two loads in one thread of a process only, and receives nothing in a
// worker: use them from a test's main thread (ava runs each file in its own process).

import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

/** A package that is there, or the sentence that says why it is not. */
export type Optional<T> =
  | { readonly module: T; readonly reason: undefined }
  | { readonly module: undefined; readonly reason: string };

/** Loads the CommonJS package `name`; the caller vouches that T describes it. Never throws. */
export function loadOptional<T>(name: string): Optional<T> {
  try {
    return { module: load(name) as T, reason: undefined };
  } catch (error) {
    const text = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return { module: undefined, reason: `the optional package ${name} does not load (${text}); run npm test, which installs it` };
  }
}
