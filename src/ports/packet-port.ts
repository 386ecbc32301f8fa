// A packet socket on an interface: the netdev side of a tap, or a NIC. Many frames a call in both
// directions (recvmmsg, sendmmsg), each behind a virtio-net header of 10 octets. The kernel could be
// asked for 12 (PACKET_VNET_HDR_SZ, Linux 6.4); that would save nothing, because every egress writes
// its own header anyway.
//
// The kernel takes the outer VLAN tag out of a received frame and reports it beside; the batch gets
// it as a stripped tag, and csum_start as reported, counted without it. A frame leaves with its tags
// inside, and its csum_start is computed from the header it leaves with.
//
// What sendmmsg did not take is named by the error of the next call: that frame is dropped, and
// sending goes on behind it. A full device queue (ENOBUFS) has no readiness to wait for, so nothing
// is queued here.

import type { Batch } from '../relay/batch.ts';
import { DROP } from '../relay/drop-reason.ts';
import type { TransmitResult } from '../relay/egress.ts';
import { recvmmsg, sendmmsg } from '../sys/io.ts';
import { VNET_HDR_LEN } from '../wire/virtio-net-hdr.ts';
import type { Attachment } from './device.ts';
import { MESSAGES_MAX } from './gather.ts';
import { type Port, type PortFault, RECEIVE_FRAMES_MAX } from './port.ts';
import type { PortResources } from './port-resources.ts';
import { settle } from './settle.ts';
import { dropReason, isGone } from './transmit-errno.ts';
import { readVnetHdr, writeCompleted, writeVnetHdr } from './vnet-io.ts';

const HDR_LEN = VNET_HDR_LEN;
const SENT_AT_ONCE_MAX = MESSAGES_MAX;
const FRAMES_MAX = RECEIVE_FRAMES_MAX;
const { TX_DOWN, TX_ERROR } = DROP;

/**
 * After frames longer than this on average, so few are asked for that a batch stays in the second-level cache: from a
 * packet socket to a tap a frame of 64 KiB took 7.5 us in batches of 8, and 8.4 in batches of 48.
 */
const LONG_LEN = 8192;
const LONG_FRAMES_MAX = 8;

/** A packet socket. */
export class PacketPort implements Port {
  readonly portNo: number;
  readonly fd: number;
  readonly caps: number;
  readonly wantsWrite = false;
  readonly hasBacklog = false;
  readonly #resources: PortResources;
  /** Frame of each message listed for sending. */
  readonly #listed = new Uint16Array(MESSAGES_MAX);
  #fault: PortFault | undefined;
  #burst = RECEIVE_FRAMES_MAX;

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
    const { pool, messages } = this.#resources;
    const view = pool.memory.view;
    const index = pool.lend(batch);
    const received = recvmmsg(this.fd, messages.address, this.#burst);
    if (received < 0) {
      // ENETDOWN tells once that the interface went down: main watches that. A deleted one shows in sending.
      if (isGone(-received)) this.#fault = 'gone';
      return;
    }
    let octets = 0;
    for (let k = 0; k < received; k++) {
      const at = pool.slot(k);
      const n = messages.len(k);
      octets += n;
      const i = batch.add(index, at, n < HDR_LEN ? 0 : n - HDR_LEN);
      if (n >= HDR_LEN) readVnetHdr(batch, i, view, at - HDR_LEN);
      const tag = messages.strippedTag(k);
      if (tag !== 0) batch.setStrippedTag(i, tag >>> 16, tag & 0xffff);
      if (messages.isTruncated(k)) batch.truncated[i] = 1;
      messages.rearm(k);
    }
    this.#burst = octets > received * LONG_LEN ? LONG_FRAMES_MAX : FRAMES_MAX;
  }

  release(_batch: Batch): void {}

  transmit(batch: Batch, frames: Uint16Array, start: number, count: number, result: TransmitResult): void {
    const { gather } = this.#resources;
    const unable = ~this.caps;
    gather.clear();
    for (let k = start; k < start + count; k++) {
      const i = frames[k] as number;
      if (((batch.need[i] as number) & unable) !== 0) {
        // Rare: a NIC's driver does these itself. Sent alone, in its turn.
        this.#flush(batch, result);
        settle(result, batch, i, this.#sendCompleted(batch, i));
        continue;
      }
      if (gather.messages === SENT_AT_ONCE_MAX) this.#flush(batch, result);
      if (!this.#list(batch, i)) {
        this.#flush(batch, result);
        if (!this.#list(batch, i)) settle(result, batch, i, TX_ERROR);
      }
    }
    this.#flush(batch, result);
  }

  drain(_result: TransmitResult): void {}

  close(_result: TransmitResult): void {}

  /** Lists frame `i` as one message; false when there is no room. */
  #list(batch: Batch, i: number): boolean {
    const { gather } = this.#resources;
    if (!gather.addFrame(batch, i, HDR_LEN)) return false;
    writeVnetHdr(batch, i, gather.prefixMemory.view, gather.prefixAt, HDR_LEN);
    this.#listed[gather.messages] = i;
    gather.endMessage();
    return true;
  }

  /** Sends what is listed. */
  #flush(batch: Batch, result: TransmitResult): void {
    const { gather } = this.#resources;
    const total = gather.messages;
    let done = 0;
    while (done < total) {
      const n = this.#fault === undefined ? sendmmsg(this.fd, gather.messageAddress(done), total - done) : 0;
      const outcome = n > 0 ? 0 : n < 0 ? this.#failed(-n) : TX_DOWN;
      const end = n > 0 ? done + n : done + 1;
      for (; done < end; done++) settle(result, batch, this.#listed[done] as number, outcome);
    }
    gather.clear();
  }

  /** Sends what frame `i` becomes when it is finished; 0 or a drop reason. */
  #sendCompleted(batch: Batch, i: number): number {
    if (this.#fault !== undefined) return TX_DOWN;
    const { gather, completer } = this.#resources;
    const outcome = writeCompleted(this.fd, batch, i, HDR_LEN, completer, gather);
    return outcome < 0 ? this.#failed(-outcome) : outcome;
  }

  /** The drop reason for an error in sending. */
  #failed(errno: number): number {
    if (isGone(errno)) this.#fault = 'gone';
    return dropReason(errno);
  }
}
