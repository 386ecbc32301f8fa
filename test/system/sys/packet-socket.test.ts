// Packet sockets on veth pairs: what they see, and what they do not.

import '../../support/sandbox.ts';
import assert from 'node:assert/strict';
import t from 'tap';
import { Arena } from '../../../src/sys/arena.ts';
import { ERRNO } from '../../../src/sys/errno.ts';
import { closeFd, O_RDONLY, openFd } from '../../../src/sys/fd.ts';
import { inspectFd } from '../../../src/sys/fd-kind.ts';
import { IOVEC_SIZE, MMSGHDR_SIZE, recvmmsg, write } from '../../../src/sys/io.ts';
import { inNetns } from '../../../src/sys/netns.ts';
import {
  AUXDATA_CONTROL_SIZE,
  AUXDATA_STATUS,
  AUXDATA_VLAN_TCI,
  AUXDATA_VLAN_TPID,
  adoptPacketSocket,
  CMSG_DATA,
  CMSG_LEVEL,
  CMSG_TYPE,
  openPacketSocket,
  PACKET_AUXDATA,
  PACKET_VNET_HDR_SIZE,
  packetSocketInterface,
  readPacketStatistics,
  SOL_PACKET,
  TP_STATUS_VLAN_TPID_VALID,
  TP_STATUS_VLAN_VALID,
} from '../../../src/sys/packet-socket.ts';
import { getLink, setLink } from '../../../src/sys/rtnetlink.ts';
import { AF_INET, AF_PACKET, openSocket, SOCK_DGRAM, SOCK_RAW } from '../../../src/sys/socket.ts';
import { openTap } from '../../../src/sys/tap-device.ts';
import { hex, testFrame } from '../../support/frames.ts';
import { addNetns, addVeth, ip, run, until } from '../../support/netns.ts';

const arena = new Arena(1 << 20);
const memory = arena.memory;

/** struct msghdr: iov at 16, iovlen at 24, control at 32, controllen at 40; struct mmsghdr: length at 56. */
const message = arena.alloc(MMSGHDR_SIZE);
const iov = arena.alloc(IOVEC_SIZE);
const control = arena.alloc(AUXDATA_CONTROL_SIZE);
const data = arena.alloc(70_000);
const outgoing = arena.alloc(70_000);

interface Received {
  readonly octets: Buffer;
  readonly status: number;
  readonly tci: number;
  readonly tpid: number;
}

/** One frame without its virtio-net header; undefined when none is there. */
function receive(fd: number): Received | undefined {
  const put = (at: number, value: number) => memory.view.setBigUint64(at, BigInt(value), true);
  put(iov, arena.address + data);
  put(iov + 8, 70_000);
  put(message + 16, arena.address + iov);
  put(message + 24, 1);
  put(message + 32, arena.address + control);
  put(message + 40, AUXDATA_CONTROL_SIZE);
  const n = recvmmsg(fd, arena.address + message, 1);
  if (n === -ERRNO.EAGAIN) return undefined;
  assert.equal(n, 1);
  assert.equal(memory.view.getInt32(control + CMSG_LEVEL, true), SOL_PACKET);
  assert.equal(memory.view.getInt32(control + CMSG_TYPE, true), PACKET_AUXDATA);
  const len = memory.view.getUint32(message + 56, true);
  return {
    octets: Buffer.from(memory.u8.slice(data + PACKET_VNET_HDR_SIZE, data + len)),
    status: memory.view.getUint32(control + CMSG_DATA + AUXDATA_STATUS, true),
    tci: memory.view.getUint16(control + CMSG_DATA + AUXDATA_VLAN_TCI, true),
    tpid: memory.view.getUint16(control + CMSG_DATA + AUXDATA_VLAN_TPID, true),
  };
}

/** Sends a frame behind an empty virtio-net header; the result of write(2). */
function send(fd: number, frame: Uint8Array): number {
  memory.u8.fill(0, outgoing, outgoing + PACKET_VNET_HDR_SIZE);
  memory.u8.set(frame, outgoing + PACKET_VNET_HDR_SIZE);
  return write(fd, arena.address + outgoing, PACKET_VNET_HDR_SIZE + frame.length);
}

/** A veth pair whose ends say nothing of their own accord. */
function quietVeth(name: string, peer: string): [number, number] {
  ip(`link add name ${name} type veth peer name ${peer}`);
  for (const end of [name, peer]) {
    run('sh', '-c', `echo 1 > /proc/sys/net/ipv6/conf/${end}/disable_ipv6`);
    ip(`link set dev ${end} up arp off`);
  }
  return [getLink(name).ifindex, getLink(peer).ifindex];
}

t.test('frames to anyone are seen, own ones are not', async (t) => {
  const [near, far] = quietVeth('v0', 'v1');
  quietVeth('other0', 'other1');
  const a = openPacketSocket({ ifindex: near });
  const b = openPacketSocket({ ifindex: far });
  t.equal(a.vnetHdrSize, PACKET_VNET_HDR_SIZE);
  t.ok(a.receiveBufferSize >= 8 << 20);
  t.match(ip('-d link show v0'), /promiscuity [1-9]/);
  const frame = testFrame('020000000099', '020000000001');
  t.equal(send(a.fd, frame), PACKET_VNET_HDR_SIZE + frame.length);
  const got = await until('the frame', () => receive(b.fd));
  t.same(got.octets, frame);
  t.equal(got.status & TP_STATUS_VLAN_VALID, 0);
  t.equal(receive(a.fd), undefined, 'a socket does not see what it sends');
  const group = testFrame('01005e010203', '020000000001');
  send(a.fd, group);
  t.same((await until('the group frame', () => receive(b.fd))).octets, group);
  t.same(readPacketStatistics(b.fd), { frames: 2, drops: 0 });
  t.same(readPacketStatistics(b.fd), { frames: 0, drops: 0 });
  closeFd(a.fd);
  closeFd(b.fd);
  t.match(ip('-d link show v0'), /promiscuity 0/);
});

