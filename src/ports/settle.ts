// The one place where a frame that a port was given ends in the account of the port.

import type { Batch } from '../relay/batch.ts';
import { DROP_BASE } from '../relay/drop-reason.ts';
import type { TransmitResult } from '../relay/egress.ts';

const BASE = DROP_BASE;

/** Adds to `result` what became of frame `i`: `outcome` is 0 for sent, or a drop reason. */
export function settle(result: TransmitResult, batch: Batch, i: number, outcome: number): void {
  if (outcome === 0) {
    result.sent++;
    result.sentBytes += batch.len[i] as number;
  } else {
    result.drops[outcome - BASE] = (result.drops[outcome - BASE] as number) + 1;
  }
}
