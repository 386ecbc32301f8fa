// What an interface is. A wireless one cannot be had here: /sys is made to show one.

import '../../support/sandbox.ts';
import { mkdirSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { interfaceInfo } from '../../../src/sys/interface-info.ts';
import { inNetns } from '../../../src/sys/netns.ts';
import { getLink } from '../../../src/sys/rtnetlink.ts';
import { addNetns, addVeth, ip, run } from '../../support/netns.ts';

t.test('loopback, bridge port, driver', async (t) => {
  const ns = addNetns();
  addVeth('v0', 'v1', ns);
  ip('link add br0 type bridge');
  ip('link set v0 master br0');
  t.match(interfaceInfo(getLink('lo')), { loopback: true, wireless: false, bridgePort: false });
  t.same(interfaceInfo(getLink('v0')), { loopback: false, wireless: false, bridgePort: true, driver: 'veth' });
  t.match(interfaceInfo(getLink('br0')), { bridgePort: false, driver: 'bridge' });
  t.match(
    inNetns(ns, () => interfaceInfo(getLink('v1'))),
    { bridgePort: false, driver: 'veth' },
  );
  t.equal(interfaceInfo(getLink('v0')).driver, 'veth');
  t.equal(interfaceInfo({ ...getLink('v0'), name: 'absent' }).driver, undefined);
});

t.test('wireless, by /sys where it shows the same interface', async (t) => {
  ip('link add w0 type veth peer name w1');
  ip('link set w0 address 02:00:00:00:00:07');
  const link = getLink('w0');
  run('mount', '-t', 'tmpfs', 'tmpfs', '/sys/class/net');
  mkdirSync('/sys/class/net/w0/phy80211', { recursive: true });
  writeFileSync('/sys/class/net/w0/ifindex', `${link.ifindex}\n`);
  writeFileSync('/sys/class/net/w0/address', '02:00:00:00:00:07\n');
  t.equal(interfaceInfo(link).wireless, true);
  writeFileSync('/sys/class/net/w0/address', '02:00:00:00:00:08\n');
  t.equal(interfaceInfo(link).wireless, false, 'another namespace’s interface of the same name');
  t.equal(interfaceInfo(getLink('w1')).wireless, false);
});
