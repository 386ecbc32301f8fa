// The use weft makes of traffic control (tc(8)): a filter at an interface's ingress that keeps frames
// from the host. It runs behind packet sockets, which have seen the frame by then, and before the
// host's protocols, bridges, macvlans and VLAN devices. There are two: one drops every frame, one hands
// frames to groups over to another interface (a macvtap on this one).
//
// The programs are a few classic BPF instructions in a bpf classifier, so there is no program to
// load. For dropping it is one, `ret TC_ACT_SHOT`, whose value is the verdict (direct action), without an
// action module; handing over is the module act_mirred's.
// All functions act in the thread's network namespace and throw SysError.

import { ERRNO } from './errno.ts';
import {
  attribute,
  attributeString,
  attributeU16,
  attributeU32,
  type NetlinkMessage,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  nestedAttribute,
  netlinkRequest,
  parseAttributes,
} from './netlink.ts';
import { SysError } from './sys-error.ts';

// linux/rtnetlink.h
const RTM_NEWQDISC = 36;
const RTM_DELQDISC = 37;
const RTM_GETQDISC = 38;
const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;

/** struct tcmsg: family (u8), padding, ifindex (s32), handle (u32), parent (u32), info (u32). */
const TCMSG_SIZE = 20;
const TCMSG_HANDLE = 8;

// linux/pkt_sched.h: the clsact queueing discipline and its two hooks.
const TC_H_CLSACT = 0xfffffff1;
const CLSACT_HANDLE = 0xffff0000;
const HOOK_INGRESS = 0xfffffff2;
const HOOK_EGRESS = 0xfffffff3;

// linux/pkt_cls.h
const TC_ACT_SHOT = 2;
const TC_ACT_STOLEN = 4;
const TCA_ACT_KIND = 1;
const TCA_ACT_OPTIONS = 2;
const TCA_BPF_ACT = 1;
const TCA_BPF_OPS_LEN = 4;
const TCA_BPF_OPS = 5;
const TCA_BPF_FLAGS = 8;
const TCA_BPF_FLAG_ACT_DIRECT = 1;

/** linux/filter.h, struct sock_filter: code (u16), jt (u8), jf (u8), k (u32); BPF_RET | BPF_K. */
const SOCK_FILTER_SIZE = 8;
const BPF_RET_K = 0x06;
const BPF_LD_W_ABS = 0x20;
const BPF_JEQ_K = 0x15;
/** SKF_AD_OFF + SKF_AD_PKTTYPE: what linux/if_packet.h says of the frame's destination. */
const SKF_AD_PKTTYPE = 0xfffff004;
const PACKET_BROADCAST = 1;
const PACKET_MULTICAST = 2;
/** What a classifier returns: all ones for the class that the filter has by default. */
const MATCH = 0xffffffff;
const NO_MATCH = 0;

// linux/tc_act/tc_mirred.h; struct tc_mirred: index, capab (u32), action, refcnt, bindcnt, eaction (s32), ifindex (u32).
const TCA_MIRRED_PARMS = 2;
const TCA_INGRESS_REDIR = 3;
const TC_MIRRED_SIZE = 28;

/** Before everyone else's: a filter that accepts ends the chain. Of several bpf filters of one priority the newest runs first. */
const PRIORITY = 1;
/** By this handle (`weft`) a filter of ours is known, also one that an earlier process left. */
const FILTER_HANDLE = 0x77656674;
/** ETH_P_ALL in network order, below the priority: tcm_info. */
const FILTER_INFO = ((PRIORITY << 16) | 0x0300) >>> 0;

/** Whether an interface has the clsact discipline, or the ingress one, which is in the same place. */
export function hasClsact(ifindex: number): boolean {
  return netlinkRequest('list the disciplines', RTM_GETQDISC, NLM_F_DUMP, tcmsg(ifindex, 0, 0, 0)).some(
    ({ type, body }) =>
      type === RTM_NEWQDISC && body.readInt32LE(4) === ifindex && body.readUInt32LE(TCMSG_HANDLE) === CLSACT_HANDLE,
  );
}

/** Gives an interface the clsact discipline; false when it has one already (or the ingress one, which does as well). */
export function addClsact(ifindex: number): boolean {
  const body = Buffer.concat([tcmsg(ifindex, CLSACT_HANDLE, TC_H_CLSACT, 0), attributeString(TCA_KIND, 'clsact')]);
  try {
    netlinkRequest('add the clsact discipline', RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, body);
    return true;
  } catch (error) {
    if (error instanceof SysError && error.errno === ERRNO.EEXIST) return false;
    throw error;
  }
}

/** Takes the clsact discipline away, unless someone's filter still hangs on it. */
export function deleteUnusedClsact(ifindex: number): void {
  if (listFilters(ifindex, HOOK_INGRESS).length > 0 || listFilters(ifindex, HOOK_EGRESS).length > 0) return;
  const body = Buffer.concat([tcmsg(ifindex, CLSACT_HANDLE, TC_H_CLSACT, 0), attributeString(TCA_KIND, 'clsact')]);
  unlessMissing(() => netlinkRequest('delete the clsact discipline', RTM_DELQDISC, 0, body));
}

