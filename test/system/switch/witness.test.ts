// weft and the kernel's bridge side by side, seen by an independent witness: the same frames are
// injected by libpcap at the far end of a port and captured at the far ends of the others. Whatever
// leaves must be the frame that entered, octet for octet, and both must send it to the same ports and
// learn the same addresses. Where weft differs on purpose, the step says so and why (docs/standards.md).
//
//   s0 ── p0 ┐                        k0 ── b0 ┐
//   s1 ── p1 ├ weft                   k1 ── b1 ├ the kernel's bridge
//   s2 ── p2 │ (netdev)               k2 ── b2 │
//   s3 (tap) ┘                        k3 ── b3 ┘
//
// Port 0 alone takes longer frames (its MTU is 2000), so that there is something to drop at the others.

import '../../support/sandbox.ts';
import t from 'tap';
import type { PortJson } from '../../../src/control/json.ts';
import { loadCap } from '../../support/cap.ts';
import { hex, testFrame } from '../../support/frames.ts';
import { addVeth, ip, run } from '../../support/netns.ts';
import { quiet } from '../../support/real-ports.ts';
import { startWeft, weftJson } from '../../support/weft-process.ts';
import { WitnessLab } from '../../support/witness-lab.ts';

const LONG_MTU = 2000;
const PORTS = [0, 1, 2, 3];

const [A, B, C, D] = ['0200000000a0', '0200000000a1', '0200000000a2', '0200000000a3'] as const;
const UNKNOWN = '020000000099';
const PAUSING = '0200000000ce';
const ALL = 'ffffffffffff';

/** A frame, the port it enters, and the ports it must leave. */
interface Step {
  readonly what: string;
  readonly from: number;
  readonly frame: Uint8Array;
  readonly to: readonly number[];
  /** Where the kernel's bridge sends it instead, and why weft does not. */
  readonly kernel?: { readonly to: readonly number[]; readonly reason: string };
}

/** `frame` with tags behind its addresses. */
function tagged(frame: Buffer, ...tags: string[]): Buffer {
  return Buffer.concat([frame.subarray(0, 12), hex(...tags), frame.subarray(12)]);
}

/** An 802.3 frame: a length instead of a type, then `payload`, padded to 60 octets. */
function llc(dst: string, src: string, payload: string): Buffer {
  const octets = hex(payload);
  const frame = Buffer.alloc(Math.max(60, 14 + octets.length));
  hex(dst, src).copy(frame);
  frame.writeUInt16BE(octets.length, 12);
  octets.copy(frame, 14);
  return frame;
}

const BPDU = '424203 0000 00 00 00 8000525400000010 00000000 8000525400000010 8001 0000 1400 0200 0f00';
const flooded = (from: number): number[] => PORTS.filter((port) => port !== from);

