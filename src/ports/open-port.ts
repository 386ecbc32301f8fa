// The worker's side of a port, by the kind of its descriptor.

import type { Arena } from '../sys/arena.ts';
import { Completer } from './completer.ts';
import type { Attachment } from './device.ts';
import { DgramPort } from './dgram-port.ts';
import { GATHER_SIZE, Gather } from './gather.ts';
import { PacketPort } from './packet-port.ts';
import type { Port } from './port.ts';
import type { PortResources } from './port-resources.ts';
import { RECEIVE_MESSAGES_SIZE, ReceiveMessages } from './receive-messages.ts';
import { POOL_SIZE, ReceivePool } from './receive-pool.ts';
import { StreamBuffers } from './stream-buffers.ts';
import { StreamPort } from './stream-port.ts';
import { TapPort } from './tap-port.ts';

/** Octets that `portResources` takes of an arena, with alignment. */
export const PORT_RESOURCES_SIZE = POOL_SIZE + 2 * RECEIVE_MESSAGES_SIZE + GATHER_SIZE + 8192;

/** What the ports of one worker share, in `arena`. */
export function portResources(arena: Arena): PortResources {
  const pool = new ReceivePool(arena);
  return {
    pool,
    messages: new ReceiveMessages(arena, pool, true),
    datagrams: new ReceiveMessages(arena, pool, false),
    gather: new Gather(arena),
    completer: new Completer(),
    streamBuffers: new StreamBuffers(),
  };
}

/** Makes a port of `attachment`, whose descriptor is non-blocking and stays the main thread's. */
export function openPort(portNo: number, attachment: Attachment, resources: PortResources): Port {
  switch (attachment.io) {
    case 'tap':
      return new TapPort(portNo, attachment, resources);
    case 'packet':
      return new PacketPort(portNo, attachment, resources);
    case 'stream':
      return new StreamPort(portNo, attachment, resources);
    case 'dgram':
      return new DgramPort(portNo, attachment, resources);
  }
}
