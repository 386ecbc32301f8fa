// What the main thread and the worker say to each other. Requests carry an id and get exactly one
// reply; faults come unasked. All of it is plain data.

import type { BridgeConfig, BridgeState } from '../bridge/bridge.ts';
import type { Command } from '../bridge/command.ts';
import type { FdbColumns } from '../bridge/fdb-view.ts';
import type { BridgeSnapshot } from '../bridge/snapshot.ts';
import type { Attachment } from '../ports/device.ts';
import type { PortFault } from '../ports/port.ts';
import type { IoChoice } from './io-choice.ts';

/** What the worker is started with. */
export interface WorkerConfig {
  bridge: BridgeConfig;
  /** What to wait with. */
  io: IoChoice;
  /** Descriptor of the eventfd that wakes the worker. */
  wakeFd: number;
  /** Shared word, 1 = end now (also when main can no longer send a message). */
  stopWord: SharedArrayBuffer;
}

/** A request to the worker. */
export type Request =
  | { type: 'apply'; command: Command }
  /** Run `attachment` as port `portNo`, with its link `up` before the first frame; the port must not be attached. */
  | { type: 'attach'; portNo: number; attachment: Attachment; up: boolean }
  /** Let go of the port's descriptor; the reply means nothing refers to it any more. */
  | { type: 'detach'; portNo: number }
  | { type: 'snapshot' }
  | { type: 'fdb' }
  | { type: 'save' };

/** What each request is answered with. */
export interface Replies {
  apply: number;
  attach: null;
  detach: null;
  snapshot: { bridge: BridgeSnapshot; loop: LoopSnapshot; now_ms: number };
  fdb: FdbColumns;
  save: BridgeState;
}

/** What the loop counts of itself. */
export interface LoopSnapshot {
  backend: 'epoll' | 'io_uring';
  turns: number;
  wakeups: number;
  /** Frames the loop found in its own accounts to be wrong; empty always, or there is a fault in weft. */
  imbalances: string[];
}

/** Main to worker. */
export interface Envelope {
  id: number;
  request: Request;
}

/** Worker to main. */
export type WorkerMessage =
  /** It forwards. `refusal` says why io_uring cannot be had where epoll took over. */
  | { type: 'ready'; refusal: string | undefined }
  | { type: 'reply'; id: number; value: Replies[keyof Replies] }
  | { type: 'refusal'; id: number; message: string }
  /** The port's device failed; it is already detached from the loop, its descriptor not yet released. */
  | { type: 'fault'; portNo: number; fault: PortFault };
