// QEMU's answers about itself, as several versions print them.

import test from 'ava';
import { checkModel, findQemu, parseNetworkModels, parseQemuVersion } from '../../../src/launch/qemu-probe.ts';

test('versions as distributions print them', (t) => {
  const bookworm = parseQemuVersion(
    'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022 Fabrice Bellard and the QEMU Project developers\n',
  );
  t.deepEqual(bookworm, { major: 7, minor: 2, text: '7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)' });
  t.like(parseQemuVersion('QEMU emulator version 10.0.2'), { major: 10, minor: 0, text: '10.0.2' });
  t.like(parseQemuVersion('QEMU emulator version 9.1.90 (v9.2.0-rc0-dirty)'), { major: 9, minor: 1 });
});

test('other words are no version', (t) => {
  for (const text of ['', 'version', 'QEMU emulator version seven', 'busybox v1.35.0'])
    t.is(parseQemuVersion(text), undefined, text);
});

const DEVICE_HELP = `Controller/Bridge/Hub devices:
name "i82801b11-bridge", bus PCI

Network devices:
name "e1000", bus PCI, alias "e1000-82540em", desc "Intel Gigabit Ethernet"
name "rtl8139", bus PCI
name "virtio-net-pci", bus PCI, alias "virtio-net"

Input devices:
name "usb-kbd", bus usb-bus
`;

test('network cards and their aliases, nothing else', (t) => {
  t.deepEqual([...parseNetworkModels(DEVICE_HELP)], ['e1000', 'e1000-82540em', 'rtl8139', 'virtio-net-pci', 'virtio-net']);
  t.is(parseNetworkModels('').size, 0);
});

test('a card QEMU does not have is refused with those it has', (t) => {
  const qemu = { path: 'qemu', version: { major: 7, minor: 2, text: '7.2.22' }, models: parseNetworkModels(DEVICE_HELP) };
  t.notThrows(() => checkModel(qemu, 'vm1', 'rtl8139'));
  t.throws(() => checkModel(qemu, 'vm1', 'ne3000'), {
    message: /Guest vm1: QEMU 7\.2\.22 has no network card "ne3000"; it has virtio-net-pci, e1000, rtl8139/,
  });
});

test('a missing QEMU is a sentence with the package', async (t) => {
  await t.throwsAsync(findQemu('/nonexistent/qemu-system-x86_64'), {
    name: 'LaunchError',
    message: /not installed.*apt-get install qemu-system-x86/,
  });
});

test('a program that is not QEMU is a sentence', async (t) => {
  await t.throwsAsync(findQemu('/bin/echo'), { name: 'LaunchError', message: /names no version of QEMU/ });
});
