// Makes the frames an egress can carry out of one it cannot: a TCP or UDP super-segment becomes its
// segments, an unfinished checksum is finished.
//
//   begin(frame) = n          emit(0), emit(1), … emit(n - 1), each into memory the caller owns
//
//   | Ethernet, tags | IP header, options | TCP or UDP header | payload ......................... |
//                                                             | gsoSize  | gsoSize  | … | rest   |
//   every segment:  the headers copied, then corrected        | its part of the payload          |
//
// What is corrected, for segment k of n [RFC 791, 8200, 9293, 768, 3168 6.1.2]:
//   IPv4  total length, identification + k, header checksum     IPv6  payload length
//   TCP   sequence number + k * gsoSize; FIN and PSH only in the last, CWR only in the first; checksum
//   UDP   length, checksum (0xffff where it would be 0, which means "none")
//
// The frame may lie in a guest's memory and change while it is read. So `begin` reads what decides
// about lengths once and keeps it, everything else is taken from the copy that is sent, and the
// checksum is computed over that copy: a guest that writes in between spoils its own segments only.
//
// The addresses in the checksum come from the IP header, not from the guest's unfinished sum, which
// drivers seed differently (some leave the length out). One case has nowhere else to come from: with
// an IPv6 routing header the checksum covers the final destination, so there the seed is used.
//
// Segments of one frame are bounded (SEGMENTS_MAX), or a guest could turn one 64 KiB frame with a
// gso size of 1 into 65,000 frames and hold up everybody else's traffic.

import { copyOctets } from '../lib/copy.ts';
import { type Memory, memoryOf } from '../lib/memory.ts';
import { finish, fold, pseudoSum4, pseudoSum6, sum } from './checksum.ts';
import { ETHERTYPE } from './ethernet.ts';
import {
  IP_PROTOCOL,
  IPV4,
  IPV6,
  IPV6_HEADER_LEN,
  L4_FRAGMENT,
  L4_ROUTED,
  l4Offset,
  l4Protocol,
  TCP,
  TCP_FLAG,
  TCP_HEADER_LEN_MIN,
  UDP,
  UDP_HEADER_LEN,
  walkToL4,
} from './ip.ts';
import { NEED, NEED_SEGMENTATION } from './offload-facts.ts';

/** Segments that one frame may become: 64 KiB in segments of 64 octets. */
export const SEGMENTS_MAX = 1024;

const IP_LEN_MAX = 65_535;
const NO_MEMORY = memoryOf(new ArrayBuffer(0));

/** Segments one frame at a time; holds numbers and a reference to the frame's memory until the next `begin`. */
export class Segmenter {
  // The frame: offsets below count from its first octet.
  #memory: Memory = NO_MEMORY;
  #offset = 0;
  #len = 0;

  #count = 0;
  /** Payload octets of a segment; 0 when the frame stays whole. */
  #segmentLen = 0;
  #l3 = 0;
  #l4 = 0;
  /** End of the layer 4 header. */
  #headLen = 0;
  #isIpv4 = false;
  #isUdp = false;
  /** Sum of the pseudo header without the length. */
  #pseudoSum = 0;

  /** Where the checksum of a whole frame starts and goes; start 0 for none. */
  #csumStart = 0;
  #csumAt = 0;

  /** Octets of the longest frame that `emit` will write. */
  get emittedLenMax(): number {
    return this.#segmentLen === 0 ? this.#len : Math.min(this.#len, this.#headLen + this.#segmentLen);
  }

  /**
   * Takes the frame of `len` octets at `offset`, whose payload of `etherType` starts `payloadOffset` octets in. `need`,
   * `gsoSize` and `csumOffset` are as judgeOffload accepted them, `csumStart` counts from the payload. Returns how many
   * frames it becomes, or 0 when it cannot be done: the headers are not what `need` says, a segment would be longer than
   * IP can say, or there would be more than SEGMENTS_MAX.
   */
  begin(
    memory: Memory,
    offset: number,
    len: number,
    payloadOffset: number,
    etherType: number,
    need: number,
    gsoSize: number,
    csumStart: number,
    csumOffset: number,
  ): number {
    this.#memory = memory;
    this.#offset = offset;
    this.#len = len;
    this.#l3 = payloadOffset;
    this.#segmentLen = 0;
    this.#csumStart = 0;
    if ((need & NEED_SEGMENTATION) !== 0) {
      this.#count = this.#beginSegments(etherType, need, gsoSize);
    } else {
      this.#count = (need & NEED.CSUM) === 0 ? 1 : this.#beginChecksum(payloadOffset + csumStart, csumOffset);
    }
    return this.#count;
  }

  /**
   * Writes frame `k`, below what `begin` returned, at `dstOffset`, where `emittedLenMax` octets have room and the
   * frame itself does not lie. Returns its length. Frames can be made in any order, and again.
   */
  emit(k: number, dst: Memory, dstOffset: number): number {
    return this.#segmentLen === 0 ? this.#emitWhole(dst, dstOffset) : this.#emitSegment(k, dst, dstOffset);
  }

  #beginChecksum(start: number, csumOffset: number): number {
    if (start < this.#l3 || start + csumOffset + 2 > this.#len) return 0;
    this.#csumStart = start;
    this.#csumAt = start + csumOffset;
    return 1;
  }

