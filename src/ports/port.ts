// The worker's side of a port: turns a device's octets into batches and batches into octets.
//
// Every port, real or in memory, implements this one interface, and so does everything that wraps
// one (fault injector). A port decides nothing about forwarding. All calls are non-blocking and do
// a bounded amount of work; none of them throws for what a device or a peer does.

import type { Batch } from '../relay/batch.ts';
import type { TransmitResult } from '../relay/egress.ts';

/** Frames a port takes from its device in one turn at the most. */
export const RECEIVE_FRAMES_MAX = 64;

/** Why a port's device cannot be used any more; the main thread decides what to do about it. */
export type PortFault = 'gone' | 'closed' | 'garbage';

/** A device as the loop sees it. */
export interface Port {
  /** Number in the bridge; the tag of its readiness events. */
  readonly portNo: number;
  /** File descriptor to wait on, or -1 for a port without one. */
  readonly fd: number;
  /** Offload work the device takes over: bits of NEED (wire/offload-facts.ts). */
  readonly caps: number;
  /**
   * Set once the device has failed; the loop then takes the port down and reports it. Frames that the `receive` that set
   * it has added to the batch are good.
   */
  readonly fault: PortFault | undefined;
  /** Whether queued copies wait for the device to become writable. */
  readonly wantsWrite: boolean;
  /**
   * Whether frames wait inside the port, taken from the device already, so that no readiness event announces them: the
   * loop calls `receive` again next turn, without sleeping in between.
   */
  readonly hasBacklog: boolean;

  /** Adds up to RECEIVE_FRAMES_MAX frames to an empty `batch`. The octets stay valid until `release`. */
  receive(batch: Batch): void;
  /** Takes back the memory lent to `batch`. */
  release(batch: Batch): void;
  /**
   * Sends frames `frames[start .. start+count)` of `batch`. Adds what became of them to `result`;
   * keeps no reference to the batch's memory.
   */
  transmit(batch: Batch, frames: Uint16Array, start: number, count: number, result: TransmitResult): void;
  /** Sends queued copies after the device became writable. */
  drain(result: TransmitResult): void;
  /** Gives up what is queued (as drops of `result`) and the port's memory; its descriptors stay open, they are main's. */
  close(result: TransmitResult): void;
}
