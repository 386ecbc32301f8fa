// The one file that loads the FFI. Every native call weft makes is declared here or in a file of
// this folder through `libc`; no C of our own. koffi's rules that matter here (measured):
//
// - A call costs 30-110 ns over the bare system call. Addresses are passed as JS numbers
//   (`uintptr_t`): user-space addresses stay below 2^47, so doubles are exact.
// - A Buffer that the kernel knows only by address is collected under our feet: everything whose
//   address is stored in another structure lives in an Arena (arena.ts).
// - `errno()` must be read right after the call; `call()` below does so.
// - A blocking call is interrupted by nothing, so every descriptor is non-blocking and every
//   wait is bounded.

import koffi from 'koffi';

const libc = koffi.load(null);

/** Declares a C function by its prototype. There is no ssize_t in koffi's parser: write long. */
export function declare(prototype: string): (...args: unknown[]) => number {
  return libc.func(prototype) as unknown as (...args: unknown[]) => number;
}

/** errno of the last failed call on this thread. */
export const errno: () => number = koffi.errno as () => number;

/** Native address of a Buffer, for the length of one call only. */
export function addressOf(buffer: Uint8Array): number {
  return Number(koffi.address(buffer));
}

/** An ArrayBuffer on `length` octets of native memory at `address`. Never over 4 GiB: V8 aborts the process. */
export function viewOf(address: number, length: number): ArrayBuffer {
  return koffi.view(BigInt(address), length) as ArrayBuffer;
}

/** A descriptor watched by Node's event loop; `close` ends the watch at once. Kept alive by its user only. */
export interface PollHandle {
  start(events: { readable: boolean }, callback: (status: number) => void): void;
  unref(): void;
  close(): void;
}

/** Calls back from Node's event loop while `fd` is readable; a negative status is an error on it, which stops the watch. */
export function pollReadable(fd: number, callback: (status: number) => void): PollHandle {
  // koffi's own declaration leaves out the status.
  const poll = koffi.node.poll as unknown as (fd: number, events: object, callback: (status: number) => void) => PollHandle;
  return poll(fd, { readable: true }, callback);
}
