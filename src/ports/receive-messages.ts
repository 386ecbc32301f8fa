// Message headers for recvmmsg: message k receives into slot k of the pool. From a packet socket the
// virtio-net header comes into the headroom right in front of the frame, and the kernel's auxdata into
// its own room. From a datagram socket the frame comes alone: a peer must not be offered room for
// control messages, or the kernel would install the descriptors it passes.
// Set up once; after a call only what the kernel has overwritten is put back.

import type { Arena } from '../sys/arena.ts';
import { IOVEC_SIZE, MMSGHDR_SIZE, MSG_TRUNC } from '../sys/io.ts';
import {
  AUXDATA_CONTROL_SIZE,
  AUXDATA_STATUS,
  AUXDATA_VLAN_TCI,
  AUXDATA_VLAN_TPID,
  CMSG_DATA,
  CMSG_LEVEL,
  CMSG_TYPE,
  PACKET_AUXDATA,
  PACKET_VNET_HDR_SIZE,
  SOL_PACKET,
  TP_STATUS_VLAN_TPID_VALID,
  TP_STATUS_VLAN_VALID,
} from '../sys/packet-socket.ts';
import { TPID } from '../wire/ethernet.ts';
import { RECEIVE_FRAMES_MAX } from './port.ts';
import { FRAME_ROOM, type ReceivePool } from './receive-pool.ts';

/** Octets all of it takes of an arena, with alignment. */
export const RECEIVE_MESSAGES_SIZE = RECEIVE_FRAMES_MAX * (MMSGHDR_SIZE + IOVEC_SIZE + AUXDATA_CONTROL_SIZE) + 256;

// struct mmsghdr on a 64-bit machine: struct msghdr, then the received length.
const IOV = 16;
const IOVLEN = 24;
const CONTROL = 32;
const CONTROLLEN = 40;
const FLAGS = 48;
const RECEIVED_LEN = 56;
const TWO_32 = 2 ** 32;

const MSG_SIZE = MMSGHDR_SIZE;
const CONTROL_SIZE = AUXDATA_CONTROL_SIZE;
const LEVEL = SOL_PACKET;
const TYPE = PACKET_AUXDATA;
const [AT_LEVEL, AT_TYPE, AT_DATA] = [CMSG_LEVEL, CMSG_TYPE, CMSG_DATA];
const [AT_STATUS, AT_TCI, AT_TPID] = [AUXDATA_STATUS, AUXDATA_VLAN_TCI, AUXDATA_VLAN_TPID];
const [VLAN_VALID, TPID_VALID] = [TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID];
const C_TAG = TPID.C_TAG;
const TRUNC = MSG_TRUNC;

/** RECEIVE_FRAMES_MAX message headers over the slots of a pool. */
export class ReceiveMessages {
  /** Native address of the first struct mmsghdr. */
  readonly address: number;
  readonly #view: DataView;
  readonly #messages: number;
  readonly #controls: number;

  /** For packet sockets, or for datagram sockets; takes RECEIVE_MESSAGES_SIZE octets of `arena`. */
  constructor(arena: Arena, pool: ReceivePool, isPacket: boolean) {
    const prefix = isPacket ? PACKET_VNET_HDR_SIZE : 0;
    const view = arena.memory.view;
    this.#view = view;
    this.#messages = arena.alloc(RECEIVE_FRAMES_MAX * MSG_SIZE);
    this.#controls = arena.alloc(RECEIVE_FRAMES_MAX * CONTROL_SIZE);
    this.address = arena.address + this.#messages;
    const iovecs = arena.alloc(RECEIVE_FRAMES_MAX * IOVEC_SIZE);
    for (let k = 0; k < RECEIVE_FRAMES_MAX; k++) {
      const iovec = iovecs + k * IOVEC_SIZE;
      setWord(view, iovec, pool.memory.address + pool.slot(k) - prefix);
      setWord(view, iovec + 8, FRAME_ROOM + prefix);
      const at = this.#messages + k * MSG_SIZE;
      setWord(view, at + IOV, arena.address + iovec);
      setWord(view, at + IOVLEN, 1);
      if (!isPacket) continue;
      setWord(view, at + CONTROL, arena.address + this.#controls + k * CONTROL_SIZE);
      setWord(view, at + CONTROLLEN, CONTROL_SIZE);
    }
  }

  /** Octets received by message `k`, a virtio-net header included. */
  len(k: number): number {
    return this.#view.getUint32(this.#messages + k * MSG_SIZE + RECEIVED_LEN, true);
  }

  /** Whether message `k` was longer than its slot. */
  isTruncated(k: number): boolean {
    return (this.#view.getUint32(this.#messages + k * MSG_SIZE + FLAGS, true) & TRUNC) !== 0;
  }

  /** The tag that the kernel took out of the frame of message `k`, as tpid << 16 | tci; 0 when it took none. */
  strippedTag(k: number): number {
    const view = this.#view;
    if (view.getUint32(this.#messages + k * MSG_SIZE + CONTROLLEN, true) < CONTROL_SIZE) return 0;
    const at = this.#controls + k * CONTROL_SIZE;
    if (view.getUint32(at + AT_LEVEL, true) !== LEVEL || view.getUint32(at + AT_TYPE, true) !== TYPE) return 0;
    const status = view.getUint32(at + AT_DATA + AT_STATUS, true);
    if ((status & VLAN_VALID) === 0) return 0;
    const tpid = (status & TPID_VALID) !== 0 ? view.getUint16(at + AT_DATA + AT_TPID, true) : C_TAG;
    return ((tpid << 16) | view.getUint16(at + AT_DATA + AT_TCI, true)) >>> 0;
  }

  /** Makes message `k` of a packet socket ready for the next call. */
  rearm(k: number): void {
    this.#view.setUint32(this.#messages + k * MSG_SIZE + CONTROLLEN, CONTROL_SIZE, true);
  }
}

/** Writes a 64-bit word that is below 2^53. */
function setWord(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO_32, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
}
