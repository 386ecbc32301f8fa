// The captures in fixtures/pcap, as what they are made from: small exchanges between three stations
// of a lab, written out by hand. `write-captures.ts` writes the files; a test compares them with this.
//
// A station's last octet says which port of a switch it is at, so that a test can play a capture.

import { hex } from './frames.ts';
import { onesSum } from './ip-frame.ts';

const [ALICE, BOB, SERVER] = ['020000000010', '020000000011', '020000000012'] as const;
const BROADCAST = 'ffffffffffff';
const [ALICE_IP, BOB_IP, SERVER_IP] = ['c0000210', 'c0000211', 'c0000212'] as const;

/** Number of ports the stations of a capture are at. */
export const CAPTURE_PORTS = 3;

/** The port that the sender of a frame is at, from 0. */
export function portOfSender(frame: Uint8Array): number {
  return (frame[11] as number) & 0xf;
}

/** `octets` padded with zeros to the shortest frame of a real wire. */
function padded(octets: Buffer): Buffer {
  return Buffer.concat([octets, Buffer.alloc(Math.max(0, 60 - octets.length))]);
}

function u16(value: number): string {
  return value.toString(16).padStart(4, '0');
}

/** The checksum field of what has `covered` summed up, its own field zero [RFC 1071]. */
function checksum(...covered: string[]): string {
  return u16(0xffff - onesSum(hex(...covered)));
}

function arp(dst: string, src: string, operation: '0001' | '0002', fields: string): Buffer {
  return padded(hex(dst, src, '0806 0001 0800 06 04', operation, fields));
}

function ipv4(srcIp: string, dstIp: string, protocol: string, payload: string): string {
  const [head, tail] = [`4500 ${u16(20 + hex(payload).length)} 0001 0000 40 ${protocol}`, srcIp + dstIp];
  return `${head} ${checksum(head, tail)} ${tail} ${payload}`;
}

function udp(srcIp: string, dstIp: string, ports: string, payload: string): string {
  const len = u16(8 + hex(payload).length);
  const csum = checksum(srcIp, dstIp, '0011', len, ports, len, payload);
  return ipv4(srcIp, dstIp, '11', `${ports} ${len} ${csum} ${payload}`);
}

function echo(srcIp: string, dstIp: string, type: '00' | '08', sequence: number, payload: string): string {
  const tail = `1234 ${u16(sequence)} ${payload}`;
  return ipv4(srcIp, dstIp, '01', `${type}00 ${checksum(`${type}00`, tail)} ${tail}`);
}

/** A BOOTP message with DHCP options [RFC 2131]. */
function dhcp(operation: '01' | '02', yourIp: string, options: string): string {
  const fixed = `${operation} 01 06 00 3903f326 0000 8000 00000000 ${yourIp} 00000000 00000000 ${ALICE}`;
  return `${fixed} ${'00'.repeat(10 + 64 + 128)} 63825363 ${options} ff`;
}

function llc(dst: string, src: string, payload: string): Buffer {
  return padded(hex(dst, src, u16(hex(payload).length), payload));
}

/** A configuration BPDU [802.1D-2004 9.3.1] of the bridge `id`. */
function configBpdu(id: string): string {
  return `424203 0000 00 00 00 8000${id} 00000000 8000${id} 8001 0000 1400 0200 0f00`;
}

const PATTERN = Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(2, '0')).join('');
const ASKS_FOR_BOB = arp(BROADCAST, ALICE, '0001', `${ALICE}${ALICE_IP} 000000000000 ${BOB_IP}`);
const BOB_ANSWERS = arp(ALICE, BOB, '0002', `${BOB}${BOB_IP} ${ALICE}${ALICE_IP}`);
const PING = padded(hex(BOB, ALICE, '0800', echo(ALICE_IP, BOB_IP, '08', 1, PATTERN)));
const PONG = padded(hex(ALICE, BOB, '0800', echo(BOB_IP, ALICE_IP, '00', 1, PATTERN)));