/**
 * Drops everything at the ingress of an interface that has the clsact discipline; false when a
 * filter of ours was there already. Throws SysError EINVAL when another kind of filter is in the place.
 */
export function addDropFilter(ifindex: number): boolean {
  const flags = attributeU32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
  return addFilter(ifindex, 'add a drop filter at the ingress', [program([BPF_RET_K, 0, 0, TC_ACT_SHOT]), flags]);
}

/** As `addDropFilter`, for a filter that hands frames to groups over to the interface `to`, as if that had received them. */
export function addGroupFilter(ifindex: number, to: number): boolean {
  const mirred = Buffer.alloc(TC_MIRRED_SIZE);
  mirred.writeInt32LE(TC_ACT_STOLEN, 8);
  mirred.writeInt32LE(TCA_INGRESS_REDIR, 20);
  mirred.writeUInt32LE(to, 24);
  const options = nestedAttribute(TCA_ACT_OPTIONS, attribute(TCA_MIRRED_PARMS, mirred));
  const action = nestedAttribute(1, attributeString(TCA_ACT_KIND, 'mirred'), options);
  const isGroup = program(
    [BPF_LD_W_ABS, 0, 0, SKF_AD_PKTTYPE],
    [BPF_JEQ_K, 1, 0, PACKET_BROADCAST],
    [BPF_JEQ_K, 0, 1, PACKET_MULTICAST],
    [BPF_RET_K, 0, 0, MATCH],
    [BPF_RET_K, 0, 0, NO_MATCH],
  );
  return addFilter(ifindex, 'add a filter for group frames at the ingress', [isGroup, nestedAttribute(TCA_BPF_ACT, action)]);
}

/** One of ours that a dead process left is replaced, without a moment that has none. */
function addFilter(ifindex: number, what: string, options: readonly Buffer[]): boolean {
  const wasThere = hasFilter(ifindex);
  const body = Buffer.concat([filterMessage(ifindex), nestedAttribute(TCA_OPTIONS, ...options)]);
  netlinkRequest(what, RTM_NEWTFILTER, NLM_F_CREATE | (wasThere ? 0 : NLM_F_EXCL), body);
  return !wasThere;
}

/** A classic BPF program: code, jump if true, jump if false, operand. */
function program(...instructions: readonly (readonly [code: number, jt: number, jf: number, k: number])[]): Buffer {
  const octets = Buffer.alloc(SOCK_FILTER_SIZE * instructions.length);
  for (const [n, [code, jt, jf, k]] of instructions.entries()) {
    const at = n * SOCK_FILTER_SIZE;
    octets.writeUInt16LE(code, at);
    octets.writeUInt8(jt, at + 2);
    octets.writeUInt8(jf, at + 3);
    octets.writeUInt32LE(k, at + 4);
  }
  return Buffer.concat([attributeU16(TCA_BPF_OPS_LEN, instructions.length), attribute(TCA_BPF_OPS, octets)]);
}

/** Whether a filter of ours is in place. */
export function hasFilter(ifindex: number): boolean {
  return listFilters(ifindex, HOOK_INGRESS).some(({ body }) => body.readUInt32LE(TCMSG_HANDLE) === FILTER_HANDLE);
}

/** Takes our filter away; no error when it is gone. */
export function deleteFilter(ifindex: number): void {
  if (!hasFilter(ifindex)) return;
  unlessMissing(() => netlinkRequest('delete our filter at the ingress', RTM_DELTFILTER, 0, filterMessage(ifindex)));
}

/** The filters at a hook; none when the interface, or the discipline, is not there. */
function listFilters(ifindex: number, hook: number): NetlinkMessage[] {
  const request = tcmsg(ifindex, 0, hook, 0);
  // A dump also carries one entry for each chain of a priority, without options: those are no filters.
  return netlinkRequest('list the ingress filters', RTM_GETTFILTER, NLM_F_DUMP, request).filter(
    ({ type, body }) => type === RTM_NEWTFILTER && parseAttributes(body, TCMSG_SIZE).has(TCA_OPTIONS),
  );
}

function filterMessage(ifindex: number): Buffer {
  return Buffer.concat([tcmsg(ifindex, FILTER_HANDLE, HOOK_INGRESS, FILTER_INFO), attributeString(TCA_KIND, 'bpf')]);
}

function tcmsg(ifindex: number, handle: number, parent: number, info: number): Buffer {
  const octets = Buffer.alloc(TCMSG_SIZE);
  octets.writeInt32LE(ifindex, 4);
  octets.writeUInt32LE(handle, TCMSG_HANDLE);
  octets.writeUInt32LE(parent, 12);
  octets.writeUInt32LE(info, 16);
  return octets;
}

/** Someone else may take away what we want to take away; that is as good. */
function unlessMissing(change: () => unknown): void {
  try {
    change();
  } catch (error) {
    const missing: number[] = [ERRNO.ENOENT, ERRNO.ENODEV, ERRNO.EINVAL];
    if (!(error instanceof SysError) || !missing.includes(error.errno)) throw error;
  }
}
