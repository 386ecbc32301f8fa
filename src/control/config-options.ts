// Pieces of a configuration that can be written on a command line too: how each is read, and what it may
// be. They stand apart from the file's schema, so that a switch without a file does not load YAML.

import { IO_CHOICES, type IoChoice } from '../loop/io-choice.ts';
import { isInterfaceName } from '../sys/ifreq.ts';
import { parseIp } from '../sys/ip-text.ts';
import { UsageError } from './errors.ts';

/** The port through which the host itself is on the switch. */
export interface HostConfig {
  ifname: string;
  /** Address and prefix length. */
  address?: string;
}

/** The port that leads outside. */
export interface UplinkConfig {
  ifname: string;
}

/** Entries an FDB may have room for. */
export const FDB_SIZE_MIN = 64;
export const FDB_SIZE_MAX = 1 << 22;

/** Why a spanning tree mode cannot be had, as a sentence; undefined for `off`. */
export function stpComplaint(mode: string): string | undefined {
  if (mode === 'off') return undefined;
  if (mode === 'stp' || mode === 'rstp')
    return `spanning tree (${mode}) is not there yet; use off, and let no cable or port make a loop`;
  return `'${mode}' is no spanning tree mode; it is off, stp or rstp`;
}

/** Reads `IFNAME[,ADDR/LEN]` of `--host`. Throws UsageError. */
export function parseHostOption(text: string): HostConfig {
  const [name = '', addressText, ...rest] = text.split(',');
  if (!isInterfaceName(name) || rest.length > 0) {
    throw new UsageError(`--host ${text}: write IFNAME or IFNAME,ADDRESS/LENGTH, such as br0,192.168.122.1/24`);
  }
  if (addressText === undefined) return { ifname: name };
  if (!isAddressWithPrefix(addressText)) {
    throw new UsageError(`--host ${text}: '${addressText}' is not an address with its prefix length, such as 192.168.122.1/24`);
  }
  return { ifname: name, address: addressText };
}

/** Reads `IFNAME` of `--uplink`. Throws UsageError. */
export function parseUplinkOption(text: string): UplinkConfig {
  const [name = '', ...rest] = text.split(',');
  if (rest[0] === 'takeover') {
    throw new UsageError(
      `--uplink ${text}: takeover is not there yet; without it the interface is shared with the host where the host uses it`,
    );
  }
  if (!isInterfaceName(name) || rest.length > 0)
    throw new UsageError(`--uplink ${text}: write the name of an interface, such as eth0`);
  return { ifname: name };
}

/** Reads a size for the FDB. Throws UsageError. */
export function parseFdbSize(text: string): number {
  const size = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (size >= FDB_SIZE_MIN && size <= FDB_SIZE_MAX) return size;
  throw new UsageError(`--fdb-size ${text}: it must be a number from ${FDB_SIZE_MIN} to ${FDB_SIZE_MAX}`);
}

/** Reads what `--io`, or `from`, says. Throws UsageError. */
export function parseIo(text: string, from = '--io'): IoChoice {
  const choice = IO_CHOICES.find((each) => each === text);
  if (choice !== undefined) return choice;
  throw new UsageError(`${from} ${text}: it is ${IO_CHOICES.join(', ')}`);
}

/** What a switch waits with: as asked for, else what WEFT_IO says. Throws UsageError. */
export function resolveIo(asked: IoChoice | undefined): IoChoice {
  if (asked !== undefined) return asked;
  const text = process.env['WEFT_IO'];
  return text === undefined || text === '' ? 'auto' : parseIo(text, 'WEFT_IO');
}

/** Whether `text` is ADDRESS/LENGTH. */
export function isAddressWithPrefix(text: string): boolean {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const octets = match?.[1] === undefined ? undefined : parseIp(match[1]);
  return octets !== undefined && Number(match?.[2]) <= octets.length * 8;
}
