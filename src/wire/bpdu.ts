// Bridge protocol data units [802.1D-2004 clause 9]: what bridges tell each other, behind the LLC
// header of llc.ts.
//
//   octet  0      protocol identifier, 0                      Config  TCN  RST
//          2      protocol version                              0      0    2 (MST 3)
//          3      type                                        0x00   0x80  0x02
//          4      flags                                         x           x
//          5      root identifier, 8                            x           x
//         13      root path cost, 4                             x           x
//         17      bridge identifier, 8                          x           x
//         25      port identifier, 2                            x           x
//         27 29 31 33  message age, max age, hello time,        x           x
//                 forward delay, 2 each, in 1/256 s
//         35      version 1 length, 0                                       x
//
// An MST BPDU has the type of an RST BPDU, a higher version and more octets behind; its first 36
// octets speak for the common spanning tree, and weft reads those and no more [9.3.4 NOTE].
//
// Whoever reads trusts nothing: a BPDU is taken only if it passes the tests of 9.3.4. The last of
// them, that it is not the port's own, needs the bridge and is made by the protocol engine. Octets
// behind the BPDU are padding or the work of later versions and mean nothing [9.3.4].
//
// A bridge identifier is its priority (with the system ID extension, 16 bits) and an address, and
// compares as one number of 64 bits, priority first [9.2.5].

import { type Mac, macHi, macLo, writeMac } from './ethernet.ts';

/** Octet offsets in a BPDU. */
export const BPDU = {
  PROTOCOL_ID: 0,
  VERSION: 2,
  TYPE: 3,
  FLAGS: 4,
  ROOT_ID: 5,
  ROOT_PATH_COST: 13,
  BRIDGE_ID: 17,
  PORT_ID: 25,
  MESSAGE_AGE: 27,
  MAX_AGE: 29,
  HELLO_TIME: 31,
  FORWARD_DELAY: 33,
  VERSION_1_LEN: 35,
} as const;

/** Octets of each kind of BPDU, without what may follow [9.3.1, 9.3.2, 9.3.3]. */
export const BPDU_LEN = { CONFIG: 35, TCN: 4, RST: 36 } as const;
/** Values of the type octet [9.2.4]. */
export const BPDU_TYPE = { CONFIG: 0x00, TCN: 0x80, RST: 0x02 } as const;
/** Lowest protocol version of an RST BPDU [9.2.3]. */
export const BPDU_VERSION_RST = 2;

/** Bits of the flags octet [9.2.8, 9.3.1, 9.3.3]; a Config BPDU uses the first and the last. */
export const BPDU_FLAG = {
  TC: 0x01,
  PROPOSAL: 0x02,
  ROLE: 0x0c,
  LEARNING: 0x10,
  FORWARDING: 0x20,
  AGREEMENT: 0x40,
  TC_ACK: 0x80,
} as const;

/** Values of the port role in the flags of an RST BPDU, where they stand [9.2.9]. */
export const BPDU_ROLE = { UNKNOWN: 0x00, ALTERNATE_BACKUP: 0x04, ROOT: 0x08, DESIGNATED: 0x0c } as const;

/** Who a bridge is: priority with system ID extension, then its address. */
export interface BridgeId extends Mac {
  readonly priority: number;
}

/** What a Config and an RST BPDU share. Times are seconds, with the fractions of 1/256 s the wire may carry. */
export interface BpduBody {
  readonly flags: number;
  readonly rootId: BridgeId;
  readonly rootPathCost: number;
  readonly bridgeId: BridgeId;
  readonly portId: number;
  readonly messageAge: number;
  readonly maxAge: number;
  readonly helloTime: number;
  readonly forwardDelay: number;
}

/** A BPDU, by kind. The version of an RST BPDU is 2, or more for one that says more than weft reads. */
export type Bpdu =
  | ({ readonly kind: 'config'; readonly version: number } & BpduBody)
  | { readonly kind: 'tcn'; readonly version: number }
  | ({ readonly kind: 'rst'; readonly version: number } & BpduBody);

/** Why octets are no BPDU that may be processed, with a sentence each [9.3.4]. */
export const BPDU_FAULTS = {
  too_short: 'it has fewer octets than its kind of BPDU',
  other_protocol: 'its protocol identifier is not 0',
  unknown_type: 'its type is none of Config, TCN and RST',
  old_version: 'it has the type of an RST BPDU and a version that has none',
  too_old: 'its message age has reached its max age',
} as const;
export type BpduFault = keyof typeof BPDU_FAULTS;

