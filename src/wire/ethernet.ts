// Ethernet II / 802.3 headers and MAC addresses.
//
// An address is two numbers everywhere in weft: `hi`, its first two octets, and `lo`, its last
// four, both as read from the wire. They are compared and hashed as they stand; text is made only
// for people. The first octet on the wire is the upper half of `hi`, so the I/G bit (the lowest
// bit of that octet) is 0x0100.
//
//   0            6            12     14                      with one tag   12     14    16     18
//   +------------+------------+------+---------                             +------+-----+------+---
//   | dst        | src        | type | payload                              | TPID | TCI | type | payload
//   +------------+------------+------+---------                             +------+-----+------+---
//
// Tags: 0x8100 (C-TAG) and 0x88a8 (S-TAG) [802.1Q-2022 Table 9-1]. 0x9100, used for outer tags before
// 802.1ad gave them a type, is not one of them: no standard defines it, the Linux bridge relays it
// as an unknown type, and the taps and NICs below us neither strip nor insert it. Such a frame is
// relayed unchanged, as any type weft does not know.

/** An Ethernet header: octet offsets (TYPE moves by TAG_LEN for every tag) and lengths. */
export const ETHERNET = {
  DST: 0,
  SRC: 6,
  TYPE: 12,
  /** Octets of a header without tags. */
  HEADER_LEN: 14,
  /** Octets of one VLAN tag: TPID and TCI. */
  TAG_LEN: 4,
  /** Shortest frame on a real wire, without FCS [802.3 4.2.3.3]. Virtual devices carry shorter ones. */
  FRAME_LEN_MIN: 60,
} as const;

/** Octets of a MAC address. */
export const MAC_LEN = 6;
/** A type field below this value is a length, and an LLC header follows [802.3 3.2.6]. */
export const ETHERTYPE_MIN = 0x0600;

/** Values of the type field that weft tells apart. */
export const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806, IPV6: 0x86dd, LLDP: 0x88cc } as const;

/** Values of the type field that announce a VLAN tag instead of a payload. */
export const TPID = { C_TAG: 0x8100, S_TAG: 0x88a8 } as const;

/** A MAC address as two numbers: its first two octets and its last four. */
export interface Mac {
  readonly hi: number;
  readonly lo: number;
}

const C_TAG = TPID.C_TAG;
const S_TAG = TPID.S_TAG;

/** Whether `type` announces a VLAN tag instead of a payload. */
export function isTpid(type: number): boolean {
  return type === C_TAG || type === S_TAG;
}

/** The first two octets of the address at `offset`. */
export function macHi(view: DataView, offset: number): number {
  return view.getUint16(offset);
}

/** The last four octets of the address at `offset`. */
export function macLo(view: DataView, offset: number): number {
  return view.getUint32(offset + 2);
}

/** Writes an address as the six octets at `offset`. */
export function writeMac(view: DataView, offset: number, hi: number, lo: number): void {
  view.setUint16(offset, hi);
  view.setUint32(offset + 2, lo);
}

/** Whether the address is a group address, broadcast included: its I/G bit is set. */
export function isGroup(hi: number): boolean {
  return (hi & 0x0100) !== 0;
}

/** Whether the address is ff:ff:ff:ff:ff:ff. */
export function isBroadcast(hi: number, lo: number): boolean {
  return hi === 0xffff && lo === 0xffffffff;
}

/** Whether the address is one of 01-80-C2-00-00-00 to 0F, which bridges do not relay [802.1D-2004 7.12.6]. */
export function isReservedGroup(hi: number, lo: number): boolean {
  return hi === 0x0180 && lo >>> 4 === 0xc200000;
}

/** Whether the address is 00:00:00:00:00:00, which no station has. */
export function isZero(hi: number, lo: number): boolean {
  return hi === 0 && lo === 0;
}

const MAC_TEXT = /^[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}$/i;

/** Reads `aa:bb:cc:dd:ee:ff` or `aa-bb-cc-dd-ee-ff` in either case; undefined when `text` is neither. */
export function parseMac(text: string): Mac | undefined {
  if (!MAC_TEXT.test(text)) return undefined;
  const digits = text.replaceAll(/[:-]/g, '');
  return { hi: Number.parseInt(digits.slice(0, 4), 16), lo: Number.parseInt(digits.slice(4), 16) };
}

/** The address as `aa:bb:cc:dd:ee:ff`. */
export function formatMac(hi: number, lo: number): string {
  const digits = hi.toString(16).padStart(4, '0') + lo.toString(16).padStart(8, '0');
  return digits.replaceAll(/..(?=.)/g, '$&:');
}
