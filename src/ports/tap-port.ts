// A descriptor that gives and takes one frame a call, behind a virtio-net header of 12 octets: a tap or
// macvtap, or what was inherited as one.
//
// Receiving reads until there is nothing, packing frames into the pool. Sending is one write from
// the lender's memory wherever that is possible (gather.ts). The kernel has a queue of its own
// behind a tap and there is no readiness to wait for that would tell of room in it, so nothing is
// queued here.
//
// A deleted interface leaves a descriptor that answers EBADFD: the port is gone. One that is down
// answers EIO: the frame is lost, the port stays, and its carrier is watched by the main thread. A macvtap's
// answers neither: it swallows frames, and what became of it the main thread sees.

import type { Batch } from '../relay/batch.ts';
import { DROP } from '../relay/drop-reason.ts';
import type { TransmitResult } from '../relay/egress.ts';
import { ERRNO } from '../sys/errno.ts';
import { read, write, writev } from '../sys/io.ts';
import { VNET_HDR_MRG_LEN } from '../wire/virtio-net-hdr.ts';
import type { Attachment } from './device.ts';
import { type Port, type PortFault, RECEIVE_FRAMES_MAX } from './port.ts';
import type { PortResources } from './port-resources.ts';
import { FRAME_ROOM } from './receive-pool.ts';
import { settle } from './settle.ts';
import { dropReason, isGone } from './transmit-errno.ts';
import { readVnetHdr, writeCompleted, writeVnetHdr } from './vnet-io.ts';

const HDR_LEN = VNET_HDR_MRG_LEN;
const READ_LEN = HDR_LEN + FRAME_ROOM;
const FRAMES_MAX = RECEIVE_FRAMES_MAX;
const { TX_DOWN, TX_ERROR } = DROP;
const EAGAIN = ERRNO.EAGAIN;

/** A tap. */
export class TapPort implements Port {
  readonly portNo: number;
  readonly fd: number;
  readonly caps: number;
  readonly wantsWrite = false;
  readonly hasBacklog = false;
  readonly #resources: PortResources;
  #fault: PortFault | undefined;

  constructor(portNo: number, attachment: Attachment, resources: PortResources) {
    this.portNo = portNo;
    this.fd = attachment.fd;
    this.caps = attachment.caps;
    this.#resources = resources;
  }

  get fault(): PortFault | undefined {
    return this.#fault;
  }

  receive(batch: Batch): void {
    const { fd } = this;
    const { pool } = this.#resources;
    const { memory, denseEnd } = pool;
    const { view, address } = memory;
    const index = pool.lend(batch);
    let at = pool.first;
    while (batch.count < FRAMES_MAX && at < denseEnd) {
      const n = read(fd, address + at - HDR_LEN, READ_LEN);
      if (n < 0) {
        if (n !== -EAGAIN && isGone(-n)) this.#fault = 'gone';
        return;
      }
      const len = n < HDR_LEN ? 0 : n - HDR_LEN;
      const i = batch.add(index, at, len);
      if (n >= HDR_LEN) readVnetHdr(batch, i, view, at - HDR_LEN);
      if (n === READ_LEN) batch.truncated[i] = 1;
      at = pool.next(at, len);
    }
  }

  release(_batch: Batch): void {}

  transmit(batch: Batch, frames: Uint16Array, start: number, count: number, result: TransmitResult): void {
    const unable = ~this.caps;
    for (let k = start; k < start + count; k++) {
      const i = frames[k] as number;
      const isAble = ((batch.need[i] as number) & unable) === 0;
      settle(result, batch, i, isAble ? this.#send(batch, i) : this.#sendCompleted(batch, i));
    }
  }

  drain(_result: TransmitResult): void {}

  close(_result: TransmitResult): void {}

  /** Sends frame `i` as one; 0 or a drop reason. */
  #send(batch: Batch, i: number): number {
    if (this.#fault !== undefined) return TX_DOWN;
    const { gather } = this.#resources;
    gather.clear();
    if (!gather.addFrame(batch, i, HDR_LEN)) return TX_ERROR;
    writeVnetHdr(batch, i, gather.prefixMemory.view, gather.prefixAt, HDR_LEN);
    const n =
      gather.count === 1
        ? write(this.fd, gather.firstAddress, gather.octets)
        : writev(this.fd, gather.iovecsAddress, gather.count);
    return n < 0 ? this.#failed(-n) : 0;
  }

  /** Sends what frame `i` becomes when it is finished; 0 or a drop reason. */
  #sendCompleted(batch: Batch, i: number): number {
    if (this.#fault !== undefined) return TX_DOWN;
    const { gather, completer } = this.#resources;
    gather.clear();
    const outcome = writeCompleted(this.fd, batch, i, HDR_LEN, completer, gather);
    return outcome < 0 ? this.#failed(-outcome) : outcome;
  }

  /** The drop reason for an error in sending. */
  #failed(errno: number): number {
    if (isGone(errno)) this.#fault = 'gone';
    return dropReason(errno);
  }
}
