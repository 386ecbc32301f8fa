// rtnetlink against ip(8): what one of them sets, the other reads.

import '../../support/sandbox.ts';
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { LinkMonitor, type LinkNotice } from '../../../src/sys/link-monitor.ts';
import { inNetns } from '../../../src/sys/netns.ts';
import {
  deleteLink,
  findLink,
  getLink,
  IFF_LOOPBACK,
  IFF_NOARP,
  IFF_UP,
  listLinks,
  setLink,
} from '../../../src/sys/rtnetlink.ts';
import { addAddress, deleteAddress, listAddresses, listRoutes } from '../../../src/sys/rtnetlink-address.ts';
import { addNetns, addVeth, ip, run, until } from '../../support/netns.ts';

t.test('links are read as ip shows them', async (t) => {
  const ns = addNetns();
  addVeth('va', 'vb', ns);
  ip('link add br0 type bridge');
  ip('link set va address 02:00:00:00:00:0a mtu 1400 master br0');
  const names = listLinks().map((link) => link.name);
  t.same(names.sort(), ['br0', 'lo', 'va']);
  const va = getLink('va');
  const br0 = getLink('br0');
  t.match(va, { name: 'va', mtu: 1400, hardwareType: 1, carrier: true, kind: 'veth', master: br0.ifindex, masterKind: 'bridge' });
  t.same([...va.mac], [2, 0, 0, 0, 0, 10]);
  t.equal(va.flags & IFF_UP, IFF_UP);
  await until('the operational state', () => getLink('va').operstate === 'up');
  t.equal(va.peer, inNetns(ns, () => getLink('vb')).ifindex);
  t.type(va.peerNetnsId, 'number');
  t.match(getLink('lo'), { ifindex: 1, kind: undefined, master: undefined, hardwareType: 772 });
  t.equal(getLink(1).flags & IFF_LOOPBACK, IFF_LOOPBACK);
  t.same(getLink(va.ifindex), getLink('va'));
  inNetns(ns, () => setLink(getLink('vb').ifindex, { up: false }));
  await until('the carrier to go', () => !getLink('va').carrier);
  t.equal(getLink('va').flags & IFF_UP, IFF_UP, 'without carrier, and still up');
  t.equal(findLink('absent'), undefined);
  t.equal(findLink(4711), undefined);
  t.equal(findLink('longer-than-fifteen-octets'), undefined);
  t.throws(() => getLink('absent'), { code: 'ENODEV', message: /^there is no interface absent; `ip link`/ });
  deleteLink(va.ifindex);
  t.equal(findLink('va'), undefined);
  t.equal(
    inNetns(ns, () => findLink('vb')),
    undefined,
  );
  deleteLink(br0.ifindex);
});

t.test('a link is changed', async (t) => {
  addVeth('vc', 'vd');
  const { ifindex } = getLink('vc');
  setLink(ifindex, { up: false, arp: false, mtu: 1300, mac: Uint8Array.of(2, 0, 0, 0, 0, 12) });
  t.match(ip('link show vc'), /NOARP.*mtu 1300.*state DOWN.*02:00:00:00:00:0c/s);
  t.equal(getLink('vc').flags & IFF_NOARP, IFF_NOARP);
  setLink(ifindex, { arp: true });
  t.notMatch(ip('link show vc'), /NOARP/);
  setLink(ifindex, { up: true });
  t.match(ip('link show vc'), /[<,]UP[,>]/);
  t.throws(() => setLink(ifindex, { mtu: 10 }), {
    code: 'EINVAL',
    message: /^cannot change interface \d+: mtu less than device minimum/,
  });
  t.throws(() => setLink(4711, { up: true }), { code: 'ENODEV' });
  t.throws(() => deleteLink(1), { code: 'EOPNOTSUPP' });
  const module = new URL('../../../src/sys/rtnetlink.js', import.meta.url).href;
  const source = `import('${module}').then((m) => { try { m.setLink(1, { up: true }) } catch (e) { console.log(e.message) } })`;
  t.equal(
    run('unshare', '--user', process.execPath, '-e', source),
    'cannot change interface 1: this needs root (CAP_NET_ADMIN)\n',
  );
  deleteLink(ifindex);
});

