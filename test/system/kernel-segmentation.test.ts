// The kernel's own segmentation and checksum completion as the oracle of src/wire: the same frame,
// with the same virtio-net header, goes into a tap that is a port of a kernel bridge whose other
// port is a tap without any offload, and through judgeOffload and Segmenter. Both must make the
// same frames, octet for octet, or both must refuse it.

import '../support/sandbox.ts';
import { readSync, writeFileSync, writeSync } from 'node:fs';
import t from 'tap';
import { memoryOf } from '../../src/lib/memory.ts';
import { closeFd, ioctlNumber } from '../../src/sys/fd.ts';
import { openTap, TAP_VNET_HDR_SIZE } from '../../src/sys/tap-device.ts';
import { BAD_OFFLOAD, judgeOffload } from '../../src/wire/offload-facts.ts';
import { Segmenter } from '../../src/wire/segment.ts';
import { writeVnetHdr } from '../../src/wire/virtio-net-hdr.ts';
import { buildFrame, type FrameShape, inspectFrame } from '../support/ip-frame.ts';
import { ip, until } from '../support/netns.ts';

const TUNSETOFFLOAD = 0x400454d0;
const MARKER_TYPE = 0x88b5;

const source = openTap('gso');
const plain = openTap('plain');
t.equal(ioctlNumber(plain.fd, TUNSETOFFLOAD, 0), 0);
ip('link add name bridge0 type bridge mcast_snooping 0');
for (const name of ['gso', 'plain', 'bridge0']) {
  // No router solicitations or the like between the frames that are compared.
  writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1');
  if (name !== 'bridge0') ip(`link set dev ${name} mtu 9000 master bridge0`);
  ip(`link set dev ${name} up`);
}

const buffer = new Uint8Array(70_000);