t.test('the tag the kernel takes out is in the auxdata', async (t) => {
  const [near, far] = quietVeth('v2', 'v3');
  const a = openPacketSocket({ ifindex: near });
  const b = openPacketSocket({ ifindex: far });
  const payload = '0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e';
  for (const tpid of [0x8100, 0x88a8]) {
    send(a.fd, hex('ffffffffffff 020000000001', tpid.toString(16), '6123 88b5', payload));
    const got = await until('the frame', () => receive(b.fd));
    t.same(got.octets, hex('ffffffffffff 020000000001 88b5', payload));
    t.equal(got.status & TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_VALID);
    t.equal(got.status & TP_STATUS_VLAN_TPID_VALID, TP_STATUS_VLAN_TPID_VALID);
    t.equal(got.tci, 0x6123);
    t.equal(got.tpid, tpid);
  }
  closeFd(a.fd);
  closeFd(b.fd);
});

t.test('frames of another interface never slip in', async (t) => {
  const [, quiet] = quietVeth('v4', 'v5');
  const [busy] = quietVeth('v6', 'v7');
  const sender = openPacketSocket({ ifindex: busy });
  for (let n = 0; n < 50; n++) {
    send(sender.fd, testFrame('ffffffffffff', '020000000001'));
    const socket = openPacketSocket({ ifindex: quiet });
    send(sender.fd, testFrame('ffffffffffff', '020000000001'));
    if (receive(socket.fd) !== undefined) t.fail('a frame of another interface');
    closeFd(socket.fd);
  }
  t.same(readPacketStatistics(sender.fd), { frames: 0, drops: 0 });
  closeFd(sender.fd);
});

t.test('a full receive buffer drops, and the kernel says how many', async (t) => {
  const [near, far] = quietVeth('v8', 'v9');
  const a = openPacketSocket({ ifindex: near });
  const b = openPacketSocket({ ifindex: far, receiveBufferSize: 65_536 });
  t.equal(b.receiveBufferSize, 131_072);
  for (let n = 0; n < 1000; n++) send(a.fd, testFrame('ffffffffffff', '020000000001'));
  await until('all to arrive', () => Number(run('cat', '/sys/class/net/v9/statistics/rx_packets')) >= 1000);
  const statistics = readPacketStatistics(b.fd);
  let received = 0;
  while (receive(b.fd) !== undefined) received++;
  t.ok(received > 0 && received < 1000);
  t.same(statistics, { frames: 1000, drops: 1000 - received });
  closeFd(a.fd);
  closeFd(b.fd);
});

t.test('inherited descriptors are told apart and set up', async (t) => {
  const [near, far] = quietVeth('va', 'vb');
  const socket = openPacketSocket({ ifindex: near });
  t.same(inspectFd(socket.fd), { kind: 'packet', ifindex: near });
  t.match(adoptPacketSocket(socket.fd), { fd: socket.fd, ifindex: near, vnetHdrSize: PACKET_VNET_HDR_SIZE });
  closeFd(socket.fd);
  const unbound = openSocket(AF_PACKET, SOCK_RAW, 0, 'a socket');
  t.equal(packetSocketInterface(unbound), 0);
  t.throws(() => adoptPacketSocket(unbound), /not bound to an interface/);
  closeFd(unbound);
  const udp = openSocket(AF_INET, SOCK_DGRAM, 0, 'a socket');
  t.same(inspectFd(udp), { kind: 'socket', family: AF_INET, type: SOCK_DGRAM });
  t.throws(() => adoptPacketSocket(udp), /is no packet socket/);
  closeFd(udp);
  t.equal(inspectFd(udp), undefined);
  const file = openFd('/proc/self/status', O_RDONLY);
  t.same(inspectFd(file), { kind: 'other' });
  closeFd(file);
  const tap = openTap('t0');
  t.match(inspectFd(tap.fd), { kind: 'tap', tap: { name: 't0', vnetHdrSize: 12 } });
  closeFd(tap.fd);
  t.throws(() => openPacketSocket({ ifindex: 4711 }), {
    code: 'ENODEV',
    message: /^cannot receive all frames of interface 4711: no such device/,
  });
  setLink(far, { up: false });
});

t.test('a packet socket opened inside a namespace stays there', async (t) => {
  const ns = addNetns();
  addVeth('vc', 'vd', ns);
  const far = inNetns(ns, () => openPacketSocket({ ifindex: getLink('vd').ifindex }));
  const near = openPacketSocket({ ifindex: getLink('vc').ifindex });
  const frame = testFrame('ffffffffffff', '020000000001');
  send(near.fd, frame);
  await until('the frame', () => {
    const got = receive(far.fd);
    return got?.octets.equals(frame);
  });
  closeFd(near.fd);
  closeFd(far.fd);
  t.pass('it crossed');
});
