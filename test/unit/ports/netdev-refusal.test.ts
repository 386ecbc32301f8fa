// Which interfaces can be ports, on paper: also those no test machine has.

import test from 'ava';
import { type NetdevFacts, netdevRefusal } from '../../../src/ports/netdev-refusal.ts';
import { packetCaps } from '../../../src/ports/packet-caps.ts';
import { NEED } from '../../../src/wire/offload-facts.ts';

interface Change {
  link?: Partial<NetdevFacts['link']>;
  info?: Partial<NetdevFacts['info']>;
  addresses?: NetdevFacts['addresses'];
}

/** A plain wired interface that differs by `change`. */
function wired({ link, info, addresses = [] }: Change = {}): NetdevFacts {
  return {
    link: { name: 'eth0', kind: undefined, hardwareType: 1, master: undefined, masterKind: undefined, ...link },
    info: { wireless: false, loopback: false, bridgePort: false, ...info },
    addresses,
  };
}

const IPV4 = { family: 'ipv4', address: '192.0.2.1', scope: 'global', permanent: true } as const;
const IPV6 = { family: 'ipv6', address: '2001:db8::1', scope: 'global', permanent: true } as const;

test('a wired interface can be a port', (t) => {
  t.is(netdevRefusal(wired(), false), undefined);
  t.is(netdevRefusal(wired({ link: { kind: 'veth' } }), true), undefined);
});

const REFUSED: [what: string, change: Change, sentence: RegExp][] = [
  [
    'wireless',
    { info: { wireless: true } },
    /^eth0 is wireless: its access point takes frames from .*; use a wired interface, or/,
  ],
  ['loopback', { info: { loopback: true }, link: { hardwareType: 772 } }, /^eth0 is the loopback interface.*; use a tap/],
  ['not Ethernet', { link: { hardwareType: 65534 } }, /^eth0 carries no Ethernet frames.*; route/],
  ['a bridge', { link: { kind: 'bridge' } }, /^eth0 is itself a kernel bridge; .*peer name weft1 master eth0/],
  [
    'a bridge port',
    { link: { master: 7, masterKind: 'bridge' }, info: { bridgePort: true } },
    /^eth0 is a port of a kernel bridge.*nomaster/,
  ],
  ['part of a bond', { link: { master: 7, masterKind: 'bond' } }, /^eth0 is part of a bond, .*; use that one/],
  ['part of what does not say', { link: { master: 7 } }, /^eth0 is part of another interface/],
];

for (const [what, change, sentence] of REFUSED) {
  test(`refused, shared or not: ${what}`, (t) => {
    t.regex(netdevRefusal(wired(change), false) ?? '', sentence);
    t.regex(netdevRefusal(wired(change), true) ?? '', sentence);
  });
}

test('an interface the host lives on is taken only as a shared one', (t) => {
  for (const own of [IPV4, IPV6]) {
    const facts = wired({ addresses: [own] });
    t.true(netdevRefusal(facts, false)?.startsWith(`the host has the address ${own.address} on eth0`));
    t.is(netdevRefusal(facts, true), undefined);
  }
  const linkLocal = { ...IPV6, address: 'fe80::1', scope: 'link' };
  t.is(netdevRefusal(wired({ addresses: [linkLocal, { ...IPV6, permanent: false }] }), false), undefined);
});

test('UDP is segmented by kernels from 6.2 on', (t) => {
  const has = (release: string) => (packetCaps(release) & NEED.USO) !== 0;
  t.deepEqual(['6.2.0', '6.18.44-fc', '7.0-rc1', '10.1'].map(has), [true, true, true, true]);
  t.deepEqual(['6.1.0-13-amd64', '5.19', '4.20.17'].map(has), [false, false, false]);
  t.is(packetCaps('5.10') & (NEED.CSUM | NEED.TSO4 | NEED.TSO6), NEED.CSUM | NEED.TSO4 | NEED.TSO6);
});
