// A tap (tap-port.ts) through the worker's io_uring: a burst of reads is one system call, and so are
// the writes of a list of frames. Both have completed when the call returns, so what the Port contract
// says of memory holds as it does without a ring.
//
// The reads of a burst must have their room before it is known how long the frames are, so they go
// to the slots of the pool. A read that finds nothing costs less than a system call but something, so
// a burst asks for twice as many frames as the last one found.

import type { Batch } from '../relay/batch.ts';
import { DROP } from '../relay/drop-reason.ts';
import type { TransmitResult } from '../relay/egress.ts';
import { ERRNO } from '../sys/errno.ts';
import type { IoUring } from '../sys/io-uring.ts';
import { VNET_HDR_MRG_LEN } from '../wire/virtio-net-hdr.ts';
import type { Attachment } from './device.ts';
import { MESSAGES_MAX } from './gather.ts';
import { type Port, type PortFault, RECEIVE_FRAMES_MAX } from './port.ts';
import type { PortResources } from './port-resources.ts';
import { FRAME_ROOM } from './receive-pool.ts';
import { settle } from './settle.ts';
import { dropReason, isGone } from './transmit-errno.ts';
import { readVnetHdr, writeCompleted, writeVnetHdr } from './vnet-io.ts';

const HDR_LEN = VNET_HDR_MRG_LEN;
const READ_LEN = HDR_LEN + FRAME_ROOM;
const FRAMES_MAX = RECEIVE_FRAMES_MAX;
const WRITES_MAX = MESSAGES_MAX;
const BURST_MIN = 4;
const { TX_DOWN, TX_ERROR } = DROP;
const EAGAIN = ERRNO.EAGAIN;

/** As for packet sockets (packet-port.ts): bursts of long frames are kept short. */
const LONG_LEN = 8192;
const LONG_FRAMES_MAX = 8;

/** A tap on a ring. */
export class RingTapPort implements Port {
  readonly portNo: number;
  readonly fd: number;
  readonly caps: number;
  readonly wantsWrite = false;
  readonly hasBacklog = false;
  readonly #resources: PortResources;
  readonly #ring: IoUring;
  /** Frame of each write queued. */
  readonly #listed = new Uint16Array(WRITES_MAX);
  #writes = 0;
  #burst = BURST_MIN;
  #fault: PortFault | undefined;

  constructor(portNo: number, attachment: Attachment, resources: PortResources, ring: IoUring) {
    this.portNo = portNo;
    this.fd = attachment.fd;
    this.caps = attachment.caps;
    this.#resources = resources;
    this.#ring = ring;
  }

  get fault(): PortFault | undefined {
    return this.#fault;
  }

  receive(batch: Batch): void {
    const ring = this.#ring;
    const { pool } = this.#resources;
    const { view, address } = pool.memory;
    const index = pool.lend(batch);
    const burst = this.#burst;
    for (let k = 0; k < burst; k++) ring.queueRead(this.fd, address + pool.slot(k) - HDR_LEN, READ_LEN);
    ring.run();
    const { results } = ring;
    let octets = 0;
    for (let k = 0; k < burst; k++) {
      const n = results[k] as number;
      if (n < 0) {
        if (n !== -EAGAIN && isGone(-n)) this.#fault = 'gone';
        continue;
      }
      octets += n;
      const at = pool.slot(k);
      const i = batch.add(index, at, n < HDR_LEN ? 0 : n - HDR_LEN);
      if (n >= HDR_LEN) readVnetHdr(batch, i, view, at - HDR_LEN);
      if (n === READ_LEN) batch.truncated[i] = 1;
    }
    const { count } = batch;
    const burstMax = octets > count * LONG_LEN ? LONG_FRAMES_MAX : FRAMES_MAX;
    this.#burst = Math.min(Math.max(2 * count, BURST_MIN), burstMax);
  }

  release(_batch: Batch): void {}

  transmit(batch: Batch, frames: Uint16Array, start: number, count: number, result: TransmitResult): void {
    const { gather } = this.#resources;
    const unable = ~this.caps;
    gather.clear();
    for (let k = start; k < start + count; k++) {
      const i = frames[k] as number;
      if (((batch.need[i] as number) & unable) !== 0) {
        this.#flush(batch, result);
        settle(result, batch, i, this.#sendCompleted(batch, i));
        continue;
      }
      if (this.#writes === WRITES_MAX) this.#flush(batch, result);
      if (!this.#list(batch, i)) {
        this.#flush(batch, result);
        if (!this.#list(batch, i)) settle(result, batch, i, TX_ERROR);
      }
    }
    this.#flush(batch, result);
  }

  drain(_result: TransmitResult): void {}

  close(_result: TransmitResult): void {}

  /** Queues the write of frame `i`; false when there is no room. */
  #list(batch: Batch, i: number): boolean {
    const { gather } = this.#resources;
    const iovecs = gather.nextIovecAddress;
    const before = gather.count;
    const octets = gather.octets;
    gather.separate();
    if (!gather.addFrame(batch, i, HDR_LEN)) return false;
    writeVnetHdr(batch, i, gather.prefixMemory.view, gather.prefixAt, HDR_LEN);
    const count = gather.count - before;
    if (count === 1) this.#ring.queueWrite(this.fd, gather.lastAddress, gather.octets - octets);
    else this.#ring.queueWritev(this.fd, iovecs, count);
    this.#listed[this.#writes++] = i;
    return true;
  }

  /** Does the writes queued. */
  #flush(batch: Batch, result: TransmitResult): void {
    const ring = this.#ring;
    const writes = this.#writes;
    ring.run();
    for (let k = 0; k < writes; k++) {
      const n = ring.results[k] as number;
      settle(result, batch, this.#listed[k] as number, n < 0 ? this.#failed(-n) : 0);
    }
    this.#writes = 0;
    this.#resources.gather.clear();
  }

  /** Sends what frame `i` becomes when it is finished; 0 or a drop reason. */
  #sendCompleted(batch: Batch, i: number): number {
    if (this.#fault !== undefined) return TX_DOWN;
    const { completer, gather } = this.#resources;
    const outcome = writeCompleted(this.fd, batch, i, HDR_LEN, completer, gather);
    return outcome < 0 ? this.#failed(-outcome) : outcome;
  }

  /** The drop reason for an error in sending. */
  #failed(errno: number): number {
    if (isGone(errno)) this.#fault = 'gone';
    return dropReason(errno);
  }
}
