// Closing many devices at once: which interfaces are gone before the first device is closed, and what
// is left when the last one is.

import '../../support/sandbox.ts';
import { readdirSync } from 'node:fs';
import t from 'tap';
import { closeDevices } from '../../../src/ports/close-devices.ts';
import type { Device } from '../../../src/ports/device.ts';
import { closeFd, isOpenFd } from '../../../src/sys/fd.ts';
import { inNetns } from '../../../src/sys/netns.ts';
import { getLink, listLinks } from '../../../src/sys/rtnetlink.ts';
import { SysError } from '../../../src/sys/sys-error.ts';
import { openTap } from '../../../src/sys/tap-device.ts';
import { DeviceProbe, logged } from '../../support/device-probe.ts';
import { addNetns, addVeth, ip, until } from '../../support/netns.ts';

function names(netns?: string): string[] {
  return inNetns(netns, listLinks)
    .map((link) => link.name)
    .filter((name) => name !== 'lo')
    .sort();
}

/** Closes all; what was told. `look` is called before the first is closed. */
function closeAll(probes: readonly DeviceProbe[], look: () => void): string[] {
  const told: string[] = [];
  const close = () => {
    look();
    for (const probe of probes) probe.close();
  };
  closeDevices(
    probes.map((probe) => probe.device),
    close,
    (error) => told.push(error.message),
  );
  return told;
}

t.test('interfaces that we made go first, from wherever they are; others are only let go', async (t) => {
  const ns = addNetns();
  // The first watch makes descriptors of the event loop, which stay.
  new DeviceProbe('tap:t0').open().close();
  const before = readdirSync('/proc/self/fd').length;
  ip('tuntap add found mode tap');
  addVeth('va', 'vb');
  const probes = ['tap:t0', 'tap:t1', 'tap:found', `tap:t2,netns=${ns}`, 'netdev:va', 'netdev:made,create'].map((port) =>
    new DeviceProbe(port).open(),
  );
  ip(`link set t1 netns ${ns}`);
  ip(`-n ${ns} link set t1 name eth0`);
  ip('tuntap add t1 mode tap');
  const fds = probes.map((probe) => probe.status.attachment?.fd ?? -1);
  t.ok(fds.every(isOpenFd));
  const told = closeAll(probes, () => {
    t.same(names(), ['found', 't1', 'va', 'vb']);
    t.same(names(ns), []);
  });
  t.same(told, []);
  t.notOk(fds.some(isOpenFd));
  t.same(names(), ['found', 't1', 'va', 'vb']);
  t.equal(readdirSync('/proc/self/fd').length, before);
  for (const name of ['found', 't1', 'va']) ip(`link del ${name}`);
});

t.test('a device that cannot have its interface deleted with others deletes it itself', async (t) => {
  const probes = ['tap:t0', 'tap:t1'].map((port) => new DeviceProbe(port).open());
  const device = probes[0]?.device as Device;
  device.deleteWith = () => {
    throw new SysError('cannot be found', 11);
  };
  const told = closeAll(probes, () => t.same(names(), ['t0']));
  t.same(told, ['cannot be found']);
  t.same(names(), []);
});

t.test('in a namespace that has the name now, but is another one, nothing is touched', async (t) => {
  const ns = addNetns();
  const probe = new DeviceProbe(`tap:t0,netns=${ns}`).open();
  const { ifindex } = inNetns(ns, () => getLink('t0'));
  ip(`netns del ${ns}`);
  ip(`netns add ${ns}`);
  ip(`-n ${ns} link add foreign index ${ifindex} type bridge`);
  const told = closeAll([probe], () => {});
  t.same(told, []);
  t.same(names(ns), ['foreign']);
});

t.test('a tap that we made, and a program has open, stays until it is closed', async (t) => {
  const probe = new DeviceProbe('netdev:t0,create').open();
  const { fd } = openTap('t0');
  closeAll([probe], () => t.same(names(), ['t0']));
  t.same(names(), ['t0']);
  closeFd(fd);
  await until('the tap to go', () => names().length === 0);
});

t.test('a tap that somebody deleted, and no devices at all', async (t) => {
  const probe = new DeviceProbe('tap:t0').open();
  ip('link del t0');
  ip('tuntap add t0 mode tap');
  t.same(
    closeAll([probe], () => {}),
    [],
  );
  t.same(names(), ['t0']);
  ip('link del t0');
  t.same(
    closeAll([], () => {}),
    [],
  );
});

t.test('no device had anything to complain of', async (t) => {
  t.same(logged, ['info: port t0: tap t0 stays while a program has it open']);
});
