// A stream socket that carries frames behind their length, 4 octets, most significant first, as QEMU's
// `-netdev stream` and `-netdev socket` do. No offloads: what needs any leaves finished.
//
// Receiving takes a large chunk with one call and lends the frames where they are. What was taken may
// hold more frames than a turn may have: they are the backlog of the next turns, and the socket is
// read again only when it is used up. The rest of a frame that is not all there yet is then moved to
// the front.
//
//   | length frame | length frame | length frame | leng…          |   free   |
//    ^ lent this turn              ^ #head: backlog, or the rest    ^ #end
//
// In front of every frame stand the 4 octets of its length, no longer needed: that is its headroom.
// So from stream to stream a batch goes out as it came, and where the frames stand one behind the
// other, as a single iovec. Room for a virtio-net header there is none; the egress that wants one
// copies short frames and gathers long ones (gather.ts).
//
// A length that no frame can have means that framing is lost, and so is the connection: 'garbage'.
//
// Sending puts the whole list into one sendmsg. What the socket does not take is copied into the
// queue (stream-queue.ts), beginning with the rest of a frame it took a part of; while anything is
// queued everything goes through the queue, so that order is kept. A frame that leaves in segments is
// queued, sent or dropped as one.

import { assert } from '../lib/assert.ts';
import type { Memory } from '../lib/memory.ts';
import { BATCH_FRAMES_MAX, type Batch } from '../relay/batch.ts';
import { DROP } from '../relay/drop-reason.ts';
import type { TransmitResult } from '../relay/egress.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, recv, sendmsg } from '../sys/io.ts';
import type { Attachment } from './device.ts';
import { type Port, type PortFault, RECEIVE_FRAMES_MAX } from './port.ts';
import type { PortResources } from './port-resources.ts';
import { settle } from './settle.ts';
import { STREAM_QUEUE_SIZE, STREAM_RECEIVE_SIZE, type StreamBuffer } from './stream-buffers.ts';
import { StreamQueue } from './stream-queue.ts';
import { dropReason, isClosed, isFull } from './transmit-errno.ts';

/** The greatest length that framing allows, QEMU's. What is longer than a frame can be is received and dropped as oversize. */
export const STREAM_FRAME_LEN_MAX = 69_632;

const LENGTH_LEN = 4;
const LEN_MAX = STREAM_FRAME_LEN_MAX;
const FRAMES_MAX = RECEIVE_FRAMES_MAX;
const SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;
const RECEIVE_FLAGS = MSG_DONTWAIT;
const { TX_DOWN, TX_ERROR, UNSEGMENTABLE } = DROP;

/** Answers of `#list` besides drop reasons. */
const LISTED = 0;
const NO_ROOM = -1;

/** A stream socket. */
export class StreamPort implements Port {
  readonly portNo: number;
  readonly fd: number;
  readonly caps: number;
  readonly #resources: PortResources;
  readonly #buffer: StreamBuffer;
  readonly #memory: Memory;
  readonly #queue: StreamQueue;
  #fault: PortFault | undefined;

  // Received octets that were not lent yet.
  #head: number;
  #end: number;
  #hasBacklog = false;
  #isEnded = false;

  // What is listed for sending: the frame of each unit, where it ends in octets of the list, and where it is staged whole, or 0.
  readonly #unitFrames = new Uint16Array(BATCH_FRAMES_MAX);
  readonly #unitEnds = new Uint32Array(BATCH_FRAMES_MAX);
  readonly #unitStaged = new Uint32Array(BATCH_FRAMES_MAX);
  #units = 0;

  constructor(portNo: number, attachment: Attachment, resources: PortResources) {
    this.portNo = portNo;
    this.fd = attachment.fd;
    this.caps = attachment.caps;
    this.#resources = resources;
    this.#buffer = resources.streamBuffers.take();
    this.#memory = this.#buffer.memory;
    this.#head = this.#buffer.receive;
    this.#end = this.#buffer.receive;
    this.#queue = new StreamQueue(this.#memory, this.#buffer.queue, STREAM_QUEUE_SIZE, resources.completer);
  }

  get fault(): PortFault | undefined {
    return this.#fault;
  }

  get wantsWrite(): boolean {
    return this.#queue.count > 0 && this.#fault === undefined;
  }

  get hasBacklog(): boolean {
    return this.#hasBacklog;
  }

