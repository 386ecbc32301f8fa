// The host's stack is kept off a port: shown with a UDP listener, ARP and IPv6 of the host's own,
// on a veth and on a tap's netdev side, before, during and after.

import '../../support/sandbox.ts';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { keepHostOff, restoreHost } from '../../../src/sys/host-stack.ts';
import { inNetns } from '../../../src/sys/netns.ts';
import { openPacketSocket, PACKET_VNET_HDR_SIZE } from '../../../src/sys/packet-socket.ts';
import { getLink } from '../../../src/sys/rtnetlink.ts';
import { openTap, TAP_VNET_HDR_SIZE } from '../../../src/sys/tap-device.ts';
import { addClsact, hasFilter } from '../../../src/sys/traffic-control.ts';
import { FrameDevice } from '../../support/frame-device.ts';
import { hex, testFrame } from '../../support/frames.ts';
import { addNetns, addVeth, ip, run, until } from '../../support/netns.ts';

const HOST_MAC = '020000000001';
const PEER_MAC = '020000000002';
const BROADCAST = 'ffffffffffff';
const UDP_PORT = 4242;

/** A UDP datagram from 192.0.2.2 without a checksum; its payload is one octet, so that it can be told apart. */
function udpFrame(dstMac: string, dstAddress: string, payload: number): Buffer {
  const header = hex('4500 001d 0000 0000 4011 0000 c0000202', dstAddress);
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  header.writeUInt16BE(~((sum & 0xffff) + (sum >>> 16)) & 0xffff, 10);
  const udp = Buffer.alloc(9);
  udp.writeUInt16BE(1000, 0);
  udp.writeUInt16BE(UDP_PORT, 2);
  udp.writeUInt16BE(9, 4);
  udp.writeUInt8(payload, 8);
  return Buffer.concat([hex(dstMac, PEER_MAC, '0800'), header, udp, Buffer.alloc(60 - 43)]);
}

/** ARP: who has 192.0.2.1, tell 192.0.2.2. */
const ARP_REQUEST = Buffer.concat([
  hex(BROADCAST, PEER_MAC, '0806 0001 0800 06 04 0001', PEER_MAC, 'c0000202 000000000000 c0000201'),
  Buffer.alloc(18),
]);

const isArpReply = (frame: Buffer) => frame.readUInt16BE(12) === 0x0806 && frame.readUInt16BE(20) === 2;

async function listen(): Promise<{ socket: Socket; heard: number[] }> {
  const heard: number[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (message) => heard.push(message[0] ?? -1));
  socket.bind(UDP_PORT);
  await once(socket, 'listening');
  return { socket, heard };
}

/**
 * Sends unicast, broadcast and ARP from the far side and tells what the host made of it. What must
 * not come is waited for by what comes after it on the same way: a datagram over loopback, a frame back.
 */
async function converse(near: FrameDevice, far: FrameDevice): Promise<{ heard: number[]; seen: number; arpReplies: number }> {
  const { socket, heard } = await listen();
  near.receiveAll();
  far.receiveAll();
  const sent = [udpFrame(HOST_MAC, 'c0000201', 1), udpFrame(BROADCAST, 'ffffffff', 2), ARP_REQUEST];
  for (const frame of sent) far.send(frame);
  let seen = 0;
  await until('the packet socket to see every frame', () => {
    seen += near.receiveAll().filter((frame) => sent.some((one) => one.equals(frame))).length;
    return seen === sent.length;
  });
  socket.send(Buffer.of(9), UDP_PORT, '127.0.0.1');
  await until('the datagram over loopback', () => heard.includes(9));
  const last = testFrame(PEER_MAC, HOST_MAC);
  near.send(last);
  const back: Buffer[] = [];
  await until('the frame back', () => {
    back.push(...far.receiveAll());
    return back.some((frame) => frame.equals(last));
  });
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return { heard: heard.filter((payload) => payload !== 9), seen, arpReplies: back.filter(isArpReply).length };
}

async function prove(t: Test, name: string, far: FrameDevice): Promise<void> {
  writeFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, '0');
  ip(`addr add 192.0.2.1/24 dev ${name}`);
  ip(`addr add 2001:db8::1/64 dev ${name} nodad`);
  const { ifindex } = getLink(name);
  const near = new FrameDevice(openPacketSocket({ ifindex }), PACKET_VNET_HDR_SIZE);
  const state = () => ({
    filters: run('tc', 'filter', 'show', 'dev', name, 'ingress'),
    disciplines: run('tc', 'qdisc', 'show', 'dev', name),
    flags: getLink(name).flags,
    ipv6: readFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, 'utf8'),
    addresses: run('ip', '-o', '-6', 'addr', 'show', 'dev', name, 'scope', 'global').replace(/ tentative| nodad/g, ''),
  });
  const before = state();
  t.same(await converse(near, far), { heard: [1, 2], seen: 3, arpReplies: 1 }, 'the host hears and answers');

  const record = JSON.parse(JSON.stringify(keepHostOff(ifindex)));
  t.match(record, { ifindex, madeClsact: true, turnedArpOff: true, turnedIpv6Off: true });
  t.match(record.ipv6Addresses, [{ address: '2001:db8::1', prefixLen: 64 }]);
  t.same(
    await converse(near, far),
    { heard: [], seen: 3, arpReplies: 0 },
    'the host hears nothing, the packet socket everything',
  );
  ip(`link set dev ${name} down`);
  ip(`link set dev ${name} up`);
  await until('the carrier', () => getLink(name).carrier);
  far.receiveAll();
  t.same(await converse(near, far), { heard: [], seen: 3, arpReplies: 0 }, 'also after down and up');
  t.equal(run('ip', '-6', 'addr', 'show', 'dev', name), '', 'it has no IPv6 address to announce');

  restoreHost(record);
  t.same(state(), before);
  t.same(await converse(near, far), { heard: [1, 2], seen: 3, arpReplies: 1 }, 'the host hears and answers again');
  restoreHost(record);
  t.same(state(), before, 'undoing twice changes nothing');
  near.close();
}