t.test('addresses and routes', async (t) => {
  addVeth('ve', 'vf');
  const { ifindex } = getLink('ve');
  addAddress(ifindex, '192.0.2.5', 24);
  addAddress(ifindex, '192.0.2.5', 24);
  addAddress(ifindex, '2001:db8::5', 64);
  t.match(ip('addr show ve'), /inet 192.0.2.5\/24 brd 192.0.2.255 scope global ve/);
  t.match(ip('addr show ve'), /inet6 2001:db8::5\/64 scope global/);
  const addresses = listAddresses(ifindex).filter((address) => address.scope === 'global');
  t.same(addresses, [
    { ifindex, family: 'ipv4', address: '192.0.2.5', prefixLen: 24, scope: 'global', permanent: true },
    { ifindex, family: 'ipv6', address: '2001:db8::5', prefixLen: 64, scope: 'global', permanent: true },
  ]);
  t.ok(listAddresses().some((address) => address.address === '127.0.0.1' && address.scope === 'host'));
  ip('route add default via 192.0.2.1 metric 7');
  const routes = listRoutes();
  t.same(
    routes.find((route) => route.destination === undefined),
    { destination: undefined, prefixLen: 0, gateway: '192.0.2.1', ifindex, metric: 7 },
  );
  t.same(
    routes.find((route) => route.destination === '192.0.2.0'),
    { destination: '192.0.2.0', prefixLen: 24, gateway: undefined, ifindex, metric: 0 },
  );
  deleteAddress(ifindex, '192.0.2.5', 24);
  deleteAddress(ifindex, '192.0.2.5', 24);
  t.notMatch(ip('addr show ve'), /192.0.2.5/);
  for (const [address, prefixLen] of [
    ['192.0.2.256', 24],
    ['192.0.2.1', 33],
    ['host', 8],
    ['::1', -1],
  ] as const) {
    t.throws(() => addAddress(ifindex, address, prefixLen), { code: 'EINVAL', message: /is no Internet address with a prefix/ });
  }
  deleteLink(ifindex);
});

t.test('the monitor tells of links that come, change and go', async (t) => {
  const notices: LinkNotice[] = [];
  const monitor = new LinkMonitor(undefined, (notice) => notices.push(notice));
  t.same(
    [...monitor.links()].map((link) => link.name),
    ['lo'],
  );
  const told = (name: string, test: (notice: LinkNotice) => boolean) =>
    until(`a notice about ${name}`, () => notices.find((notice) => notice.link.name === name && test(notice)));
  addVeth('vg', 'vh');
  await told('vg', ({ link }) => link.carrier);
  ip('link set vg mtu 1234');
  await told('vg', ({ link }) => link.mtu === 1234);
  ip('link set vh down');
  await told('vg', ({ link }) => !link.carrier && link.mtu === 1234);
  ip('link del vg');
  await told('vg', ({ gone }) => gone);
  await told('vh', ({ gone }) => gone);
  t.same(
    [...monitor.links()].map((link) => link.name),
    ['lo'],
  );
  monitor.close();
  monitor.close();
  const count = notices.length;
  addVeth('vi', 'vj');
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(notices.length, count);
  ip('link del vi');
});

t.test('the monitor watches another namespace, and a port leaving a bridge is not gone', async (t) => {
  const ns = addNetns();
  const notices: LinkNotice[] = [];
  const monitor = new LinkMonitor(ns, (notice) => notices.push(notice));
  ip('link add here type bridge');
  ip(`-n ${ns} link add br1 type bridge`);
  ip(`-n ${ns} link add vk type veth peer name vl`);
  ip(`-n ${ns} link set vk master br1`);
  ip(`-n ${ns} link set vk nomaster`);
  ip(`-n ${ns} link set vk mtu 1111`);
  await until('the last change', () => notices.some(({ link }) => link.name === 'vk' && link.mtu === 1111));
  t.notOk(notices.some(({ link }) => link.name === 'here'));
  t.notOk(notices.some(({ gone }) => gone));
  t.ok(notices.some(({ link }) => link.name === 'vk' && link.masterKind === 'bridge'));
  monitor.close();
});

t.test('notices the kernel had no room for are made up from a fresh list', async (t) => {
  const notices: LinkNotice[] = [];
  addVeth('vm', 'vn');
  addVeth('vo', 'vp');
  const monitor = new LinkMonitor(undefined, (notice) => notices.push(notice));
  // This thread reads nothing while ip makes more changes than a megabyte of notices.
  const changes = Array.from({ length: 3000 }, (_, n) => `link set vm mtu ${1000 + (n % 400)}`);
  execFileSync('ip', ['-batch', '-'], {
    input: ['link set vo mtu 1300', ...changes, 'link del vo', 'link set vm mtu 1499'].join('\n'),
  });
  await until('the last state', () => notices.some(({ link }) => link.name === 'vm' && link.mtu === 1499));
  await until('the lost end of a link', () => notices.some(({ link, gone }) => link.name === 'vo' && gone));
  t.ok(notices.length < 3000, `${notices.length} notices: some were merged`);
  ip('link set vm mtu 1498');
  await until('a change after the loss', () => notices.some(({ link }) => link.name === 'vm' && link.mtu === 1498));
  const links = [...monitor.links()];
  t.notOk(links.some((link) => link.name === 'vo'));
  t.equal(links.find((link) => link.name === 'vm')?.mtu, 1498);
  monitor.close();
});

t.test('a monitor of a namespace that is not there says so', async (t) => {
  t.throws(() => new LinkMonitor('absent', () => {}), { code: 'ENOENT', message: /ip netns add absent/ });
});
