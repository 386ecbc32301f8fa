// A subnet for the demo that nothing else has.

import test from 'ava';
import { chooseSubnet } from '../../../../src/cli/demo/subnet.ts';

test('begins where it is told, and goes round within the first block', (t) => {
  t.is(chooseSubnet([], 0), '10.76.0');
  t.is(chooseSubnet([], 255), '10.76.255');
  t.is(chooseSubnet(['10.76.255.0/24'], 255), '10.76.0');
});

test('passes over networks and addresses that are in use', (t) => {
  t.is(chooseSubnet(['10.76.0.0/24', '10.76.1.7', '10.76.2.128/25', '10.76.3.255/32'], 0), '10.76.4');
  t.is(chooseSubnet(['10.75.255.0/24', '10.77.0.0/16'], 0), '10.76.0');
});

test('leaves a block that is used as a whole', (t) => {
  t.is(chooseSubnet(['10.0.0.0/8'], 9), '172.27.0');
  t.is(chooseSubnet(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/17'], 9), '192.168.128');
});

test('default routes, whole or in two halves, and words do not count', (t) => {
  t.is(chooseSubnet(['default', '0.0.0.0/0', '0.0.0.0/1', '128.0.0.0/1', 'fd00::/8', 'multicast'], 3), '10.76.3');
});

test('says so when everything is taken', (t) => {
  const error = t.throws(() => chooseSubnet(['0.0.0.0/2', '128.0.0.0/2', '192.0.0.0/3'], 0));
  t.regex(error?.message ?? '', /no private network is left for the demo: .* --rootless/);
});