t.test('on a veth', async (t) => {
  const ns = addNetns();
  addVeth('host0', 'peer0', ns);
  ip('link set host0 address 02:00:00:00:00:01');
  const peer = inNetns(ns, () => openPacketSocket({ ifindex: getLink('peer0').ifindex }));
  const far = new FrameDevice(peer, PACKET_VNET_HDR_SIZE);
  await prove(t, 'host0', far);
  far.close();
  ip('link del host0');
});

t.test('on the netdev side of a tap that another program holds', async (t) => {
  const far = new FrameDevice(openTap('tap0'), TAP_VNET_HDR_SIZE);
  ip('link set dev tap0 address 02:00:00:00:00:01');
  ip('link set dev tap0 up');
  await prove(t, 'tap0', far);
  far.close();
});

t.test('what was found off stays off, and others’ filters stay', async (t) => {
  addVeth('v0', 'v1');
  const { ifindex } = getLink('v0');
  writeFileSync('/proc/sys/net/ipv6/conf/v0/disable_ipv6', '1');
  ip('link set v0 arp off');
  run('tc', 'qdisc', 'add', 'dev', 'v0', 'clsact');
  run('tc', 'filter', 'add', 'dev', 'v0', 'egress', 'prio', '7', 'u32', 'match', 'u32', '0', '0');
  const record = keepHostOff(ifindex);
  t.same(record, { ifindex, madeClsact: false, turnedArpOff: false, turnedIpv6Off: false, ipv6Addresses: [] });
  t.ok(hasFilter(ifindex));
  restoreHost(record);
  t.notOk(hasFilter(ifindex));
  t.match(run('tc', 'qdisc', 'show', 'dev', 'v0'), /clsact/);
  t.match(run('tc', 'filter', 'show', 'dev', 'v0', 'egress'), /pref 7 u32/);
  t.match(ip('link show v0'), /NOARP/);
  t.equal(readFileSync('/proc/sys/net/ipv6/conf/v0/disable_ipv6', 'utf8'), '1\n');

  const { ifindex: other } = getLink('v1');
  const made = keepHostOff(other);
  t.equal(made.madeClsact, true);
  run('tc', 'filter', 'add', 'dev', 'v1', 'egress', 'prio', '7', 'u32', 'match', 'u32', '0', '0');
  restoreHost(made);
  t.match(run('tc', 'filter', 'show', 'dev', 'v1', 'egress'), /pref 7 u32/, 'a discipline someone uses by now stays');
  ip('link del v0');
});

t.test('a filter in the way is refused, and nothing stays changed', async (t) => {
  addVeth('v2', 'v3');
  const { ifindex } = getLink('v2');
  run('tc', 'qdisc', 'add', 'dev', 'v2', 'clsact');
  run('tc', 'filter', 'add', 'dev', 'v2', 'ingress', 'prio', '1', 'u32', 'match', 'u32', '0', '0');
  t.throws(() => keepHostOff(ifindex), { code: 'EINVAL', message: /^cannot keep the host off v2: another program has a filter/ });
  t.match(run('tc', 'filter', 'show', 'dev', 'v2', 'ingress'), /pref 1 u32/);
  t.notMatch(ip('link show v2'), /NOARP/);
  t.equal(readFileSync('/proc/sys/net/ipv6/conf/v2/disable_ipv6', 'utf8'), '0\n');
  ip('link del v2');
});

t.test('what a process that died left is taken over; an interface that went needs no undoing', async (t) => {
  addVeth('v4', 'v5');
  const { ifindex } = getLink('v4');
  keepHostOff(ifindex);
  const second = keepHostOff(ifindex);
  t.match(second, { madeClsact: true, turnedArpOff: false, turnedIpv6Off: false });
  restoreHost(second);
  t.notMatch(run('tc', 'qdisc', 'show', 'dev', 'v4'), /clsact/);
  t.equal(addClsact(ifindex), true);
  t.equal(addClsact(ifindex), false);
  ip('link del v4');
  restoreHost(second);
  t.throws(() => keepHostOff(ifindex), { code: 'ENODEV' });
});

t.test('in another namespace, from a thread inside it', async (t) => {
  const ns = addNetns();
  addVeth('v6', 'v7', ns);
  const record = inNetns(ns, () => keepHostOff(getLink('v7').ifindex));
  t.equal(record.turnedIpv6Off, true);
  t.match(run('ip', 'netns', 'exec', ns, 'cat', '/proc/sys/net/ipv6/conf/v7/disable_ipv6'), /^1/);
  t.equal(readFileSync('/proc/sys/net/ipv6/conf/v6/disable_ipv6', 'utf8'), '0\n');
  inNetns(ns, () => restoreHost(record));
  t.match(run('ip', 'netns', 'exec', ns, 'cat', '/proc/sys/net/ipv6/conf/v7/disable_ipv6'), /^0/);
});
