// The package raw-socket: ICMP sockets for probes, and an Internet checksum that shares no code with
// ours. Its faults that a test must know:
//
// - `createChecksum` on a {buffer, offset, length} reads past the end: use `internetChecksum` below.
// - Messages share one buffer: copy before keeping. A socket nobody refers to is closed by the
//   garbage collector: keep it in a variable that lives long enough, and close it.

import type { EventEmitter } from 'node:events';
import { loadOptional, type Optional } from './optional.ts';

/** An IP socket; events `message` (buffer, source address), `error` (error) and `close`. */
export interface RawSocket extends EventEmitter {
  send(buffer: Buffer, offset: number, length: number, address: string, done: (error: Error | null, sent: number) => void): this;
  setOption(level: number, option: number, value: Buffer | number, length?: number): void;
  close(): this;
}

/** What we use of the package. */
export interface RawSocketPackage {
  createSocket(options: { protocol: number; addressFamily: number; bufferSize?: number }): RawSocket;
  createChecksum(...buffers: Buffer[]): number;
  readonly AddressFamily: { readonly IPv4: number; readonly IPv6: number };
  readonly Protocol: { readonly ICMP: number; readonly ICMPv6: number };
  readonly SocketLevel: Readonly<Record<string, number>>;
  readonly SocketOption: Readonly<Record<string, number>>;
}

/** The package, or why it is missing. */
export function loadRawSocket(): Optional<RawSocketPackage> {
  return loadOptional<RawSocketPackage>('raw-socket');
}

/** The Internet checksum (RFC 1071, complemented) of `octets`, as the package computes it: the oracle of our own. */
export function internetChecksum(rawSocket: RawSocketPackage, octets: Uint8Array): number {
  return rawSocket.createChecksum(Buffer.from(octets));
}
