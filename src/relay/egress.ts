// Where the copies of a batch go: for each egress port the indices of its frames, in order.
// Filled by the relay, drained by the loop port by port, cleared by the next `ingest`.

import { BATCH_FRAMES_MAX } from './batch.ts';
import { DROP_COUNT } from './drop-reason.ts';
import { PORT_NO_MAX } from './limits.ts';

/** The egress lists of one batch. */
export class EgressLists {
  /** Egress ports that have at least one copy; the first `portCount` entries count. */
  readonly ports = new Uint16Array(PORT_NO_MAX + 1);
  portCount = 0;
  /** Copies by port number. */
  readonly count = new Uint16Array(PORT_NO_MAX + 1);
  /** Frame indices; the list of port p starts at `p * BATCH_FRAMES_MAX`. */
  readonly frames = new Uint16Array((PORT_NO_MAX + 1) * BATCH_FRAMES_MAX);

  /** Empties every list. */
  clear(): void {
    for (let k = 0; k < this.portCount; k++) this.count[this.ports[k] as number] = 0;
    this.portCount = 0;
  }

  /** Appends frame `i` to the list of `port`. */
  append(port: number, i: number): void {
    const n = this.count[port] as number;
    if (n === 0) this.ports[this.portCount++] = port;
    this.frames[port * BATCH_FRAMES_MAX + n] = i;
    this.count[port] = n + 1;
  }
}

/**
 * What became of the copies one port was given, or had queued: sent + queued + every drop = copies given.
 * `queued` is a change: negative when queued copies were sent or dropped later. Counted in frames before segmentation.
 */
export class TransmitResult {
  sent = 0;
  sentBytes = 0;
  queued = 0;
  /** Egress drops by reason number minus DROP_BASE. */
  readonly drops = new Uint32Array(DROP_COUNT);

  /** Back to nothing sent, queued or dropped. */
  clear(): void {
    this.sent = 0;
    this.sentBytes = 0;
    this.queued = 0;
    this.drops.fill(0);
  }
}
