// Netlink messages of the NETLINK_ROUTE family: headers, attributes, and a request with its answer.
//
// A request opens a socket, sends one message, reads until the kernel's acknowledgement or the end
// of the dump, and closes the socket; so it speaks to the network namespace the thread is in at
// that moment (netns.ts). It is synchronous and bounded: the kernel answers at once, and the
// receive time-out is there for the day it does not. All integers are in host order, which is
// little-endian on every machine Node runs on, except where an attribute says otherwise.

import { assert } from '../lib/assert.ts';
import { ERRNO } from './errno.ts';
import { closeFd } from './fd.ts';
import { declare, errno } from './ffi.ts';
import { AF_NETLINK, bindSocket, openSocket, SO_RCVTIMEO, SOCK_RAW, SOL_SOCKET, setSocketOption } from './socket.ts';
import { check, errnoText, failure, SysError } from './sys-error.ts';

const sendCall = declare('long send(int fd, void* buf, size_t len, int flags)');
const recvCall = declare('long recv(int fd, void* buf, size_t len, int flags)');

// linux/netlink.h
const NETLINK_ROUTE = 0;
export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const SOL_NETLINK = 270;
const NETLINK_EXT_ACK = 11;
const NLMSGERR_ATTR_MSG = 1;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

/** struct nlmsghdr: len (u32), type (u16), flags (u16), sequence (u32), port (u32). */
const HEADER_SIZE = 16;
/** struct nlattr: len (u16), type (u16). */
const ATTRIBUTE_HEADER_SIZE = 4;
/** struct nlmsgerr before what it quotes: error (s32). */
const ERROR_SIZE = 4;
/** struct sockaddr_nl: family (u16), padding (u16), port (u32), groups (u32). */
const SOCKADDR_SIZE = 12;
const SOCKADDR_GROUPS = 8;

/** Larger than any one datagram of a dump (NLMSG_GOODSIZE is at most 32 KiB). */
const RECEIVE_SIZE = 65_536;
const RECEIVE_TIMEOUT_S = 2;
const DUMP_ATTEMPTS_MAX = 5;

const received = Buffer.alloc(RECEIVE_SIZE);

/** One message: its type and what follows the header. */
export interface NetlinkMessage {
  readonly type: number;
  readonly body: Buffer;
}

/** Attributes by type, the nested flag taken off. Of attributes that repeat, the last. */
export type Attributes = ReadonlyMap<number, Buffer>;

/** Opens a socket on the thread's network namespace that gets what is sent to `groups` (a mask of RTMGRP bits). Throws SysError. */
export function openNetlink(groups = 0): number {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, 'a netlink socket');
  try {
    const address = Buffer.alloc(SOCKADDR_SIZE);
    address.writeUInt16LE(AF_NETLINK, 0);
    address.writeUInt32LE(groups, SOCKADDR_GROUPS);
    const bound = bindSocket(fd, address);
    if (bound < 0) throw failure('bind a netlink socket', bound);
    // Without it errors come as a bare number; kernels that lack it have no better words.
    setSocketOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/**
 * Sends one request and returns the messages of the answer; none for one that is only acknowledged.
 * A dump that was overtaken by a change is made again. Throws SysError `cannot WHAT: …`.
 */
export function netlinkRequest(what: string, type: number, flags: number, body: Buffer): NetlinkMessage[] {
  const fd = openNetlink();
  try {
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(BigInt(RECEIVE_TIMEOUT_S));
    setSocketOption(fd, SOL_SOCKET, SO_RCVTIMEO, timeout);
    for (let attempt = 1; ; attempt++) {
      const request = netlinkMessage(type, flags | NLM_F_REQUEST | NLM_F_ACK, attempt, body);
      check(sendCall(fd, request, request.length, 0), what);
      const { messages, interrupted } = receiveAnswer(fd, what, attempt);
      if (!interrupted || attempt === DUMP_ATTEMPTS_MAX) return messages;
    }
  } finally {
    closeFd(fd);
  }
}

/** Takes what has arrived on a non-blocking socket of `openNetlink`, one datagram: its messages, or minus errno. */
export function receiveNetlink(fd: number): NetlinkMessage[] | number {
  const octets = receive(fd);
  return typeof octets === 'number' ? octets : parse(octets).map(({ type, body }) => ({ type, body }));
}

/** A whole message with its header, for sending. */
export function netlinkMessage(type: number, flags: number, sequence: number, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt32LE(HEADER_SIZE + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, body]);
}