  #beginSegments(etherType: number, need: number, gsoSize: number): number {
    const view = this.#memory.view;
    const l3 = this.#offset + this.#l3;
    const limit = this.#offset + this.#len;
    const isUdp = (need & NEED.USO) !== 0;
    const protocol = isUdp ? IP_PROTOCOL.UDP : IP_PROTOCOL.TCP;
    const walked = walkToL4(view, l3, limit, etherType);
    if (walked < 0 || (walked & L4_FRAGMENT) !== 0 || l4Protocol(walked) !== protocol) return 0;
    const isIpv4 = etherType === ETHERTYPE.IPV4;
    const l4 = l3 + l4Offset(walked);
    const headerLenMin = isUdp ? UDP_HEADER_LEN : TCP_HEADER_LEN_MIN;
    if (l4 + headerLenMin > limit) return 0;
    const l4HeaderLen = isUdp ? UDP_HEADER_LEN : (view.getUint8(l4 + TCP.DATA_OFFSET) >>> 4) * 4;
    const payloadLen = limit - l4 - l4HeaderLen;
    if (l4HeaderLen < headerLenMin || payloadLen < 0 || gsoSize === 0) return 0;
    if (l4 - l3 + l4HeaderLen + Math.min(gsoSize, payloadLen) > IP_LEN_MAX) return 0;
    const count = Math.max(1, Math.ceil(payloadLen / gsoSize));
    if (count > SEGMENTS_MAX) return 0;

    if ((walked & L4_ROUTED) !== 0) {
      if ((need & NEED.CSUM) === 0) return 0;
      // The seed covers the length of the super-segment: take that out again (~x is -x in ones' complement).
      const seed = view.getUint16(l4 + (isUdp ? UDP.CSUM : TCP.CSUM));
      this.#pseudoSum = seed + (~fold(l4HeaderLen + payloadLen) & 0xffff);
    } else {
      this.#pseudoSum = isIpv4 ? pseudoSum4(view, l3, protocol, 0) : pseudoSum6(view, l3, protocol, 0);
    }
    this.#isIpv4 = isIpv4;
    this.#isUdp = isUdp;
    this.#l4 = l4 - this.#offset;
    this.#headLen = this.#l4 + l4HeaderLen;
    this.#segmentLen = gsoSize;
    return count;
  }

  #emitWhole(dst: Memory, at: number): number {
    const len = this.#len;
    copyOctets(dst, at, this.#memory, this.#offset, len);
    if (this.#csumStart !== 0) {
      // The field holds the sender's pseudo header sum, so summing over it completes the checksum.
      const csum = finish(sum(dst.view, at + this.#csumStart, len - this.#csumStart));
      const isUdp = this.#csumAt - this.#csumStart === UDP.CSUM;
      dst.view.setUint16(at + this.#csumAt, csum === 0 && isUdp ? 0xffff : csum);
    }
    return len;
  }

  #emitSegment(k: number, dst: Memory, at: number): number {
    const view = dst.view;
    const headLen = this.#headLen;
    const from = k * this.#segmentLen;
    const payloadLen = Math.min(this.#segmentLen, this.#len - headLen - from);
    copyOctets(dst, at, this.#memory, this.#offset, headLen);
    copyOctets(dst, at + headLen, this.#memory, this.#offset + headLen + from, payloadLen);

    const len = headLen + payloadLen;
    if (this.#isIpv4) this.#correctIpv4(view, at, len, k);
    else view.setUint16(at + this.#l3 + IPV6.PAYLOAD_LEN, len - this.#l3 - IPV6_HEADER_LEN);
    if (this.#isUdp) this.#correctUdp(view, at, len);
    else this.#correctTcp(view, at, len, from, k);
    return len;
  }

  #correctIpv4(view: DataView, at: number, len: number, k: number): void {
    const l3 = at + this.#l3;
    view.setUint16(l3 + IPV4.TOTAL_LEN, len - this.#l3);
    view.setUint16(l3 + IPV4.ID, view.getUint16(l3 + IPV4.ID) + k);
    view.setUint16(l3 + IPV4.CSUM, 0);
    view.setUint16(l3 + IPV4.CSUM, finish(sum(view, l3, this.#l4 - this.#l3)));
  }

  #correctTcp(view: DataView, at: number, len: number, from: number, k: number): void {
    const l4 = at + this.#l4;
    view.setUint32(l4 + TCP.SEQ, view.getUint32(l4 + TCP.SEQ) + from);
    let flags = view.getUint8(l4 + TCP.FLAGS);
    if (k !== 0) flags &= ~TCP_FLAG.CWR;
    if (k !== this.#count - 1) flags &= ~(TCP_FLAG.FIN | TCP_FLAG.PSH);
    view.setUint8(l4 + TCP.FLAGS, flags);
    view.setUint16(l4 + TCP.CSUM, 0);
    view.setUint16(l4 + TCP.CSUM, this.#l4Checksum(view, at, len));
  }

  #correctUdp(view: DataView, at: number, len: number): void {
    const l4 = at + this.#l4;
    view.setUint16(l4 + UDP.LEN, len - this.#l4);
    view.setUint16(l4 + UDP.CSUM, 0);
    view.setUint16(l4 + UDP.CSUM, this.#l4Checksum(view, at, len) || 0xffff);
  }

  /** The checksum over pseudo header, layer 4 header and payload of the frame at `at`. */
  #l4Checksum(view: DataView, at: number, len: number): number {
    const l4Len = len - this.#l4;
    return finish(sum(view, at + this.#l4, l4Len, this.#pseudoSum + l4Len));
  }
}