/** The next frame the kernel delivers on the plain tap, or undefined when there is none yet. */
function receive(): Uint8Array | undefined {
  let len: number;
  try {
    len = readSync(plain.fd, buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
    throw error;
  }
  const header = buffer.subarray(0, 10);
  if (header.some((octet, i) => octet !== 0 && i !== 0) || ((header[0] as number) & 1) !== 0) {
    throw new Error(`the plain tap got an offload: ${header}`);
  }
  return buffer.slice(TAP_VNET_HDR_SIZE, len);
}

/** Writes a frame behind a header into the tap; whether the kernel took it. */
function send(octets: Uint8Array, flags = 0, gsoType = 0, gsoSize = 0, csumStart = 0, csumOffset = 0): boolean {
  const all = new Uint8Array(TAP_VNET_HDR_SIZE + octets.length);
  // hdr_len 0: the kernel treats it as a hint, and so it cannot decide anything here.
  writeVnetHdr(new DataView(all.buffer), 0, flags, gsoType, 0, gsoSize, csumStart, csumOffset);
  all.set(octets, TAP_VNET_HDR_SIZE);
  try {
    return writeSync(source.fd, all) === all.length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return false;
    throw error;
  }
}

let markers = 0;

/** Everything the kernel delivers up to a marker frame sent now: what was sent before has come out by then, or never will. */
async function receiveAll(): Promise<Uint8Array[]> {
  const number = ++markers;
  const marker = new Uint8Array(60);
  marker.set([
    0x52,
    0x54,
    0,
    0,
    0,
    2,
    0x52,
    0x54,
    0,
    0,
    0,
    1,
    MARKER_TYPE >>> 8,
    MARKER_TYPE & 0xff,
    number >>> 8,
    number & 0xff,
  ]);
  send(marker);
  const frames: Uint8Array[] = [];
  await until('the marker frame', () => {
    for (let frame = receive(); frame !== undefined; frame = receive()) {
      const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
      if (view.getUint16(12) !== MARKER_TYPE) frames.push(frame);
      else if (view.getUint16(14) === number) return true;
    }
    return false;
  });
  return frames;
}

const segmenter = new Segmenter();

/** What src/wire makes of it for an egress without capabilities; undefined when it refuses. */
function ours(
  octets: Uint8Array,
  l3: number,
  etherType: number,
  ...facts: [flags: number, gsoType: number, gsoSize: number, csumStart: number, csumOffset: number]
): Uint8Array[] | undefined {
  const memory = memoryOf(octets.slice().buffer);
  const judged = judgeOffload(memory.view, 0, octets.length, octets.length, l3, etherType, ...facts);
  if (judged === BAD_OFFLOAD) return undefined;
  const [, , gsoSize, csumStart, csumOffset] = facts;
  const count = segmenter.begin(memory, 0, octets.length, l3, etherType, judged & 0xff, gsoSize, csumStart - l3, csumOffset);
  return Array.from({ length: count }, (_, k) => {
    const dst = memoryOf(new ArrayBuffer(segmenter.emittedLenMax));
    return dst.u8.slice(0, segmenter.emit(k, dst, 0));
  });
}

function octetsOf(len: number): Uint8Array {
  return Uint8Array.from({ length: len }, (_, i) => (i * 2_654_435_761) >>> 13);
}

const TAGS: FrameShape['tags'][] = [
  [],
  [[0x8100, 0x6005]],
  [
    [0x88a8, 7],
    [0x8100, 5],
  ],
];
const BASES: (FrameShape & { gsoType: number })[] = [
  { version: 4, protocol: 'tcp', gsoType: 1, payload: octetsOf(4001) },
  {
    version: 4,
    protocol: 'tcp',
    gsoType: 1,
    payload: octetsOf(2896),
    tcpOptionWords: 3,
    tcpFlags: 0x19,
    id: 0xfffe,
    seq: 0xfffffff0,
  },
  { version: 4, protocol: 'tcp', gsoType: 1, payload: octetsOf(3000), optionWords: 4, tcpOptionWords: 10, tcpFlags: 0xff },
  { version: 4, protocol: 'tcp', gsoType: 0x81, payload: octetsOf(3000), tcpFlags: 0xd8 },
  { version: 6, protocol: 'tcp', gsoType: 4, payload: octetsOf(4001), tcpOptionWords: 3 },
  { version: 6, protocol: 'tcp', gsoType: 0x84, payload: octetsOf(3333), tcpFlags: 0xd9 },
  {
    version: 6,
    protocol: 'tcp',
    gsoType: 4,
    payload: octetsOf(3333),
    extensions: [
      [0, 0],
      [60, 1],
    ],
  },
  { version: 4, protocol: 'udp', gsoType: 5, payload: octetsOf(4001) },
  { version: 4, protocol: 'udp', gsoType: 5, payload: octetsOf(3000), optionWords: 2, id: 0xffff },
  { version: 6, protocol: 'udp', gsoType: 5, payload: octetsOf(4001) },
];

t.test('super-segments of every kind, behind 0 to 2 tags', async (t) => {
  for (const base of BASES) {
    for (const tags of TAGS) {
      for (const gsoSize of [1448, 536, 101]) {
        const name = `${base.protocol} over IPv${base.version}, gso type ${base.gsoType}, ${tags?.length} tags, ${gsoSize} octets`;
        const frame = buildFrame({ ...base, tags: tags ?? [] });
        const facts = [1, base.gsoType, gsoSize, frame.l4, frame.csumOffset] as const;
        t.ok(send(frame.octets, ...facts), name);
        const kernels = await receiveAll();
        t.equal(kernels.length, Math.ceil(base.payload.length / gsoSize), name);
        for (const each of kernels) inspectFrame(each);
        t.same(ours(frame.octets, frame.l3, frame.etherType, ...facts), kernels, name);
      }
    }
  }
});

t.test('checksums alone, also of a payload that fits one segment', async (t) => {
  for (const base of BASES) {
    for (const tags of TAGS) {
      for (const [len, gsoType, gsoSize] of [
        [1201, 0, 0],
        [18, 0, 0],
        [1000, base.gsoType, 1000 + (base.tcpOptionWords ?? 0) * 4],
        [1000, base.gsoType, 1448],
      ] as const) {
        const name = `${base.protocol} over IPv${base.version}, gso type ${gsoType}, ${tags?.length} tags, ${len} octets, gso size ${gsoSize}`;
        const frame = buildFrame({ ...base, payload: octetsOf(len), tags: tags ?? [] });
        const facts = [1, gsoType, gsoSize, frame.l4, frame.csumOffset] as const;
        t.ok(send(frame.octets, ...facts), name);
        t.same(ours(frame.octets, frame.l3, frame.etherType, ...facts), await receiveAll(), name);
      }
    }
  }
});

// Linux 6.18 counts TCP options as payload when it asks whether a frame fits one segment, and as header
// when it then segments: a gso size from the payload's length up to that plus the options is taken at
// the tap and dropped. It is legal, so here it becomes the frame the kernel makes of it without gso.
t.test('a payload that fits one segment, but not together with its TCP options', async (t) => {
  for (const base of BASES.filter((each) => each.tcpOptionWords !== undefined)) {
    const frame = buildFrame({ ...base, payload: octetsOf(1000) });
    t.ok(send(frame.octets, 1, 0, 0, frame.l4, frame.csumOffset));
    const kernels = await receiveAll();
    t.equal(kernels.length, 1);
    for (const gsoSize of [1000, 1000 + (base.tcpOptionWords ?? 0) * 4 - 1]) {
      t.same(ours(frame.octets, frame.l3, frame.etherType, 1, base.gsoType, gsoSize, frame.l4, frame.csumOffset), kernels);
    }
  }
});

t.test('a coalesced super-segment, whose checksum field says nothing', async (t) => {
  for (const base of BASES.filter((each) => each.protocol === 'tcp')) {
    const frame = buildFrame(base);
    frame.octets.set([0xde, 0xad], frame.l4 + frame.csumOffset);
    const facts = [2, base.gsoType, 1000, 0, 0] as const;
    t.ok(send(frame.octets, ...facts));
    const kernels = await receiveAll();
    t.equal(kernels.length, Math.ceil(base.payload.length / 1000));
    t.same(ours(frame.octets, frame.l3, frame.etherType, ...facts), kernels);
  }
});

t.test('behind a routing header with segments left the sum is seeded with the final destination', async (t) => {
  for (const protocol of ['tcp', 'udp'] as const) {
    const frame = buildFrame({ version: 6, protocol, extensions: [[43, 2]], payload: octetsOf(3333) });
    frame.octets[frame.l3 + 40 + 3] = 1;
    const view = new DataView(frame.octets.buffer);
    const at = frame.l4 + frame.csumOffset;
    view.setUint16(at, view.getUint16(at) ^ 0x0100);
    const facts = [1, protocol === 'tcp' ? 4 : 5, 1000, frame.l4, frame.csumOffset] as const;
    t.ok(send(frame.octets, ...facts));
    const kernels = await receiveAll();
    t.equal(kernels.length, 4);
    t.same(ours(frame.octets, frame.l3, frame.etherType, ...facts), kernels);
  }
});

t.test('a UDP checksum that comes to 0', async (t) => {
  const shape: FrameShape = { version: 4, protocol: 'udp', payload: new Uint8Array(20) };
  const probe = buildFrame(shape);
  const facts = [1, 0, 0, probe.l4, probe.csumOffset] as const;
  const [finished] = ours(probe.octets, probe.l3, probe.etherType, ...facts) ?? [];
  const filler = inspectFrame(finished as Uint8Array).l4Checksum;
  const frame = buildFrame({ ...shape, payload: Uint8Array.from([filler >>> 8, filler & 0xff, ...new Uint8Array(18)]) });
  t.ok(send(frame.octets, ...facts));
  const kernels = await receiveAll();
  t.equal(inspectFrame(kernels[0] as Uint8Array).l4Checksum, 0xffff);
  t.same(ours(frame.octets, frame.l3, frame.etherType, ...facts), kernels);
});

t.test('64 KiB', async (t) => {
  for (const base of [BASES[0], BASES[4]] as FrameShape[]) {
    const frame = buildFrame({ ...base, payload: octetsOf(65_000) });
    const facts = [1, base.version === 4 ? 1 : 4, 1448, frame.l4, frame.csumOffset] as const;
    t.ok(send(frame.octets, ...facts));
    t.same(ours(frame.octets, frame.l3, frame.etherType, ...facts), await receiveAll());
  }
});

t.test('what the kernel refuses at the tap, or drops on the way, is refused here', async (t) => {
  const tcp = buildFrame({ version: 4, protocol: 'tcp', payload: octetsOf(3000) });
  const udp = buildFrame({ version: 4, protocol: 'udp', payload: octetsOf(3000) });
  const lies: [string, typeof tcp, number, number, number, number, number][] = [
    ['a gso size of 0', tcp, 1, 1, 0, tcp.l4, 16],
    ['a checksum behind the end', tcp, 1, 0, 0, 4000, 16],
    ['an unknown gso type', tcp, 1, 2, 1448, tcp.l4, 16],
    ['ECN without gso', tcp, 1, 0x80, 0, tcp.l4, 16],
    ['TCP with the checksum of UDP', tcp, 1, 1, 1448, tcp.l4, 6],
    ['UDP with the checksum of TCP', udp, 1, 5, 1448, udp.l4, 16],
    ['UDP with ECN', udp, 1, 0x85, 1448, udp.l4, 6],
    ['UDP without an unfinished checksum', udp, 0, 5, 1448, 0, 0],
    ['a checksum behind the end, of a super-segment', tcp, 1, 1, 1448, 60_000, 16],
  ];
  for (const [name, frame, ...facts] of lies) {
    const [flags, gsoType, gsoSize, csumStart, csumOffset] = facts;
    const taken = send(frame.octets, flags, gsoType, gsoSize, csumStart, csumOffset);
    const kernels = await receiveAll();
    t.same([taken, kernels.length], [false, 0], `the kernel refuses ${name}`);
    t.equal(ours(frame.octets, frame.l3, frame.etherType, flags, gsoType, gsoSize, csumStart, csumOffset), undefined, name);
  }
});

t.teardown(() => {
  closeFd(source.fd);
  closeFd(plain.fd);
});
