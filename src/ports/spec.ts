// What a port is made from, and how it is written: `KIND:TARGET[,name=NAME][,key=value]…` on a
// command line, or the same as an entry of a YAML file, `{tap: tap0, learning: false}`.
//
//   tap:tap0,netns=guests,isolated=on       netdev:eth1,shared        stream:vm1.sock,mode=0660
//   macvtap:eth2        dgram:vm1.sock:vm1.qemu                   fd:5
//
// In text a comma ends the target or a value; one that belongs to it is written `\,`, and a
// backslash before a comma `\\`. Any other backslash is itself. A key without a value is `on`.
// Whatever is wrong is a SpecError that says where, and what was probably meant.

import { nearest } from '../lib/nearest.ts';
import { isInterfaceName } from '../sys/ifreq.ts';
import { parseDgramPaths } from './dgram-paths.ts';
import { nameComplaint, SPEC_KEYS } from './spec-keys.ts';

/** Kinds of port. */
export const PORT_KINDS = ['tap', 'netdev', 'macvtap', 'stream', 'dgram', 'fd'] as const;
export type PortKind = (typeof PORT_KINDS)[number];

/** Kinds that have a name but nothing behind it yet. */
const PLANNED_KINDS: readonly string[] = ['vhost-user'];

const FD_MIN = 3;

/** Settings that the bridge keeps for a port; what is left out has its default there. */
export interface SpecSettings {
  mtu?: number;
  learning?: boolean;
  flood?: boolean;
  mcast_flood?: boolean;
  bcast_flood?: boolean;
  isolated?: boolean;
  hairpin?: boolean;
  /** Reserved groups (01-80-C2-00-00-0X) forwarded from this port, one bit each. */
  group_fwd_mask?: number;
}

/** A port as asked for. */
export interface PortSpec {
  kind: PortKind;
  /** Interface name, socket path, LOCAL:REMOTE paths (dgram-paths.ts) or descriptor number, by kind. */
  target: string;
  /** Name in the switch; by default the interface's, the last part of the (local) path without its extension, or `fdN`. */
  name: string;
  /** tap, netdev, macvtap: network namespace the interface lives in: a name of `ip netns`, `pid:N` or a path. */
  netns?: string;
  /** stream: dial the path and retry, instead of listening. */
  connect?: boolean;
  /** stream, dgram: permissions of the socket that weft makes; by default 0660. */
  mode?: number;
  /** tap: address and prefix length to put on the interface (host port). */
  address?: string;
  /** tap: MAC address of the interface, lower case with colons. */
  mac?: string;
  /** The host's own port (host), a port to the outside (uplink), or a plain one. */
  role?: 'host' | 'uplink';
  /** netdev: leave the host's stack on the interface (shared uplink). */
  shared?: boolean;
  /** netdev: make a tap of that name if there is no interface, for a program that opens it by name. */
  create?: boolean;
  settings: SpecSettings;
}

/** A port that is written wrongly; the message is a sentence. */
export class SpecError extends Error {
  override readonly name = 'SpecError';
  /** The key it is about, as written; undefined when it is about the whole. */
  readonly key: string | undefined;

  constructor(message: string, key?: string) {
    super(message);
    this.key = key;
  }
}

/** Reads `KIND:TARGET[,key=value]…`. Throws SpecError, which gives the place as a character of the text, from 1. */
export function parsePortSpec(text: string): PortSpec {
  const parts = split(text);
  const head = parts[0] as Part;
  const colon = head.text.indexOf(':');
  const kind = colon < 0 ? head.text : head.text.slice(0, colon);
  const fail = (error: unknown, at: number): never => {
    if (!(error instanceof SpecError)) throw error;
    throw new SpecError(`port '${text}', character ${at}: ${error.message}`, error.key);
  };
  let spec: PortSpec;
  try {
    spec = start(checkKind(kind), colon < 0 ? '' : head.text.slice(colon + 1));
  } catch (error) {
    return fail(error, head.at);
  }
  const seen = new Set<string>();
  for (const part of parts.slice(1)) {
    const equals = part.text.indexOf('=');
    const key = equals < 0 ? part.text : part.text.slice(0, equals);
    try {
      if (seen.has(key)) throw new SpecError(`${key} is given twice`, key);
      seen.add(key);
      readKey(spec, key, equals < 0 ? undefined : part.text.slice(equals + 1));
    } catch (error) {
      fail(error, part.at);
    }
  }
  try {
    return finish(spec);
  } catch (error) {
    return fail(error, head.at);
  }
}

