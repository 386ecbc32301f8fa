// Builds and takes apart TCP and UDP frames for tests of src/wire, octet by octet, slowly, and
// sharing nothing with src/wire: what the tests compare with must not have the same fault.

/** What a frame is made of. Everything not named is a constant of `buildFrame`. */
export interface FrameShape {
  readonly version: 4 | 6;
  readonly protocol: 'tcp' | 'udp';
  /** VLAN tags, outer first, as tpid and tci. */
  readonly tags?: readonly (readonly [number, number])[];
  /** IPv4 options in 32-bit words of NOP. */
  readonly optionWords?: number;
  /** IPv6 extension headers between the IPv6 header and layer 4: type and 8-octet units beyond the first. */
  readonly extensions?: readonly (readonly [number, number])[];
  readonly tcpOptionWords?: number;
  readonly tcpFlags?: number;
  readonly seq?: number;
  readonly id?: number;
  readonly ports?: readonly [number, number];
  readonly payload: Uint8Array;
}

/** A frame and where its parts are. */
export interface BuiltFrame {
  readonly octets: Uint8Array<ArrayBuffer>;
  readonly etherType: number;
  /** Octets of Ethernet header with tags: where layer 3 starts. */
  readonly l3: number;
  readonly l4: number;
  /** Where the payload of layer 4 starts. */
  readonly payload: number;
  /** Offset of the checksum from layer 4. */
  readonly csumOffset: number;
}

/** RFC 1071 by the book: the ones' complement sum of big-endian 16-bit words, not complemented. */
export function onesSum(octets: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i++) {
    sum += i % 2 === 0 ? (octets[i] as number) * 256 : (octets[i] as number);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

function u16(value: number): number[] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

function u32(value: number): number[] {
  return [...u16(value >>> 16), ...u16(value)];
}

const SRC_4 = [192, 0, 2, 1];
const DST_4 = [198, 51, 100, 77];
const SRC_6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef];
const DST_6 = [0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x99];

/** The frame, with its layer 4 checksum unfinished: the field holds the pseudo header's sum, as virtio drivers leave it. */
export function buildFrame(shape: FrameShape): BuiltFrame {
  const isTcp = shape.protocol === 'tcp';
  const protocol = isTcp ? 6 : 17;
  const [srcPort, dstPort] = shape.ports ?? [50_000, 5201];
  const tcpHeaderLen = 20 + (shape.tcpOptionWords ?? 0) * 4;
  const l4Len = (isTcp ? tcpHeaderLen : 8) + shape.payload.length;
  const addresses = shape.version === 4 ? [...SRC_4, ...DST_4] : [...SRC_6, ...DST_6];
  const seed = onesSum(Uint8Array.from([...addresses, ...u32(protocol), ...u32(l4Len)]));

  const l4: number[] = isTcp
    ? [
        ...[...u16(srcPort), ...u16(dstPort), ...u32(shape.seq ?? 1000), ...u32(77_777)],
        ...[(tcpHeaderLen / 4) << 4, shape.tcpFlags ?? 0x10, ...u16(502), ...u16(seed), ...u16(0)],
        ...new Array<number>(tcpHeaderLen - 20).fill(1),
      ]
    : [...u16(srcPort), ...u16(dstPort), ...u16(l4Len), ...u16(seed)];

  const l3: number[] = [];
  if (shape.version === 4) {
    const words = 5 + (shape.optionWords ?? 0);
    const id = shape.id ?? 0x1234;
    l3.push(...[0x40 | words, 0, ...u16(words * 4 + l4Len), ...u16(id), ...u16(0x4000), 64, protocol, 0, 0], ...addresses);
    l3.push(...new Array<number>((words - 5) * 4).fill(1));
    const csum = 0xffff - onesSum(Uint8Array.from(l3));
    l3.splice(10, 2, ...u16(csum));
  } else {
    const extensions = shape.extensions ?? [];
    const types = [...extensions.map(([type]) => type), protocol];
    const extensionOctets = extensions.flatMap(([, units], i) => [
      ...[types[i + 1] as number, units],
      ...new Array<number>(6 + units * 8).fill(0),
    ]);
    l3.push(...[0x60, 0, 0, 0, ...u16(extensionOctets.length + l4Len), types[0] as number, 64], ...addresses, ...extensionOctets);
  }

  const tags = (shape.tags ?? []).flatMap(([tpid, tci]) => [...u16(tpid), ...u16(tci)]);
  const etherType = shape.version === 4 ? 0x0800 : 0x86dd;
  const ethernet = [0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1, ...tags, ...u16(etherType)];
  const head = [...ethernet, ...l3, ...l4];
  const octets = new Uint8Array(head.length + shape.payload.length);
  octets.set(head);
  octets.set(shape.payload, head.length);
  return {
    octets,
    etherType,
    l3: ethernet.length,
    l4: ethernet.length + l3.length,
    payload: head.length,
    csumOffset: isTcp ? 16 : 6,
  };
}

