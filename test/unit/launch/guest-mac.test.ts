// MACs of guests: stable, in QEMU's range, and never an address a card cannot have.

import test from 'ava';
import { guestMac } from '../../../src/launch/guest-mac.ts';
import { labMachines } from '../../../src/launch/lab.ts';

test('a derived MAC is the same every time and differs by switch and guest', (t) => {
  const mac = guestMac('br0', 'vm1');
  t.is(mac, '52:54:00:4c:6c:4e');
  t.is(guestMac('br0', 'vm1'), mac);
  t.not(guestMac('br0', 'vm2'), mac);
  t.not(guestMac('br1', 'vm1'), mac);
  // The two names do not run into each other.
  t.not(guestMac('br', '0vm1'), mac);
  for (let n = 0; n < 200; n++) t.regex(guestMac('br0', `vm${n}`), /^52:54:00(:[0-9a-f]{2}){3}$/);
});

test('a chosen MAC is kept, in one form', (t) => {
  t.is(guestMac('br0', 'vm1', '52-54-00-AB-CD-EF'), '52:54:00:ab:cd:ef');
});

for (const mac of [
  'ff:ff:ff:ff:ff:ff',
  '01:00:5e:00:00:01',
  '00:00:00:00:00:00',
  '52:54:00:00:00',
  'vm1',
  '',
  '52:54:00:00:00:01,mq=on',
]) {
  test(`no card has the MAC "${mac}"`, (t) => {
    t.throws(() => guestMac('br0', 'vm1', mac), { name: 'LaunchError', message: /Guest vm1: ".*" cannot be the MAC/ });
  });
}

const OPTIONS = {
  qemu: { path: 'qemu', version: { major: 7, minor: 2, text: '7.2.22' }, models: new Set(['virtio-net-pci']) },
  accel: 'tcg',
  switchName: 'br0',
  image: { kernel: '/k', initrd: '/i' },
} as const;
const link = { via: 'tap', ifname: 'tap0' } as const;

test('a lab fills in what its guests leave out', (t) => {
  const [image, own] = labMachines(
    [
      { name: 'vm1', link },
      { name: 'vm2', link, qemu: ['-hda', 'x'] },
    ],
    OPTIONS,
  );
  t.like(image, { model: 'virtio-net-pci', memoryMb: 256, boot: { kernel: '/k', initrd: '/i' }, qemu: [] });
  t.is(own?.boot, undefined);
  t.deepEqual(own?.qemu, ['-hda', 'x']);
});

test('a lab with two guests of one name or MAC, or with nothing to boot, does not start', (t) => {
  t.throws(
    () =>
      labMachines(
        [
          { name: 'vm1', link },
          { name: 'vm1', link },
        ],
        OPTIONS,
      ),
    { message: /Two guests have the name vm1/ },
  );
  const mac = guestMac('br0', 'vm1');
  t.throws(
    () =>
      labMachines(
        [
          { name: 'vm1', link },
          { name: 'vm2', link, mac },
        ],
        OPTIONS,
      ),
    { message: /Guests vm1 and vm2 have the same MAC/ },
  );
  const { image: _, ...bare } = OPTIONS;
  t.throws(() => labMachines([{ name: 'vm1', link }], bare), { message: /says nothing about what to boot/ });
});