/** Frames of every capture, by the file's name without extension. */
export const CAPTURES: Readonly<Record<string, readonly Buffer[]>> = {
  // Request, answer, a gratuitous announcement, a probe for an address.
  arp: [
    ASKS_FOR_BOB,
    BOB_ANSWERS,
    arp(BROADCAST, SERVER, '0001', `${SERVER}${SERVER_IP} 000000000000 ${SERVER_IP}`),
    arp(BROADCAST, BOB, '0001', `${BOB}00000000 000000000000 ${SERVER_IP}`),
  ],
  // Discover, offer, request, acknowledgement; all by broadcast, as the flag in the messages asks for.
  dhcp: [
    hex(BROADCAST, ALICE, '0800', udp('00000000', 'ffffffff', '0044 0043', dhcp('01', '00000000', '350101 3704 0103060f'))),
    hex(
      ...[BROADCAST, SERVER, '0800'],
      udp(SERVER_IP, 'ffffffff', '0043 0044', dhcp('02', ALICE_IP, `350102 3604${SERVER_IP} 3304 00000e10`)),
    ),
    hex(
      ...[BROADCAST, ALICE, '0800'],
      udp('00000000', 'ffffffff', '0044 0043', dhcp('01', '00000000', `350103 3204${ALICE_IP} 3604${SERVER_IP}`)),
    ),
    hex(
      ...[BROADCAST, SERVER, '0800'],
      udp(SERVER_IP, 'ffffffff', '0043 0044', dhcp('02', ALICE_IP, `350105 3604${SERVER_IP} 3304 00000e10`)),
    ),
  ],
  // One tag, a priority tag, a service tag, both, and an answer in each direction.
  vlan: [
    padded(hex(BROADCAST, ALICE, '8100 0064 0806 0001 0800 06 04 0001', `${ALICE}${ALICE_IP} 000000000000 ${BOB_IP}`)),
    padded(hex(ALICE, BOB, '8100 0064 0806 0001 0800 06 04 0002', `${BOB}${BOB_IP} ${ALICE}${ALICE_IP}`)),
    padded(hex(BOB, ALICE, '8100 e000 0800', echo(ALICE_IP, BOB_IP, '08', 1, PATTERN))),
    padded(hex(ALICE, BOB, '88a8 0065 0800', echo(BOB_IP, ALICE_IP, '00', 1, PATTERN))),
    padded(hex(BOB, ALICE, '88a8 0065 8100 6064 0800', echo(ALICE_IP, BOB_IP, '08', 2, PATTERN))),
    Buffer.concat([hex(ALICE, BOB, '8100 0fff 88b5'), Buffer.alloc(1500, 0x77)]),
  ],
  // BPDUs (configuration, topology change, RST), PVST+ in SNAP, IPX, and LLDP, which is no LLC and goes nowhere.
  llc: [
    llc('0180c2000000', SERVER, configBpdu(SERVER)),
    llc('0180c2000000', BOB, '424203 0000 00 80'),
    llc('0180c2000000', SERVER, `424203 0000 02 02 3c 8000${SERVER} 00000000 8000${SERVER} 8001 0000 1400 0200 0f00 00`),
    llc('01000ccccccd', SERVER, `aaaa03 00000c 010b 0000 00 00 00 8000${SERVER} 00000000 8000${SERVER} 8001 0000 1400 0200 0f00`),
    llc(BROADCAST, ALICE, 'e0e003 ffff 0022 0011 00000000 ffffffffffff 0453 00000000 020000000010 4003'),
    padded(hex('0180c200000e', BOB, '88cc 0207 04', BOB, '0402 0531 0602 0078 0000')),
  ],
  // Known and unknown unicast, multicast, a short and a long frame, a moving station, and sources that no station has.
  mixed: [
    ASKS_FOR_BOB,
    BOB_ANSWERS,
    PING,
    PONG,
    padded(
      hex('333300000001', ALICE, '86dd 6000 0000 0000 3b ff fe80000000000000000000fffe000010 ff020000000000000000000000000001'),
    ),
    padded(hex('01005e0000fb', BOB, '0800', udp(BOB_IP, 'e00000fb', '14e9 14e9', PATTERN))),
    hex(BOB, ALICE, '88b5'),
    Buffer.concat([hex(ALICE, BOB, '88b5'), Buffer.alloc(1500, 0x5a)]),
    padded(hex('0200000000ff', ALICE, '88b5 01')),
    padded(hex(BOB, '020000000f02', '88b5 02')),
    padded(hex('020000000f02', BOB, '88b5 03')),
    padded(hex(BOB, '030000000010', '88b5 04')),
    padded(hex(BROADCAST, '000000000000', '88b5 05')),
    padded(hex('0180c2000001', ALICE, '8808 0001 ffff')),
  ],
};

/** A classic pcap file, little-endian with microseconds, one frame a millisecond. */
export function pcapFile(frames: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  const parts: Uint8Array[] = [header];
  for (const [k, frame] of frames.entries()) {
    const packet = Buffer.alloc(16);
    packet.writeUInt32LE(1_700_000_000, 0);
    packet.writeUInt32LE(k * 1000, 4);
    packet.writeUInt32LE(frame.length, 8);
    packet.writeUInt32LE(frame.length, 12);
    parts.push(packet, frame);
  }
  return Buffer.concat(parts);
}
