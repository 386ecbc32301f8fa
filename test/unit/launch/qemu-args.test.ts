// What weft runs, as text: the arguments are compared line by line, because a user reads them that way.

import test from 'ava';
import { escaped, type GuestMachine, qemuArgs } from '../../../src/launch/qemu-args.ts';
import { parseQemuVersion, type QemuVersion } from '../../../src/launch/qemu-probe.ts';

function version(text: string): QemuVersion {
  const parsed = parseQemuVersion(`QEMU emulator version ${text}`);
  if (parsed === undefined) throw new Error(`not a version: ${text}`);
  return parsed;
}

const BOOKWORM = version('7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)');

const OWN: GuestMachine = {
  name: 'vm1',
  mac: '52:54:00:00:00:01',
  model: 'e1000',
  link: { via: 'stream', socketPath: '/run/weft/vm1.sock' },
  accel: 'tcg',
  memoryMb: 256,
  qemu: ['-m', '512', '-nographic', '-hda', 'disk.img'],
};

const BOOTED: GuestMachine = {
  ...OWN,
  model: 'virtio-net-pci',
  boot: {
    kernel: '/cache/kernel',
    initrd: '/cache/initrd',
    addresses: ['192.168.76.11/24', 'fd00::11/64'],
    gateway: '192.168.76.1',
    mtu: 9000,
  },
  qemu: [],
};

/** Arguments with each option and its value on one line. */
function golden(args: readonly string[]): string {
  return args.join(' ').replaceAll(/ (?=-[a-z])/g, '\n');
}

test('a guest of the user: a card, an accelerator and memory before the own arguments', (t) => {
  t.is(
    golden(qemuArgs(OWN, BOOKWORM)),
    `-name guest=vm1
-m 256
-accel tcg
-netdev stream,id=weft0,server=off,addr.type=unix,addr.path=/run/weft/vm1.sock
-device e1000,netdev=weft0,mac=52:54:00:00:00:01
-m 512
-nographic
-hda disk.img`,
  );
});

test("a guest with weft's image: nothing but the card and two serial ports", (t) => {
  t.is(
    golden(qemuArgs(BOOTED, BOOKWORM)),
    `-name guest=vm1
-m 256
-accel tcg
-nodefaults
-no-user-config
-no-reboot
-display none
-chardev stdio,id=weft-console,signal=off
-serial chardev:weft-console
-chardev socket,id=weft-agent,fd=3
-serial chardev:weft-agent
-kernel /cache/kernel
-initrd /cache/initrd
-append console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests lsm= audit=0 weft.name=vm1 weft.ip=192.168.76.11/24 weft.ip=fd00::11/64 weft.gateway=192.168.76.1 weft.mtu=9000
-netdev stream,id=weft0,server=off,addr.type=unix,addr.path=/run/weft/vm1.sock
-device virtio-net-pci,netdev=weft0,mac=52:54:00:00:00:01,romfile=`,
  );
});

test('the classic tap', (t) => {
  const args = golden(qemuArgs({ ...OWN, link: { via: 'tap', ifname: 'tap0' } }, version('5.2.0')));
  t.true(args.includes('\n-netdev tap,id=weft0,ifname=tap0,script=no,downscript=no\n'), args);
});

test('datagrams: the path of each end', (t) => {
  const link = { via: 'dgram', switchPath: '/run/a,b/s', guestPath: '/run/a,b/g' } as const;
  const args = golden(qemuArgs({ ...OWN, link }, BOOKWORM));
  const ends = 'local.type=unix,local.path=/run/a,,b/g,remote.type=unix,remote.path=/run/a,,b/s';
  t.true(args.includes(`\n-netdev dgram,id=weft0,${ends}\n`), args);
});

test('a switch that restarts is found again by every QEMU that can', (t) => {
  const netdev = (text: string) => qemuArgs(OWN, version(text)).find((arg) => arg.startsWith('stream,')) ?? '';
  t.notRegex(netdev('7.2.0'), /reconnect/);
  t.regex(netdev('8.0.0'), /,reconnect=1$/);
  t.regex(netdev('9.1.3'), /,reconnect=1$/);
  t.regex(netdev('9.2.0'), /,reconnect-ms=1000$/);
  t.regex(netdev('10.0.0'), /,reconnect-ms=1000$/);
});

test('a QEMU without stream is refused, and told how to go on', (t) => {
  t.throws(() => qemuArgs(OWN, version('7.1.0')), { message: /QEMU 7\.1\.0 has no "-netdev stream".*--via tap/ });
});

test('commas in values are doubled', (t) => {
  t.is(escaped('/tmp/a,b,,c'), '/tmp/a,,b,,,,c');
  const args = golden(qemuArgs({ ...OWN, link: { via: 'stream', socketPath: '/tmp/a,b.sock' } }, BOOKWORM));
  t.true(args.includes('addr.path=/tmp/a,,b.sock\n'), args);
});

for (const own of [
  ['-accel', 'kvm'],
  ['--accel', 'hvf'],
  ['-enable-kvm'],
  ['-machine', 'q35,accel=kvm'],
  ['-M', 'accel=kvm:tcg'],
]) {
  test(`an accelerator the user names is the only one: ${own.join(' ')}`, (t) => {
    const args = qemuArgs({ ...OWN, qemu: own }, BOOKWORM);
    t.false(args.slice(0, -own.length).includes('-accel'), golden(args));
    t.deepEqual(args.slice(-own.length), own);
  });
}

test('a machine type alone names no accelerator', (t) => {
  t.true(qemuArgs({ ...OWN, qemu: ['-machine', 'q35'] }, BOOKWORM).includes('-accel'));
});

for (const [what, machine, message] of [
  ['a name with a blank', { ...OWN, name: 'vm 1' }, /"vm 1" cannot be the name of a guest/],
  ['a name with options', { ...OWN, name: 'vm1,process=x' }, /cannot be the name/],
  ['a model with options', { ...OWN, model: 'e1000,mac=00:00:00:00:00:01' }, /is no network card/],
  [
    'a socket path over the limit',
    { ...OWN, link: { via: 'stream', socketPath: `/${'x'.repeat(107)}` } },
    /longer than the 107 octets/,
  ],
  [
    'a path of a guest over the limit',
    { ...OWN, link: { via: 'dgram', switchPath: '/x', guestPath: `/${'x'.repeat(107)}` } },
    /longer than the 107 octets/,
  ],
  ['-daemonize', { ...OWN, qemu: ['-daemonize'] }, /leave out -daemonize/],
  [
    'an address with a blank',
    { ...BOOTED, boot: { kernel: 'k', initrd: 'i', addresses: ['10.0.0.1/24 init=/bin/sh'] } },
    /contains a blank/,
  ],
] as const satisfies readonly (readonly [string, GuestMachine, RegExp])[]) {
  test(`refused with a sentence: ${what}`, (t) => {
    t.throws(() => qemuArgs(machine, BOOKWORM), { name: 'LaunchError', message });
  });
}

test('the longest socket path is accepted', (t) => {
  t.notThrows(() => qemuArgs({ ...OWN, link: { via: 'stream', socketPath: `/${'x'.repeat(106)}` } }, BOOKWORM));
});
