// The keys of a port's specification: which kinds of port have which, and how each value is read.
// Command line, YAML and `port set` all go through this one table.

import { parseIp } from '../sys/ip-text.ts';
import { formatMac, isGroup, isZero, parseMac } from '../wire/ethernet.ts';
import type { PortKind, PortSpec, SpecSettings } from './spec.ts';

const MTU_MIN = 68;
const MTU_MAX = 65_535;
const NAME_LEN_MAX = 63;

/** What a value is read by: puts it on the spec, or returns why it cannot be, to follow on `KEY is VALUE; `. */
export type Reader = (spec: PortSpec, value: string) => string | undefined;

type FlagKey = { [K in keyof PortSpec]-?: PortSpec[K] extends boolean | undefined ? K : never }[keyof PortSpec];
type SettingFlag = { [K in keyof SpecSettings]-?: SpecSettings[K] extends boolean | undefined ? K : never }[keyof SpecSettings];

/** A key of a specification. */
export interface SpecKey {
  /** Kinds of port that have it; undefined: all. */
  readonly kinds?: readonly PortKind[];
  readonly read: Reader;
  /** Whether the key alone means `on`. */
  readonly isFlag?: true;
  /** Whether it is a setting that may change while the port runs. */
  readonly isSetting?: true;
}

/** Every key, by name. */
export const SPEC_KEYS: Readonly<Record<string, SpecKey>> = {
  name: { read: readName },
  mtu: { read: readMtu, isSetting: true },
  learning: settingFlag('learning'),
  flood: settingFlag('flood'),
  mcast_flood: settingFlag('mcast_flood'),
  bcast_flood: settingFlag('bcast_flood'),
  isolated: settingFlag('isolated'),
  hairpin: settingFlag('hairpin'),
  group_fwd_mask: { read: readGroupMask, isSetting: true },
  netns: { kinds: ['tap', 'netdev', 'macvtap'], read: readNetns },
  mac: { kinds: ['tap'], read: readMac },
  address: { kinds: ['tap'], read: readAddress },
  shared: flag('shared', ['netdev']),
  create: flag('create', ['netdev']),
  connect: flag('connect', ['stream']),
  mode: { kinds: ['stream', 'dgram'], read: readMode },
};

function flag(key: FlagKey, kinds: readonly PortKind[]): SpecKey {
  return { kinds, read: (spec, value) => readBoolean(value, (on) => (spec[key] = on)), isFlag: true };
}

function settingFlag(key: SettingFlag): SpecKey {
  const read: Reader = (spec, value) => readBoolean(value, (on) => (spec.settings[key] = on));
  return { read, isFlag: true, isSetting: true };
}

const TRUE = ['on', 'yes', 'true', '1'];
const FALSE = ['off', 'no', 'false', '0'];

function readBoolean(value: string, set: (on: boolean) => void): string | undefined {
  if (!TRUE.includes(value) && !FALSE.includes(value)) return 'it must be on or off';
  set(TRUE.includes(value));
  return undefined;
}

/** Decimal or 0x. */
function readNumber(value: string, min: number, max: number, set: (n: number) => void): string | undefined {
  const n = /^(\d+|0x[0-9a-f]+)$/i.test(value) ? Number(value) : Number.NaN;
  if (!(n >= min && n <= max)) return `it must be a number from ${min} to ${max}`;
  set(n);
  return undefined;
}

function readMtu(spec: PortSpec, value: string): string | undefined {
  return readNumber(value, MTU_MIN, MTU_MAX, (n) => (spec.settings.mtu = n));
}

function readGroupMask(spec: PortSpec, value: string): string | undefined {
  const complaint = readNumber(value, 0, 0xffff, (n) => (spec.settings.group_fwd_mask = n));
  if (complaint !== undefined) return complaint;
  return ((spec.settings.group_fwd_mask ?? 0) & 2) === 0 ? undefined : 'bit 1 cannot be set: PAUSE frames are never relayed';
}

function readName(spec: PortSpec, value: string): string | undefined {
  spec.name = value;
  return nameComplaint(value);
}

/** Why a port cannot have this name. What is refused here could not be typed, or not be told apart, in a command or a table. */
export function nameComplaint(name: string): string | undefined {
  if (name === '' || Buffer.byteLength(name) > NAME_LEN_MAX) return `a name has 1 to ${NAME_LEN_MAX} octets`;
  return /^-|[\s/,=\p{C}]/u.test(name)
    ? 'a name holds no space, slash, comma or equals sign, and does not begin with a dash'
    : undefined;
}

function readNetns(spec: PortSpec, value: string): string | undefined {
  spec.netns = value;
  const isPath = value.startsWith('/') || /^pid:[1-9]\d*$/.test(value);
  const isName = value !== '' && !/[/\s\0]|^pid:|^\.\.?$/.test(value);
  return isPath || isName ? undefined : 'it must be a name that `ip netns` shows, pid:N, or a path';
}

function readMac(spec: PortSpec, value: string): string | undefined {
  const mac = parseMac(value);
  if (mac === undefined) return 'write it as 52:54:00:12:34:56';
  if (isGroup(mac.hi) || isZero(mac.hi, mac.lo)) return 'that is not the address of one station';
  spec.mac = formatMac(mac.hi, mac.lo);
  return undefined;
}

function readAddress(spec: PortSpec, value: string): string | undefined {
  const [address = '', prefixLen = '', ...rest] = value.split('/');
  const octets = parseIp(address);
  const isPrefix = octets !== undefined && /^\d{1,3}$/.test(prefixLen) && Number(prefixLen) <= octets.length * 8;
  if (!isPrefix || rest.length > 0) return 'write an address with its prefix length, such as 192.168.122.1/24';
  spec.address = value;
  return undefined;
}

function readMode(spec: PortSpec, value: string): string | undefined {
  if (!/^0?[0-7]{3}$/.test(value)) return 'write three octal digits, such as 0660';
  spec.mode = Number.parseInt(value, 8);
  return undefined;
}
