// Who has something to read, and who can be written to again: what a loop waits with, whichever call
// of the kernel does it.

/** Level-triggered readiness of descriptors, each known by a tag of its own. Events are EPOLL bits (epoll.ts). */
export interface Readiness {
  readonly backend: 'epoll' | 'io_uring';
  /** Watches `fd` for `events`; 0 or minus errno. */
  add(fd: number, tag: number, events: number): number;
  /** Changes what a watched descriptor is watched for; 0 or minus errno. */
  modify(fd: number, tag: number, events: number): number;
  /** Watches `fd` no more: when this returns, the kernel holds it for nobody here. To be called before it is closed. 0 or minus errno. */
  remove(fd: number): number;
  /** Waits up to `timeoutMs` (0: not at all) and returns how many events `tag` and `events` now answer for; a signal counts as none. */
  wait(timeoutMs: number): number;
  /** The tag of event `k` of the last wait. */
  tag(k: number): number;
  /** The EPOLL bits of event `k` of the last wait. */
  events(k: number): number;
  /** Ends every watch; the descriptors stay open. */
  close(): void;
}
