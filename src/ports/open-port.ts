// The worker's side of a port, by the kind of its descriptor.

import type { Arena } from '../sys/arena.ts';
import type { IoUring } from '../sys/io-uring.ts';
import { Completer } from './completer.ts';
import type { Attachment } from './device.ts';
import { DgramPort } from './dgram-port.ts';
import { GATHER_SIZE, Gather } from './gather.ts';
import { PacketPort } from './packet-port.ts';
import type { Port } from './port.ts';
import type { PortResources } from './port-resources.ts';
import { RECEIVE_MESSAGES_SIZE, ReceiveMessages } from './receive-messages.ts';
import { POOL_SIZE, ReceivePool } from './receive-pool.ts';
import { RingTapPort } from './ring-tap-port.ts';
import { StreamBuffers } from './stream-buffers.ts';
import { StreamPort } from './stream-port.ts';
import { TapPort } from './tap-port.ts';

/** Octets that `portResources` takes of an arena, with alignment. */
export const PORT_RESOURCES_SIZE = POOL_SIZE + 2 * RECEIVE_MESSAGES_SIZE + GATHER_SIZE + 8192;

/** What the ports of one worker share, in `arena`; with `ring`, taps are read and written through it. */
export function portResources(arena: Arena, ring?: IoUring): PortResources {
  const pool = new ReceivePool(arena);
  return {
    pool,
    messages: new ReceiveMessages(arena, pool, true),
    datagrams: new ReceiveMessages(arena, pool, false),
    gather: new Gather(arena),
    completer: new Completer(),
    streamBuffers: new StreamBuffers(),
    ring,
  };
}

/** Makes a port of `attachment`, whose descriptor is non-blocking and stays the main thread's. */
export function openPort(portNo: number, attachment: Attachment, resources: PortResources): Port {
  switch (attachment.io) {
    case 'tap':
      return resources.ring?.isNowait(attachment.fd)
        ? new RingTapPort(portNo, attachment, resources, resources.ring)
        : new TapPort(portNo, attachment, resources);
    case 'packet':
      return new PacketPort(portNo, attachment, resources);
    case 'stream':
      return new StreamPort(portNo, attachment, resources);
    case 'dgram':
      return new DgramPort(portNo, attachment, resources);
  }
}
