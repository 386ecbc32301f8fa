// Which interfaces a macvtap can take over, on paper.

import test from 'ava';
import { macvtapRefusal, type UpperFacts } from '../../../src/ports/macvtap-refusal.ts';
import type { NetdevFacts } from '../../../src/ports/netdev-refusal.ts';

const NIC = 7;

/** A plain wired interface that differs by `link`. */
function wired(link: Partial<NetdevFacts['link']> = {}, wireless = false): NetdevFacts {
  return {
    link: { name: 'eth0', kind: undefined, hardwareType: 1, master: undefined, masterKind: undefined, ...link },
    info: { wireless, loopback: false, bridgePort: false },
    addresses: [],
  };
}

const on = (kind: string, peerNetnsId?: number): UpperFacts => ({ name: 'up0', kind, peer: NIC, peerNetnsId });

test('an interface that nothing stands on can be taken over', (t) => {
  t.is(macvtapRefusal(wired(), NIC, []), undefined);
  t.is(macvtapRefusal(wired({ kind: 'veth' }), NIC, [on('veth')]), undefined, 'the other end of a veth does not stand on it');
  t.is(macvtapRefusal(wired(), NIC, [{ ...on('vlan'), peer: NIC + 1 }]), undefined, 'on another one');
  t.is(macvtapRefusal(wired(), NIC, [on('macvlan', 0)]), undefined, 'on one of that number in another namespace');
});

test('what a netdev port refuses is refused', (t) => {
  t.regex(macvtapRefusal(wired({}, true), NIC, []) ?? '', /^eth0 is wireless/);
  t.regex(macvtapRefusal({ ...wired(), addresses: [HOST] }, NIC, []) ?? '', /^the host has the address 192\.0\.2\.1 on eth0/);
});

const HOST = { family: 'ipv4', address: '192.0.2.1', scope: 'global', permanent: true } as const;

test('what stands on it, or what it stands on itself, is named', (t) => {
  for (const kind of ['vlan', 'macvlan', 'macvtap', 'ipvlan']) {
    t.regex(
      macvtapRefusal(wired(), NIC, [on('veth'), on(kind)]) ?? '',
      new RegExp(`^the ${kind} up0 stands on eth0 .*netdev:eth0,shared`),
    );
  }
  t.regex(macvtapRefusal(wired({ kind: 'macvlan' }), NIC, []) ?? '', /^eth0 is itself a macvlan; use netdev:eth0/);
});