const steps: readonly Step[] = [
  ...[14, 15, 20, 42, 59, 60, 61, 64, 65, 1513, 1514].map((len) => ({
    what: `broadcast of ${len} octets`,
    from: 0,
    frame: testFrame(ALL, A, len, len),
    to: flooded(0),
  })),
  ...[1, 2, 3].map((from) => ({
    what: `broadcast from port ${from}`,
    from,
    frame: testFrame(ALL, [A, B, C, D][from] as string, 300),
    to: flooded(from),
  })),
  { what: 'known unicast', from: 0, frame: testFrame(B, A, 200), to: [1] },
  { what: 'known unicast, shortest', from: 2, frame: testFrame(A, C, 14), to: [0] },
  { what: 'known unicast, longest', from: 1, frame: testFrame(D, B, 1514), to: [3] },
  { what: 'known unicast from the tap', from: 3, frame: testFrame(C, D, 77), to: [2] },
  { what: 'unknown unicast', from: 1, frame: testFrame(UNKNOWN, B), to: flooded(1) },
  { what: 'to an address of the port it came from', from: 1, frame: testFrame(B, '0200000000b1'), to: [] },
  { what: 'to and from the same address', from: 1, frame: testFrame(B, B), to: [] },
  { what: 'a station moves to port 2', from: 2, frame: testFrame(A, '0200000000b1'), to: [0] },
  { what: 'and is found there', from: 0, frame: testFrame('0200000000b1', A), to: [2] },
  ...(
    [
      ['802.1Q', '8100 2005'],
      ['802.1Q, VLAN 0 (priority)', '8100 e000'],
      ['802.1Q, VLAN 4095', '8100 ffff'],
      ['802.1ad', '88a8 0064'],
      ['QinQ', '88a8 0064 8100 0007'],
      ['two 802.1Q tags', '8100 0064 8100 0007'],
      ['three tags', '88a8 0064 8100 0007 8100 0008'],
      ['0x9100, which is no tag', '9100 0007'],
    ] as const
  ).flatMap(([what, tags]) => [
    { what: `${what}, broadcast`, from: 0, frame: tagged(testFrame(ALL, A), tags), to: flooded(0) },
    { what: `${what}, from the tap`, from: 3, frame: tagged(testFrame(C, D, 100), tags), to: [2] },
    { what: `${what}, shortest`, from: 2, frame: tagged(testFrame(D, C, 16), tags), to: [3] },
  ]),
  // The kernel itself drops a frame that it cannot take the tag out of, on every way into either switch.
  { what: 'a tag cut off behind its TPID', from: 0, frame: hex(B, A, '8100'), to: [] },
  { what: 'a tag cut off behind its TCI', from: 0, frame: hex(B, A, '8100 0005'), to: [] },
  { what: '802.1Q with nothing behind the type', from: 0, frame: hex(B, A, '8100 0005 88b5'), to: [] },
  { what: 'a full frame in a C-tag', from: 1, frame: tagged(testFrame(A, B, 1514), '8100 0005'), to: [0] },
  { what: 'a full frame in a C-tag to a tap', from: 1, frame: tagged(testFrame(D, B, 1514), '8100 0005'), to: [3] },
  { what: 'LLC (IPX)', from: 0, frame: llc(ALL, A, 'e0e003 ffff0022000200000000'), to: flooded(0) },
  { what: 'SNAP (IPv4)', from: 0, frame: llc(B, A, 'aaaa03 000000 0800 4500'), to: [1] },
  { what: 'a length of 0', from: 0, frame: llc(B, A, ''), to: [1] },
  { what: 'a length beyond the frame', from: 0, frame: hex(B, A, '05dc aaaa03'), to: [1] },
  { what: 'a type between length and type', from: 0, frame: hex(B, A, '05ff 00'), to: [1] },
  ...(
    [
      ['IPv4 multicast', '01005e010203'],
      ['224.0.0.1', '01005e000001'],
      ['IPv6 multicast', '333300000001'],
      ['any other group', '030000000001'],
      ['CDP', '01000ccccccc'],
      ['PVST+', '01000ccccccd'],
      ['all-LANs bridge management', '0180c2000010'],
      ['MMRP', '0180c2000020'],
      ['MVRP', '0180c2000021'],
    ] as const
  ).map(([what, dst]) => ({ what, from: 0, frame: testFrame(dst, A), to: flooded(0) })),
  { what: 'PVST+ as it is', from: 2, frame: llc('01000ccccccd', C, `aaaa03 00000c 010b ${BPDU}`), to: flooded(2) },
  { what: 'a BPDU while spanning tree is off', from: 0, frame: llc('0180c2000000', A, BPDU), to: flooded(0) },
  ...['02', '03', '04', '05', '06', '07', '08', '09', '0a', '0b', '0c', '0d', '0e', '0f'].map((last, k) => ({
    what: `reserved group :${last}`,
    from: 0,
    // Each from an address of its own: that it is learned all the same shows in the FDB.
    frame: testFrame(`0180c20000${last}`, `0200000000c${k.toString(16)}`),
    to: [],
  })),
  { what: 'PAUSE', from: 0, frame: testFrame('0180c2000001', PAUSING), to: [] },
  { what: 'a group as source', from: 0, frame: testFrame(ALL, '010000000001'), to: [] },
  { what: 'broadcast as source', from: 0, frame: testFrame(B, ALL), to: [] },
  { what: 'the zero address as source', from: 3, frame: testFrame(B, '000000000000'), to: [] },
  { what: 'to the zero address', from: 0, frame: testFrame('000000000000', A), to: flooded(0) },
  { what: '1519 octets', from: 0, frame: testFrame(ALL, A, 1519), to: [] },
  { what: '1519 octets, known', from: 0, frame: testFrame(D, A, 1519), to: [] },
  { what: '2014 octets', from: 0, frame: testFrame(ALL, A, 2014), to: [] },
  { what: '1523 octets in a C-tag', from: 0, frame: tagged(testFrame(ALL, A, 1519), '8100 0005'), to: [] },
  { what: '1518 octets, known', from: 0, frame: testFrame(D, A, 1518), to: [3] },
  { what: '1522 octets in a C-tag to a tap', from: 0, frame: tagged(testFrame(D, A, 1518), '8100 0005'), to: [3] },
  ...(
    [
      ['1518 octets', testFrame(ALL, A, 1518)],
      ['1522 octets in a C-tag', tagged(testFrame(ALL, A, 1518), '8100 0005')],
      ['a full frame in an S-tag', tagged(testFrame(ALL, A, 1514), '88a8 0005')],
      ['1522 octets in an S-tag', tagged(testFrame(ALL, A, 1518), '88a8 0005')],
    ] as const
  ).map(([what, frame]) => ({
    what: `${what}, to taps only`,
    from: 0,
    frame,
    to: [3],
    kernel: { to: flooded(0), reason: 'a packet socket takes MTU + 14 octets, and 4 more for an 802.1Q tag only' },
  })),
];

