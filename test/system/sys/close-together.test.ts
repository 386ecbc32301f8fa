// Descriptors whose closing waits in the kernel, closed by a thread each.

import '../../support/sandbox.ts';
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { closeTogether } from '../../../src/sys/close-together.ts';
import { closeFd, duplicateFd, isOpenFd } from '../../../src/sys/fd.ts';
import { openPacketSocket } from '../../../src/sys/packet-socket.ts';
import { findLink, getLink } from '../../../src/sys/rtnetlink.ts';
import { openTap } from '../../../src/sys/tap-device.ts';
import { addVeth } from '../../support/netns.ts';

function msOf(action: () => void): number {
  const startedMs = performance.now();
  action();
  return performance.now() - startedMs;
}

/** Packet sockets of the network namespace. */
function packetSockets(): number {
  return readFileSync('/proc/self/net/packet', 'utf8').trim().split('\n').length - 1;
}

t.test('each is closed on return, and no other, also more than there are threads at a time', async (t) => {
  addVeth('va', 'vb');
  const { ifindex } = getLink('va');
  const before = readdirSync('/proc/self/fd').length;
  const kept = openPacketSocket({ ifindex }).fd;
  const fds = Array.from({ length: 300 }, () => openPacketSocket({ ifindex }).fd);
  t.equal(packetSockets(), 301);
  closeTogether(fds);
  t.notOk(fds.some(isOpenFd));
  t.equal(packetSockets(), 1);
  t.ok(isOpenFd(kept));
  closeFd(kept);
  t.equal(readdirSync('/proc/self/fd').length, before);
  closeTogether([]);
});

t.test('it takes less than one after the other', async (t) => {
  const { ifindex } = getLink('va');
  const open = () => Array.from({ length: 20 }, () => openPacketSocket({ ifindex }).fd);
  const [alone, together] = [open(), open()];
  const aloneMs = msOf(() => {
    for (const fd of alone) closeFd(fd);
  });
  const togetherMs = msOf(() => closeTogether(together));
  t.ok(togetherMs < aloneMs, `${togetherMs.toFixed(1)} ms together, ${aloneMs.toFixed(1)} ms one after the other`);
});

t.test('a tap goes with its last descriptor', async (t) => {
  const taps = ['t0', 't1', 't2'].map((name) => openTap(name));
  const kept = duplicateFd(taps[0]?.fd ?? -1);
  closeTogether(taps.map((tap) => tap.fd));
  t.ok(findLink('t0'));
  t.equal(findLink('t1'), undefined);
  t.equal(findLink('t2'), undefined);
  closeTogether([kept]);
  t.equal(findLink('t0'), undefined);
});