/** What `inspectFrame` found; every length field agreed and every checksum verified, or it threw. */
export interface InspectedFrame {
  readonly ethernet: Uint8Array;
  readonly id: number;
  /** Sequence number, flags and header without checksum, for TCP. */
  readonly seq: number;
  readonly flags: number;
  readonly ports: Uint8Array;
  readonly l4Checksum: number;
  readonly l4Options: Uint8Array;
  readonly payload: Uint8Array;
}

function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`bad frame: ${what}`);
}

/** Takes a finished TCP or UDP frame apart and checks all lengths and checksums; throws an Error that says what is wrong. */
export function inspectFrame(octets: Uint8Array): InspectedFrame {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  let l3 = 14;
  let type = view.getUint16(12);
  while (type === 0x8100 || type === 0x88a8) {
    type = view.getUint16(l3 + 2);
    l3 += 4;
  }
  let l4 = l3;
  let protocol: number;
  let addresses: Uint8Array;
  if (type === 0x0800) {
    l4 += (view.getUint8(l3) & 15) * 4;
    must(view.getUint16(l3 + 2) === octets.length - l3, `IPv4 total length ${view.getUint16(l3 + 2)}, not ${octets.length - l3}`);
    must(onesSum(octets.subarray(l3, l4)) === 0xffff, 'IPv4 header checksum');
    protocol = view.getUint8(l3 + 9);
    addresses = octets.subarray(l3 + 12, l3 + 20);
  } else {
    must(type === 0x86dd, `type ${type.toString(16)}`);
    l4 += 40;
    must(
      view.getUint16(l3 + 4) === octets.length - l4,
      `IPv6 payload length ${view.getUint16(l3 + 4)}, not ${octets.length - l4}`,
    );
    protocol = view.getUint8(l3 + 6);
    addresses = octets.subarray(l3 + 8, l3 + 40);
    while ([0, 43, 60].includes(protocol)) {
      protocol = view.getUint8(l4);
      l4 += 8 + view.getUint8(l4 + 1) * 8;
    }
  }
  must(protocol === 6 || protocol === 17, `protocol ${protocol}`);
  const isTcp = protocol === 6;
  const segment = octets.subarray(l4);
  const covered = Uint8Array.from([...addresses, ...u32(protocol), ...u32(segment.length), ...segment]);
  must(onesSum(covered) === 0xffff, `${isTcp ? 'TCP' : 'UDP'} checksum`);
  const l4Checksum = view.getUint16(l4 + (isTcp ? 16 : 6));
  if (!isTcp) {
    must(view.getUint16(l4 + 4) === segment.length, `UDP length ${view.getUint16(l4 + 4)}, not ${segment.length}`);
    must(l4Checksum !== 0, 'UDP checksum 0 says that there is none');
  }
  const l4HeaderLen = isTcp ? (view.getUint8(l4 + 12) >>> 4) * 4 : 8;
  return {
    ethernet: octets.subarray(0, l3),
    id: type === 0x0800 ? view.getUint16(l3 + 4) : 0,
    seq: isTcp ? view.getUint32(l4 + 4) : 0,
    flags: isTcp ? view.getUint8(l4 + 13) : 0,
    ports: octets.subarray(l4, l4 + 4),
    l4Checksum,
    l4Options: isTcp ? octets.subarray(l4 + 20, l4 + l4HeaderLen) : octets.subarray(0, 0),
    payload: octets.subarray(l4 + l4HeaderLen),
  };
}

/** Octets from text like `52 54 00`, for frozen frames. */
export function hex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.trim().split(/\s+/), (octet) => Number.parseInt(octet, 16));
}