const cap = loadCap();
if (cap.module === undefined) throw new Error(cap.reason);

// No interface says anything of its own accord.
quiet('default');
for (const k of [0, 1, 2]) addVeth(`s${k}`, `p${k}`);
for (const k of PORTS) addVeth(`k${k}`, `b${k}`);
for (const ifname of ['s0', 'p0', 'k0', 'b0']) ip(`link set dev ${ifname} mtu ${LONG_MTU}`);
ip('link add kbr type bridge mcast_snooping 0');
for (const k of PORTS) ip(`link set dev b${k} master kbr`);
ip('link set dev kbr up');
const sw = await startWeft(
  '--switch',
  'br0',
  ...['p0', 'p1', 'p2'].flatMap((name) => ['--port', `netdev:${name}`]),
  '--port',
  'tap:s3',
);
ip('link set dev s3 up');

const weftLab = new WitnessLab(cap.module, ['s0', 's1', 's2', 's3']);
const kernelLab = new WitnessLab(cap.module, ['k0', 'k1', 'k2', 'k3']);

t.test('frames leave as they came, where they must', async (t) => {
  await weftLab.begin();
  await kernelLab.begin();
  for (const { what, from, frame, to, kernel } of steps) {
    const seen = await weftLab.exchange(from, [frame]);
    const byKernel = await kernelLab.exchange(from, [frame]);
    t.same(describe(seen), describe(PORTS.map((port) => (to.includes(port) ? [frame] : []))), what);
    const kernelTo = kernel?.to ?? to;
    t.same(
      describe(byKernel),
      describe(PORTS.map((port) => (kernelTo.includes(port) ? [frame] : []))),
      `${what}: the kernel's bridge`,
    );
  }
});

t.test('both have learned the same addresses', async (t) => {
  const learned: Record<string, number> = {};
  for (const { mac, ifname, state } of weftJson('fdb')) {
    if (state === 'dynamic') learned[mac] = ['p0', 'p1', 'p2', 's3'].indexOf(ifname);
  }
  const byKernel: Record<string, number> = {};
  for (const { mac, ifname, state } of JSON.parse(run('bridge', '-j', 'fdb', 'show', 'br', 'kbr'))) {
    if (state !== 'permanent') byKernel[mac] = Number(ifname.slice(1));
  }
  t.same(learned, byKernel);
  // Reserved groups are learned from, PAUSE is not.
  t.equal(learned[macOf('0200000000c0')], 0);
  t.notOk(macOf(PAUSING) in learned);
  t.equal(learned[macOf('0200000000b1')], 2);
});

t.test('every drop has its reason, and every frame is accounted for', async (t) => {
  t.same(weftJson('show').imbalances, []);
  const drops = Object.fromEntries(weftJson('ports').map(({ ifname, drops }: PortJson) => [ifname, drops]));
  const tooBig = steps.filter(({ what }) => /^(1519 octets|2014 octets|1523 octets)/.test(what));
  const toTapsOnly = steps.filter(({ kernel }) => kernel !== undefined).length;
  const broadcasts = tooBig.filter(({ what }) => !what.endsWith('known')).length;
  t.same(drops, {
    p0: { reserved_group: 15, source_group: 2 },
    p1: { same_port: 2, too_big: broadcasts + toTapsOnly },
    p2: { too_big: broadcasts + toTapsOnly },
    s3: { source_zero: 1, too_big: tooBig.length },
  });
});

t.test('and end', async (t) => {
  weftLab.close();
  kernelLab.close();
  t.equal((await sw.end('SIGTERM')).status, 0);
});

function macOf(digits: string): string {
  return digits.replaceAll(/..(?=.)/g, '$&:');
}

/** What was seen at each port, as text: a difference shows the octets. */
function describe(seen: readonly (readonly Uint8Array[])[]): string[] {
  return seen.map((frames) => frames.map((frame) => Buffer.from(frame).toString('hex')).join(' '));
}
