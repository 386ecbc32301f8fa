// From the description of a guest to QEMU's argument vector: a pure function, so what weft runs can be
// read in a test and printed for the user.
//
// Two kinds of guest:
// - One that boots weft's image (`boot`). It gets a machine with nothing in it but the network card
//   and two serial ports: the console on QEMU's standard output, the agent on an inherited socket, AGENT_FD.
// - One that the user describes with QEMU arguments. It gets a card, an accelerator and memory, nothing else.
// In both the user's arguments come last, so that they win where QEMU lets the later one win.
//
// QEMU splits option values at commas; a comma that belongs to a value is written twice.
//
// A `stream` card finds its switch again after a restart only from QEMU 8.0 on (`reconnect`, seconds;
// `reconnect-ms` replaced it in 9.2). A `dgram` card sends to a path, whichever switch has it by then.

import { LaunchError } from './launch-error.ts';
import type { QemuVersion } from './qemu-probe.ts';

/** How a guest's card reaches the switch. */
export type GuestLink =
  /** QEMU connects to a unix stream socket the switch listens on; each frame carries a 4-byte big-endian length. */
  | { readonly via: 'stream'; readonly socketPath: string }
  /** A unix datagram socket at each end, and a frame a datagram. QEMU takes over a path that was left behind, and leaves its own. */
  | { readonly via: 'dgram'; readonly switchPath: string; readonly guestPath: string }
  /** QEMU opens tap `ifname` itself, the classic way; the switch has the tap's netdev side. */
  | { readonly via: 'tap'; readonly ifname: string };

/** What executes the guest's instructions: the host's processor, or QEMU's translator. */
export type Accelerator = 'kvm' | 'tcg';

/** A guest that boots weft's own image (tools/guest-image.mjs). */
export interface GuestBoot {
  readonly kernel: string;
  readonly initrd: string;
  /** Addresses of the card with their prefix length, such as `192.168.76.11/24`. */
  readonly addresses?: readonly string[];
  /** Default gateway. */
  readonly gateway?: string;
  /** MTU of the card, in octets. */
  readonly mtu?: number;
}

/** Everything that decides a guest's QEMU arguments. */
export interface GuestMachine {
  readonly name: string;
  readonly mac: string;
  /** QEMU's name of the network card: virtio-net-pci, e1000, rtl8139, … */
  readonly model: string;
  readonly link: GuestLink;
  readonly accel: Accelerator;
  readonly memoryMb: number;
  readonly boot?: GuestBoot;
  /** The user's own arguments, put last; anything QEMU takes. */
  readonly qemu: readonly string[];
}

/** Descriptor on which QEMU inherits the agent's socket. */
export const AGENT_FD = 3;
/** Network card of a guest that does not choose one. */
export const MODEL_DEFAULT = 'virtio-net-pci';
/** Memory of a guest that does not say, in MiB. */
export const MEMORY_MB_DEFAULT = 256;

/** Longest path a unix socket address holds, without the final zero. */
const SOCKET_PATH_BYTES_MAX = 107;
/** Names that are safe on a kernel command line and as a host name. */
const GUEST_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** Cards QEMU gives a boot ROM; without it the firmware is done sooner and sends nothing. */
const MODELS_WITH_ROM = new Set([
  'virtio-net-pci',
  'virtio-net-pci-transitional',
  'virtio-net-pci-non-transitional',
  'e1000',
  'e1000e',
  'rtl8139',
  'ne2k_pci',
  'pcnet',
  'vmxnet3',
]);
/** A panic ends QEMU, so that it is noticed; the rest leaves out what a test guest does not need (2.5 s to boot instead of 3). */
const KERNEL_ARGS = ['console=ttyS0', 'quiet', 'panic=-1', 'mitigations=off', 'cryptomgr.notests', 'lsm=', 'audit=0'];

/**
 * QEMU's arguments (without the program) for `guest`.
 * Throws a LaunchError for a description that no arguments can express on this `version`.
 */
export function qemuArgs(guest: GuestMachine, version: QemuVersion): string[] {
  checkMachine(guest);
  const args = ['-name', `guest=${escaped(guest.name)}`, '-m', String(guest.memoryMb)];
  if (!choosesAccelerator(guest.qemu)) args.push('-accel', guest.accel);
  if (guest.boot !== undefined) args.push(...bootArgs(guest.name, guest.boot));
  args.push('-netdev', netdev(guest.link, version), '-device', device(guest));
  args.push(...guest.qemu);
  return args;
}

