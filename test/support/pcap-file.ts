// Reads classic pcap files for tests through the package pcap-parser, behind a guard. Alone it
// accepts wrong versions, ends without a word on a file that was cut off, and swallows the rest of a
// file behind one bogus length, copying quadratically meanwhile. So, before and around it:
//
// - magic, version and size are checked first; only microsecond files of version 2.4 pass;
// - a captured length over min(snaplen, 262,144) ends the reading at once (a snaplen of 0 means no
//   limit, as in libpcap);
// - at the end, the octets consumed must be the octets of the file.

import type { EventEmitter } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { loadOptional, type Optional } from './optional.ts';

const GLOBAL_HEADER_LEN = 24;
const PACKET_HEADER_LEN = 16;
/** libpcap's MAXIMUM_SNAPLEN. */
const CAPTURED_LEN_MAX = 262_144;
/** Largest file read: fixtures are small. */
const FILE_SIZE_MAX = 64 << 20;
/** Octets handed to the parser at a time, as a file stream would. */
const CHUNK_SIZE = 65_536;

interface PacketHeader {
  readonly timestampSeconds: number;
  readonly timestampMicroseconds: number;
  readonly capturedLength: number;
  readonly originalLength: number;
}

/** What we use of the package. */
export interface PcapParserPackage {
  parse(input: Readable): EventEmitter;
}

/** One captured frame. `frame` is a copy, `originalLen` its length on the wire. */
export interface PcapPacket {
  readonly timeSec: number;
  readonly timeUsec: number;
  readonly originalLen: number;
  readonly frame: Uint8Array;
}

/** A whole capture. `linkType` 1 is Ethernet. */
export interface PcapFile {
  readonly linkType: number;
  readonly snapLen: number;
  readonly packets: readonly PcapPacket[];
}

/** The package, or why it is missing. */
export function loadPcapParser(): Optional<PcapParserPackage> {
  return loadOptional<PcapParserPackage>('pcap-parser');
}

/** Reads the capture at `path`; rejects with a sentence for anything but a whole classic microsecond pcap. */
export async function readPcapFile(pcapParser: PcapParserPackage, path: string): Promise<PcapFile> {
  const { size } = await stat(path);
  if (size > FILE_SIZE_MAX) throw new Error(`${path} has ${size} octets; captures in tests have ${FILE_SIZE_MAX} at the most`);
  try {
    return await parsePcap(pcapParser, await readFile(path));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Reads a capture held in memory; as `readPcapFile`. */
export async function parsePcap(pcapParser: PcapParserPackage, octets: Uint8Array): Promise<PcapFile> {
  const { linkType, snapLen } = checkGlobalHeader(octets);
  const capturedLenMax = snapLen === 0 ? CAPTURED_LEN_MAX : Math.min(snapLen, CAPTURED_LEN_MAX);
  const packets: PcapPacket[] = [];
  let consumed = GLOBAL_HEADER_LEN;
  const stream = Readable.from(chunksOf(octets));
  await new Promise<void>((resolve, reject) => {
    const parser = pcapParser.parse(stream);
    parser.on('packetHeader', (header: PacketHeader) => {
      if (header.capturedLength <= capturedLenMax) return;
      reject(
        new Error(`packet ${packets.length + 1} claims ${header.capturedLength} octets, over the limit of ${capturedLenMax}`),
      );
      parser.removeAllListeners('packet');
      stream.destroy();
    });
    parser.on('packet', ({ header, data }: { header: PacketHeader; data: Buffer }) => {
      consumed += PACKET_HEADER_LEN + header.capturedLength;
      packets.push({
        timeSec: header.timestampSeconds,
        timeUsec: header.timestampMicroseconds,
        originalLen: header.originalLength,
        frame: Uint8Array.from(data),
      });
    });
    parser.on('error', reject);
    parser.on('end', resolve);
  });
  if (consumed !== octets.length) {
    throw new Error(`cut off behind packet ${packets.length}: ${octets.length - consumed} octets make no whole packet`);
  }
  return { linkType, snapLen, packets };
}

function checkGlobalHeader(octets: Uint8Array): { linkType: number; snapLen: number } {
  if (octets.length < GLOBAL_HEADER_LEN) {
    throw new Error(`${octets.length} octets are too few for a pcap global header (${GLOBAL_HEADER_LEN})`);
  }
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const magic = view.getUint32(0);
  const isLittleEndian = magic === 0xd4c3b2a1;
  if (!isLittleEndian && magic !== 0xa1b2c3d4) {
    throw new Error(`magic number ${magic.toString(16).padStart(8, '0')} is not that of a classic microsecond pcap`);
  }
  const major = view.getUint16(4, isLittleEndian);
  const minor = view.getUint16(6, isLittleEndian);
  if (major !== 2 || minor !== 4) throw new Error(`pcap version ${major}.${minor} is not 2.4`);
  return { snapLen: view.getUint32(16, isLittleEndian), linkType: view.getUint32(20, isLittleEndian) };
}

function* chunksOf(octets: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < octets.length; at += CHUNK_SIZE) yield Buffer.from(octets.subarray(at, at + CHUNK_SIZE));
}