  receive(batch: Batch): void {
    if (this.#fault !== undefined) return;
    if (!this.#hasBacklog) this.#fill();
    batch.headroom = LENGTH_LEN;
    const index = batch.useMemory(this.#memory);
    const view = this.#memory.view;
    const end = this.#end;
    let at = this.#head;
    let isWhole = false;
    for (;;) {
      isWhole = false;
      if (end - at < LENGTH_LEN) break;
      const len = view.getUint32(at);
      if (len === 0 || len > LEN_MAX) {
        this.#fault = 'garbage';
        break;
      }
      isWhole = at + LENGTH_LEN + len <= end;
      if (!isWhole || batch.count === FRAMES_MAX) break;
      batch.add(index, at + LENGTH_LEN, len);
      at += LENGTH_LEN + len;
    }
    this.#head = at;
    this.#hasBacklog = isWhole || (this.#isEnded && batch.count === FRAMES_MAX);
    if (this.#isEnded && !this.#hasBacklog && this.#fault === undefined) this.#endOfStream(batch, index);
  }

  release(_batch: Batch): void {}

  transmit(batch: Batch, frames: Uint16Array, start: number, count: number, result: TransmitResult): void {
    const { gather } = this.#resources;
    gather.clear();
    this.#units = 0;
    for (let k = start; k < start + count; k++) {
      const i = frames[k] as number;
      let outcome = this.#queue.count > 0 || this.#fault !== undefined ? NO_ROOM : this.#list(batch, i);
      if (outcome === NO_ROOM) {
        this.#flush(batch, result);
        if (this.#fault !== undefined || this.#queue.count > 0) {
          this.#enqueue(batch, i, result);
          continue;
        }
        outcome = this.#list(batch, i);
        if (outcome === NO_ROOM) outcome = TX_ERROR;
      }
      if (outcome !== LISTED) settle(result, batch, i, outcome);
    }
    this.#flush(batch, result);
  }

  drain(result: TransmitResult): void {
    if (!this.wantsWrite) return;
    const { gather } = this.#resources;
    gather.clear();
    gather.add(this.#queue.address, this.#queue.octets);
    const n = this.#send();
    if (n > 0) this.#queue.advance(n, result);
    else if (isClosed(-n)) this.#fault = 'closed';
  }

  close(result: TransmitResult): void {
    this.#queue.drop(result);
    this.#resources.streamBuffers.give(this.#buffer);
  }

  /** Moves what is left of the last chunk to the front and takes the next one behind it. */
  #fill(): void {
    const front = this.#buffer.receive;
    if (this.#head > front) {
      this.#memory.u8.copyWithin(front, this.#head, this.#end);
      this.#end -= this.#head - front;
      this.#head = front;
    }
    const room = front + STREAM_RECEIVE_SIZE - this.#end;
    assert(room > 0, 'a stream buffer is full of a frame that is not whole');
    const n = recv(this.fd, this.#memory.address + this.#end, room, RECEIVE_FLAGS);
    if (n > 0) this.#end += n;
    else if (n === 0 || isClosed(-n)) this.#isEnded = true;
  }

  /** Nothing more comes: a frame of which a part came is cut off. */
  #endOfStream(batch: Batch, index: number): void {
    const rest = this.#end - this.#head;
    if (rest > 0) {
      const lengthLen = Math.min(rest, LENGTH_LEN);
      const i = batch.add(index, this.#head + lengthLen, rest - lengthLen);
      batch.truncated[i] = 1;
      this.#head = this.#end;
    }
    this.#fault = 'closed';
  }

  /** Lists frame `i`, finished, as the next unit: LISTED, NO_ROOM or a drop reason. */
  #list(batch: Batch, i: number): number {
    const { gather, completer } = this.#resources;
    let staged = 0;
    if (((batch.need[i] as number) & ~this.caps) === 0) {
      if (!gather.addFrame(batch, i, LENGTH_LEN)) return NO_ROOM;
      gather.prefixMemory.view.setUint32(gather.prefixAt, batch.len[i] as number);
    } else {
      const pieces = completer.begin(batch, i);
      if (pieces === 0) return UNSEGMENTABLE;
      if (!gather.hasRoom(1, pieces * (LENGTH_LEN + completer.lenMax))) return NO_ROOM;
      const { memory } = gather;
      staged = gather.stagingAt;
      for (let k = 0; k < pieces; k++) {
        const at = gather.stagingAt;
        const len = completer.emit(k, memory, at + LENGTH_LEN);
        memory.view.setUint32(at, len);
        gather.addStaged(LENGTH_LEN + len);
      }
    }
    this.#unitFrames[this.#units] = i;
    this.#unitEnds[this.#units] = gather.octets;
    this.#unitStaged[this.#units] = staged;
    this.#units++;
    return LISTED;
  }

  /** Sends what is listed; what the socket does not take is queued or dropped. */
  #flush(batch: Batch, result: TransmitResult): void {
    const { gather } = this.#resources;
    const total = this.#units;
    if (total === 0) return;
    const n = this.#send();
    let taken = n;
    let reason = 0;
    if (n < 0) {
      taken = 0;
      if (isClosed(-n)) this.#fault = 'closed';
      if (!isFull(-n)) reason = dropReason(-n);
    }
    let begin = 0;
    for (let u = 0; u < total; u++) {
      const i = this.#unitFrames[u] as number;
      const end = this.#unitEnds[u] as number;
      const staged = this.#unitStaged[u] as number;
      if (end <= taken || reason !== 0) {
        settle(result, batch, i, reason);
      } else {
        if (staged === 0) this.#enqueue(batch, i, result);
        else this.#queued(batch, i, this.#queue.pushOctets(gather.memory, staged, end - begin, batch.len[i] as number), result);
        // The peer has the beginning of this frame; the queue was empty, so the whole frame found room there.
        if (begin < taken) this.#queue.advance(taken - begin, result);
      }
      begin = end;
    }
    gather.clear();
    this.#units = 0;
  }

  /** Queues frame `i`, or drops it. */
  #enqueue(batch: Batch, i: number, result: TransmitResult): void {
    let outcome = TX_DOWN;
    if (this.#fault === undefined) {
      const isFinished = ((batch.need[i] as number) & ~this.caps) === 0;
      outcome = isFinished ? this.#queue.push(batch, i) : this.#queue.pushCompleted(batch, i);
    }
    this.#queued(batch, i, outcome, result);
  }

  /** Counts frame `i` as queued (`outcome` 0) or dropped. */
  #queued(batch: Batch, i: number, outcome: number, result: TransmitResult): void {
    if (outcome === 0) result.queued++;
    else settle(result, batch, i, outcome);
  }

  /** One sendmsg of what is gathered; the octets taken, or minus errno. */
  #send(): number {
    const { gather } = this.#resources;
    gather.endMessage();
    return sendmsg(this.fd, gather.messageAddress(0), SEND_FLAGS);
  }
}