/**
 * Reads an entry of a YAML file: `{KIND: TARGET, key: value, …}`, values as text, number or boolean.
 * Throws SpecError without a place: its `key` tells the caller, who knows the lines.
 */
export function specFromObject(entry: Readonly<Record<string, unknown>>): PortSpec {
  const kinds = Object.keys(entry).filter((key) => isKind(key) || PLANNED_KINDS.includes(key));
  const kind = kinds[0];
  if (kind === undefined) {
    const near = Object.keys(entry).find((key) => SPEC_KEYS[key] === undefined && nearest(key, PORT_KINDS) !== undefined);
    if (near !== undefined) checkKind(near);
    throw new SpecError(`the port has no kind: give it one of ${kindList()} with its target, such as {tap: tap0}`);
  }
  if (kinds.length > 1) throw new SpecError(`a port has one kind, not ${kinds.join(' and ')}`, kinds[1]);
  const spec = start(checkKind(kind), scalar(kind, entry[kind]));
  for (const [key, value] of Object.entries(entry)) {
    if (key === kind) continue;
    if (key === 'mode' && typeof value !== 'string') {
      throw new SpecError("write mode as text in quotes, such as '0660': YAML reads the digits of a number as decimal", key);
    }
    readKey(spec, key, scalar(key, value));
  }
  return finish(spec);
}

/** Reads settings of a port that runs: `key=value` each, with the keys of SpecSettings. Throws SpecError. */
export function parsePortSettings(assignments: readonly string[]): SpecSettings {
  const spec: PortSpec = { kind: 'fd', target: '', name: '', settings: {} };
  const settings = Object.keys(SPEC_KEYS).filter((key) => SPEC_KEYS[key]?.isSetting);
  for (const assignment of assignments) {
    const equals = assignment.indexOf('=');
    const key = equals < 0 ? assignment : assignment.slice(0, equals);
    if (!settings.includes(key)) {
      throw new SpecError(`a port that runs has no setting '${key}'; ${suggestion(key, settings)}`, key);
    }
    readKey(spec, key, equals < 0 ? undefined : assignment.slice(equals + 1));
  }
  return spec.settings;
}

/** A piece between commas, its escapes resolved, and the character it begins at, from 1. */
interface Part {
  text: string;
  at: number;
}

function split(text: string): Part[] {
  let part: Part = { text: '', at: 1 };
  const parts = [part];
  for (let i = 0; i < text.length; i++) {
    const next = text[i + 1];
    if (text[i] === ',') {
      part = { text: '', at: i + 2 };
      parts.push(part);
    } else if (text[i] === '\\' && (next === ',' || next === '\\')) {
      part.text += next;
      i++;
    } else {
      part.text += text[i];
    }
  }
  return parts;
}

function isKind(kind: string): kind is PortKind {
  return (PORT_KINDS as readonly string[]).includes(kind);
}

function checkKind(kind: string): PortKind {
  if (isKind(kind)) return kind;
  if (PLANNED_KINDS.includes(kind)) throw new SpecError(`weft has no ${kind} ports yet; there are ${kindList()}`, kind);
  const near = nearest(kind, PORT_KINDS);
  const meant = near === undefined ? `write KIND:TARGET with one of ${kindList()}` : `did you mean ${near}?`;
  throw new SpecError(`there is no kind of port '${kind}'; ${meant}`, kind);
}

function kindList(): string {
  return listed(PORT_KINDS);
}

function listed(kinds: readonly PortKind[]): string {
  return kinds.length < 2 ? kinds.join() : `${kinds.slice(0, -1).join(', ')} and ${kinds.at(-1)}`;
}

