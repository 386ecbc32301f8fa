// What the ports of one worker share. Everything in here is in use by one port at a time, during one
// call (transmit) or from receive to release (receiving).

import type { IoUring } from '../sys/io-uring.ts';
import type { Completer } from './completer.ts';
import type { Gather } from './gather.ts';
import type { ReceiveMessages } from './receive-messages.ts';
import type { ReceivePool } from './receive-pool.ts';
import type { StreamBuffers } from './stream-buffers.ts';

/** Made once per worker (open-port.ts). */
export interface PortResources {
  readonly pool: ReceivePool;
  /** For packet sockets. */
  readonly messages: ReceiveMessages;
  /** For datagram sockets. */
  readonly datagrams: ReceiveMessages;
  readonly gather: Gather;
  readonly completer: Completer;
  readonly streamBuffers: StreamBuffers;
  /** The worker's ring, where it has one. */
  readonly ring: IoUring | undefined;
}