/** A value with its commas doubled, as it stands inside a QEMU option. */
export function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}

function bootArgs(name: string, boot: GuestBoot): string[] {
  const append = [...KERNEL_ARGS, `weft.name=${name}`];
  for (const address of boot.addresses ?? []) append.push(`weft.ip=${address}`);
  if (boot.gateway !== undefined) append.push(`weft.gateway=${boot.gateway}`);
  if (boot.mtu !== undefined) append.push(`weft.mtu=${boot.mtu}`);
  return [
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...['-chardev', 'stdio,id=weft-console,signal=off', '-serial', 'chardev:weft-console'],
    ...['-chardev', `socket,id=weft-agent,fd=${AGENT_FD}`, '-serial', 'chardev:weft-agent'],
    ...['-kernel', boot.kernel, '-initrd', boot.initrd, '-append', append.join(' ')],
  ];
}

/** Whether this QEMU has `-netdev stream`, and `-netdev dgram`. */
export function hasStream(version: QemuVersion): boolean {
  return isAtLeast(version, 7, 2);
}

function netdev(link: GuestLink, version: QemuVersion): string {
  if (link.via === 'tap') return `tap,id=weft0,ifname=${escaped(link.ifname)},script=no,downscript=no`;
  if (!hasStream(version)) {
    throw new LaunchError(
      `QEMU ${version.text} has no "-netdev ${link.via}", which came with 7.2: install a newer QEMU, or connect the guest with --via tap.`,
    );
  }
  if (link.via === 'dgram') {
    const ends = { local: link.guestPath, remote: link.switchPath };
    return ['dgram,id=weft0', ...Object.entries(ends).map(([end, at]) => `${end}.type=unix,${end}.path=${escaped(at)}`)].join(
      ',',
    );
  }
  let reconnect = '';
  if (isAtLeast(version, 9, 2)) reconnect = ',reconnect-ms=1000';
  else if (isAtLeast(version, 8, 0)) reconnect = ',reconnect=1';
  return `stream,id=weft0,server=off,addr.type=unix,addr.path=${escaped(link.socketPath)}${reconnect}`;
}

function device(guest: GuestMachine): string {
  const rom = guest.boot !== undefined && MODELS_WITH_ROM.has(guest.model) ? ',romfile=' : '';
  return `${guest.model},netdev=weft0,mac=${guest.mac}${rom}`;
}

function isAtLeast(version: QemuVersion, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}

/** Whether the user's arguments name an accelerator; QEMU would try ours first, or refuse the mixture. */
export function choosesAccelerator(args: readonly string[]): boolean {
  return args.some((arg, index) => {
    const option = arg.replace(/^--/, '-');
    if (option === '-accel' || option === '-enable-kvm') return true;
    return (option === '-machine' || option === '-M') && /(^|,)accel=/.test(args[index + 1] ?? '');
  });
}

/** Refuses, with a LaunchError, names that a guest cannot have. */
export function checkGuestName(name: string): void {
  if (GUEST_NAME.test(name)) return;
  throw new LaunchError(
    `"${name}" cannot be the name of a guest: use up to 63 letters, digits, ".", "_" and "-", beginning with a letter or digit.`,
  );
}

function socketPaths(link: GuestLink): string[] {
  if (link.via === 'tap') return [];
  return link.via === 'stream' ? [link.socketPath] : [link.switchPath, link.guestPath];
}

function checkMachine(guest: GuestMachine): void {
  checkGuestName(guest.name);
  if (!MODEL_NAME.test(guest.model)) {
    throw new LaunchError(
      `Guest ${guest.name}: "${guest.model}" is no network card of QEMU; use its name alone, such as virtio-net-pci, e1000 or rtl8139.`,
    );
  }
  const tooLong = socketPaths(guest.link).find((path) => Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX);
  if (tooLong !== undefined) {
    throw new LaunchError(
      `Guest ${guest.name}: the socket path ${tooLong} is longer than the ${SOCKET_PATH_BYTES_MAX} octets a unix socket may have; choose a shorter --run-dir.`,
    );
  }
  if (guest.qemu.some((arg) => /^--?daemonize$/.test(arg))) {
    throw new LaunchError(
      `Guest ${guest.name}: leave out -daemonize; weft watches QEMU as its child and ends it with the switch.`,
    );
  }
  for (const word of [...(guest.boot?.addresses ?? []), guest.boot?.gateway ?? '']) {
    if (/\s/.test(word)) throw new LaunchError(`Guest ${guest.name}: the address "${word}" contains a blank.`);
  }
}