/** One attribute, padded to four octets. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const len = ATTRIBUTE_HEADER_SIZE + value.length;
  const octets = Buffer.alloc(align4(len));
  octets.writeUInt16LE(len, 0);
  octets.writeUInt16LE(type, 2);
  octets.set(value, ATTRIBUTE_HEADER_SIZE);
  return octets;
}

/** An attribute of 32 bits. */
export function attributeU32(type: number, value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32LE(value);
  return attribute(type, octets);
}

/** An attribute of 16 bits. */
export function attributeU16(type: number, value: number): Buffer {
  const octets = Buffer.alloc(2);
  octets.writeUInt16LE(value);
  return attribute(type, octets);
}

/** A zero-terminated string. */
export function attributeString(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`));
}

/** Attributes within an attribute. */
export function nestedAttribute(type: number, ...inner: Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(inner));
}

/** The attributes in `octets` from `offset` on; stops at what is cut short. */
export function parseAttributes(octets: Buffer, offset = 0): Attributes {
  const attributes = new Map<number, Buffer>();
  for (let at = offset; at + ATTRIBUTE_HEADER_SIZE <= octets.length; ) {
    const len = octets.readUInt16LE(at);
    if (len < ATTRIBUTE_HEADER_SIZE || at + len > octets.length) break;
    attributes.set(octets.readUInt16LE(at + 2) & NLA_TYPE_MASK, octets.subarray(at + ATTRIBUTE_HEADER_SIZE, at + len));
    at += align4(len);
  }
  return attributes;
}

/** The number in an attribute of 1, 2 or 4 octets; undefined when the attribute is missing. */
export function attributeNumber(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value === undefined || value.length === 0 ? undefined : value.readUIntLE(0, Math.min(value.length, 4));
}

/** The string in an attribute, without its final zero; undefined when the attribute is missing. */
export function attributeText(attributes: Attributes, type: number): string | undefined {
  return attributes.get(type)?.toString('utf8').replace(/\0.*$/s, '');
}

interface RawMessage extends NetlinkMessage {
  readonly flags: number;
  readonly sequence: number;
}

function receiveAnswer(fd: number, what: string, sequence: number): { messages: NetlinkMessage[]; interrupted: boolean } {
  const messages: NetlinkMessage[] = [];
  let interrupted = false;
  for (;;) {
    const octets = receive(fd);
    if (octets === -ERRNO.EINTR) continue;
    if (octets === -ERRNO.EAGAIN)
      throw new SysError(`cannot ${what}: the kernel did not answer in ${RECEIVE_TIMEOUT_S} s`, octets);
    if (typeof octets === 'number') throw failure(what, octets);
    for (const message of parse(octets)) {
      if (message.sequence !== sequence) continue;
      if ((message.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
      if (message.type === NLMSG_DONE || message.type === NLMSG_ERROR) {
        const error = message.body.length >= ERROR_SIZE ? message.body.readInt32LE() : 0;
        if (error < 0) throw requestError(what, error, message);
        return { messages, interrupted };
      }
      messages.push({ type: message.type, body: message.body });
    }
  }
}

/** An error with the kernel's own sentence, where it sent one. */
function requestError(what: string, error: number, message: RawMessage): SysError {
  if (error === -ERRNO.EPERM) return new SysError(`cannot ${what}: this needs root (CAP_NET_ADMIN)`, error);
  if (message.type === NLMSG_ERROR && (message.flags & NLM_F_ACK_TLVS) !== 0) {
    const capped = (message.flags & NLM_F_CAPPED) !== 0;
    const quoted = capped ? HEADER_SIZE : align4(message.body.readUInt32LE(ERROR_SIZE));
    const text = attributeText(parseAttributes(message.body, ERROR_SIZE + quoted), NLMSGERR_ATTR_MSG);
    if (text !== undefined) return new SysError(`cannot ${what}: ${text.replace(/\.$/, '')}: ${errnoText(error)}`, error);
  }
  return failure(what, error);
}

function receive(fd: number): Buffer | number {
  const n = recvCall(fd, received, received.length, 0);
  return n < 0 ? -errno() : Buffer.from(received.subarray(0, n));
}

function parse(octets: Buffer): RawMessage[] {
  const messages: RawMessage[] = [];
  for (let at = 0; at + HEADER_SIZE <= octets.length; ) {
    const len = octets.readUInt32LE(at);
    assert(len >= HEADER_SIZE && at + len <= octets.length, 'a netlink message is cut short');
    messages.push({
      type: octets.readUInt16LE(at + 4),
      flags: octets.readUInt16LE(at + 6),
      sequence: octets.readUInt32LE(at + 8),
      body: octets.subarray(at + HEADER_SIZE, at + len),
    });
    at += align4(len);
  }
  return messages;
}

function align4(len: number): number {
  return (len + 3) & ~3;
}