function start(kind: PortKind, target: string): PortSpec {
  if (target === '') throw new SpecError(`a ${kind} port needs ${TARGETS[kind]}: ${kind}:TARGET`, kind);
  if (kind === 'fd') {
    if (!/^\d{1,7}$/.test(target) || Number(target) < FD_MIN) {
      throw new SpecError(`fd is '${target}'; it must be the number of an inherited descriptor, ${FD_MIN} or more`, kind);
    }
  } else if (kind === 'stream') {
    if (target.includes('\0')) throw new SpecError('a socket path cannot hold a zero octet', kind);
  } else if (kind === 'dgram') {
    const paths = parseDgramPaths(target);
    if (paths === undefined || target.includes('\0')) {
      throw new SpecError(`dgram is '${target}'; write LOCAL:REMOTE, a colon within a path as \\:`, kind);
    }
    if (paths.local === paths.remote) throw new SpecError('a dgram port and its guest need a path each, not the same one', kind);
  } else if (!isInterfaceName(target)) {
    throw new SpecError(
      `'${target}' cannot be an interface's name: 1 to 15 octets, no slash, colon, per cent sign or space`,
      kind,
    );
  }
  return { kind, target, name: '', settings: {} };
}

const TARGETS: Readonly<Record<PortKind, string>> = {
  tap: 'the name of an interface',
  netdev: 'the name of an interface',
  macvtap: 'the name of a NIC',
  stream: 'the path of a socket',
  dgram: "the path of its socket and of the guest's, LOCAL:REMOTE",
  fd: 'the number of a descriptor',
};

/** Gives the port its default name, and judges what only the whole shows. */
function finish(spec: PortSpec): PortSpec {
  if (spec.connect && spec.mode !== undefined) {
    throw new SpecError('mode is for a socket that weft listens on; leave it out beside connect', 'mode');
  }
  if (spec.shared && spec.create) {
    throw new SpecError(
      'shared is for an interface that the host uses, and create for one that is not there yet: choose one',
      'create',
    );
  }
  if (spec.name !== '') return spec;
  if (isInterfaceKind(spec.kind)) return { ...spec, name: spec.target };
  const socketPath = spec.kind === 'dgram' ? (parseDgramPaths(spec.target)?.local ?? '') : spec.target;
  const name = spec.kind === 'fd' ? `fd${Number(spec.target)}` : socketPath.replace(/^.*\//s, '').replace(/(.)\.[^.]*$/s, '$1');
  const complaint = nameComplaint(name);
  if (complaint !== undefined) {
    throw new SpecError(`no port name can be made from ${spec.target}: ${complaint}; give it one with name=NAME`, 'name');
  }
  return { ...spec, name };
}

/** Whether the port's target is the name of an interface. */
function isInterfaceKind(kind: PortKind): boolean {
  return kind === 'tap' || kind === 'netdev' || kind === 'macvtap';
}

function readKey(spec: PortSpec, key: string, value: string | undefined): void {
  const known = Object.hasOwn(SPEC_KEYS, key) ? SPEC_KEYS[key] : undefined;
  const ofKind = Object.keys(SPEC_KEYS).filter((name) => SPEC_KEYS[name]?.kinds?.includes(spec.kind) ?? true);
  if (known === undefined) throw new SpecError(`there is no key '${key}'; ${suggestion(key, ofKind)}`, key);
  if (known.kinds !== undefined && !known.kinds.includes(spec.kind)) {
    throw new SpecError(`a ${spec.kind} port has no ${key}; it is for ${listed(known.kinds)} ports`, key);
  }
  if (value === undefined && !known.isFlag) throw new SpecError(`${key} needs a value: ${key}=VALUE`, key);
  const complaint = known.read(spec, value ?? 'on');
  if (complaint !== undefined) throw new SpecError(`${key} is '${value}'; ${complaint}`, key);
}

function suggestion(key: string, candidates: readonly string[]): string {
  const near = nearest(key, candidates);
  return near === undefined ? `there are ${candidates.join(', ')}` : `did you mean ${near}?`;
}

/** The text of a YAML value. */
function scalar(key: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new SpecError(`${key} must be a text, a number, or true or false`, key);
}