const UNITS_PER_S = 256;

/** Reads the BPDU that `octets` start with; what is wrong with it when it must not be processed [9.3.4]. Never throws. */
export function parseBpdu(octets: Uint8Array): Bpdu | BpduFault {
  if (octets.length < BPDU_LEN.TCN) return 'too_short';
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  if (view.getUint16(BPDU.PROTOCOL_ID) !== 0) return 'other_protocol';
  const version = view.getUint8(BPDU.VERSION);
  switch (view.getUint8(BPDU.TYPE)) {
    case BPDU_TYPE.TCN:
      return { kind: 'tcn', version };
    case BPDU_TYPE.CONFIG: {
      if (octets.length < BPDU_LEN.CONFIG) return 'too_short';
      const body = readBody(view);
      return body.messageAge < body.maxAge ? { kind: 'config', version, ...body } : 'too_old';
    }
    case BPDU_TYPE.RST:
      if (version < BPDU_VERSION_RST) return 'old_version';
      if (octets.length < BPDU_LEN.RST) return 'too_short';
      return { kind: 'rst', version, ...readBody(view) };
    default:
      return 'unknown_type';
  }
}

/** The octets of a BPDU; of one with a version above 2 the common part. Times are rounded to 1/256 s. */
export function emitBpdu(bpdu: Bpdu): Uint8Array {
  const len = bpdu.kind === 'tcn' ? BPDU_LEN.TCN : bpdu.kind === 'config' ? BPDU_LEN.CONFIG : BPDU_LEN.RST;
  const octets = new Uint8Array(len);
  const view = new DataView(octets.buffer);
  view.setUint8(BPDU.VERSION, bpdu.version);
  view.setUint8(BPDU.TYPE, bpdu.kind === 'tcn' ? BPDU_TYPE.TCN : bpdu.kind === 'config' ? BPDU_TYPE.CONFIG : BPDU_TYPE.RST);
  if (bpdu.kind === 'tcn') return octets;
  view.setUint8(BPDU.FLAGS, bpdu.flags);
  writeBridgeId(view, BPDU.ROOT_ID, bpdu.rootId);
  view.setUint32(BPDU.ROOT_PATH_COST, bpdu.rootPathCost);
  writeBridgeId(view, BPDU.BRIDGE_ID, bpdu.bridgeId);
  view.setUint16(BPDU.PORT_ID, bpdu.portId);
  writeTime(view, BPDU.MESSAGE_AGE, bpdu.messageAge);
  writeTime(view, BPDU.MAX_AGE, bpdu.maxAge);
  writeTime(view, BPDU.HELLO_TIME, bpdu.helloTime);
  writeTime(view, BPDU.FORWARD_DELAY, bpdu.forwardDelay);
  return octets;
}

function readBody(view: DataView): BpduBody {
  return {
    flags: view.getUint8(BPDU.FLAGS),
    rootId: readBridgeId(view, BPDU.ROOT_ID),
    rootPathCost: view.getUint32(BPDU.ROOT_PATH_COST),
    bridgeId: readBridgeId(view, BPDU.BRIDGE_ID),
    portId: view.getUint16(BPDU.PORT_ID),
    messageAge: view.getUint16(BPDU.MESSAGE_AGE) / UNITS_PER_S,
    maxAge: view.getUint16(BPDU.MAX_AGE) / UNITS_PER_S,
    helloTime: view.getUint16(BPDU.HELLO_TIME) / UNITS_PER_S,
    forwardDelay: view.getUint16(BPDU.FORWARD_DELAY) / UNITS_PER_S,
  };
}

function readBridgeId(view: DataView, offset: number): BridgeId {
  return { priority: view.getUint16(offset), hi: macHi(view, offset + 2), lo: macLo(view, offset + 2) };
}

function writeBridgeId(view: DataView, offset: number, id: BridgeId): void {
  view.setUint16(offset, id.priority);
  writeMac(view, offset + 2, id.hi, id.lo);
}

function writeTime(view: DataView, offset: number, seconds: number): void {
  view.setUint16(offset, Math.min(0xffff, Math.round(seconds * UNITS_PER_S)));
}
