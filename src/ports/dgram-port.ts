// A connected datagram socket that carries a frame a datagram, as QEMU's `-netdev dgram` does. No
// offloads: what needs any leaves finished. Many frames a call in both directions.
//
// A socket that is not connected to us, as QEMU's is not, holds 11 datagrams (net.unix.max_dgram_qlen),
// where a batch has 64 frames. What it does not take is copied into a bounded queue, and sent when the
// kernel says that there is room; while anything is queued everything goes through the queue, so that
// order is kept. Beyond that a frame is dropped as TX_FULL. The queue is the one of a stream port, whose
// lengths say here where the datagrams begin. A frame that leaves finished is made in the queue, and sent
// from there at once.
//
// That the peer has gone shows in sending alone. The port is then at its end ('closed'), and main dials.

import type { Memory } from '../lib/memory.ts';
import type { Batch } from '../relay/batch.ts';
import { DROP } from '../relay/drop-reason.ts';
import type { TransmitResult } from '../relay/egress.ts';
import { recvmmsg, sendmmsg } from '../sys/io.ts';
import type { Attachment } from './device.ts';
import { MESSAGES_MAX } from './gather.ts';
import { type Port, type PortFault, RECEIVE_FRAMES_MAX } from './port.ts';
import type { PortResources } from './port-resources.ts';
import { settle } from './settle.ts';
import { STREAM_QUEUE_SIZE, type StreamBuffer } from './stream-buffers.ts';
import { StreamQueue } from './stream-queue.ts';
import { dropReason, isAway, isFull } from './transmit-errno.ts';

const LENGTH_LEN = 4;
const SENT_AT_ONCE_MAX = MESSAGES_MAX;
const FRAMES_MAX = RECEIVE_FRAMES_MAX;
const { TX_DOWN, TX_ERROR } = DROP;

/** A datagram socket. */
export class DgramPort implements Port {
  readonly portNo: number;
  readonly fd: number;
  readonly caps: number;
  readonly hasBacklog = false;
  readonly #resources: PortResources;
  readonly #buffer: StreamBuffer;
  readonly #memory: Memory;
  readonly #queue: StreamQueue;
  /** Frame of each message listed for sending. */
  readonly #listed = new Uint16Array(MESSAGES_MAX);
  #fault: PortFault | undefined;

  constructor(portNo: number, attachment: Attachment, resources: PortResources) {
    this.portNo = portNo;
    this.fd = attachment.fd;
    this.caps = attachment.caps;
    this.#resources = resources;
    this.#buffer = resources.streamBuffers.take();
    this.#memory = this.#buffer.memory;
    this.#queue = new StreamQueue(this.#memory, this.#buffer.queue, STREAM_QUEUE_SIZE, resources.completer);
  }

  get fault(): PortFault | undefined {
    return this.#fault;
  }

  get wantsWrite(): boolean {
    return this.#queue.count > 0 && this.#fault === undefined;
  }

  receive(batch: Batch): void {
    if (this.#fault !== undefined) return;
    const { pool, datagrams } = this.#resources;
    const index = pool.lend(batch);
    const received = recvmmsg(this.fd, datagrams.address, FRAMES_MAX);
    if (received < 0) {
      if (isAway(-received)) this.#fault = 'closed';
      return;
    }
    for (let k = 0; k < received; k++) {
      const i = batch.add(index, pool.slot(k), datagrams.len(k));
      if (datagrams.isTruncated(k)) batch.truncated[i] = 1;
    }
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
        this.#sendCompleted(batch, i, result);
        continue;
      }
      if (gather.messages === SENT_AT_ONCE_MAX) this.#flush(batch, result);
      if (this.wantsWrite || this.#fault !== undefined) {
        this.#enqueue(batch, i, result);
      } else if (!this.#list(batch, i)) {
        this.#flush(batch, result);
        if (this.wantsWrite || this.#fault !== undefined) this.#enqueue(batch, i, result);
        else if (!this.#list(batch, i)) settle(result, batch, i, TX_ERROR);
      }
    }
    this.#flush(batch, result);
  }

  drain(result: TransmitResult): void {
    const { gather } = this.#resources;
    const queue = this.#queue;
    const view = this.#memory.view;
    while (this.wantsWrite) {
      gather.clear();
      const start = queue.address - this.#memory.address;
      const end = start + queue.octets;
      for (let at = start; at < end && gather.messages < SENT_AT_ONCE_MAX; ) {
        const len = view.getUint32(at);
        gather.add(this.#memory.address + at + LENGTH_LEN, len);
        gather.endMessage();
        at += LENGTH_LEN + len;
      }
      const n = sendmmsg(this.fd, gather.messageAddress(0), gather.messages);
      if (n < 0) {
        // No frame in the queue is at fault: none is longer than the send buffer.
        if (!isFull(-n)) this.#fault = 'closed';
        break;
      }
      let at = start;
      for (let k = 0; k < n; k++) at += LENGTH_LEN + view.getUint32(at);
      queue.advance(at - start, result);
    }
    gather.clear();
  }

  close(result: TransmitResult): void {
    this.#queue.drop(result);
    this.#resources.streamBuffers.give(this.#buffer);
  }

  /** Lists frame `i` as one message; false when there is no room. */
  #list(batch: Batch, i: number): boolean {
    const { gather } = this.#resources;
    if (!gather.addFrame(batch, i, 0)) return false;
    this.#listed[gather.messages] = i;
    gather.endMessage();
    return true;
  }

  /** Sends what is listed; what the peer has no room for is queued or dropped. */
  #flush(batch: Batch, result: TransmitResult): void {
    const { gather } = this.#resources;
    const total = gather.messages;
    let done = 0;
    while (done < total && !this.wantsWrite && this.#fault === undefined) {
      const n = sendmmsg(this.fd, gather.messageAddress(done), total - done);
      if (n > 0) {
        for (const end = done + n; done < end; done++) settle(result, batch, this.#listed[done] as number, 0);
      } else if (isFull(-n)) {
        this.#enqueue(batch, this.#listed[done++] as number, result);
      } else {
        if (isAway(-n)) this.#fault = 'closed';
        settle(result, batch, this.#listed[done++] as number, isAway(-n) ? TX_DOWN : dropReason(-n));
      }
    }
    for (; done < total; done++) this.#enqueue(batch, this.#listed[done] as number, result);
    gather.clear();
  }

  /** Queues frame `i`, or drops it. */
  #enqueue(batch: Batch, i: number, result: TransmitResult): void {
    this.#queued(batch, i, this.#fault === undefined ? this.#queue.push(batch, i) : TX_DOWN, result);
  }

  /** Makes what frame `i` becomes when it is finished, and sends as much of it as the peer has room for; `gather` is empty. */
  #sendCompleted(batch: Batch, i: number, result: TransmitResult): void {
    const wasEmpty = !this.wantsWrite;
    this.#queued(batch, i, this.#fault === undefined ? this.#queue.pushCompleted(batch, i) : TX_DOWN, result);
    if (wasEmpty) this.drain(result);
  }

  /** Counts frame `i` as queued (`outcome` 0) or dropped. */
  #queued(batch: Batch, i: number, outcome: number, result: TransmitResult): void {
    if (outcome === 0) result.queued++;
    else settle(result, batch, i, outcome);
  }
}
