// The device of a macvtap port against the real kernel, with one end of a veth pair as the NIC: what it
// receives and sends, what the host hears of it, carrier, deletion, and that everything is put back.

import '../../support/sandbox.ts';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { LinkGroup } from '../../../src/sys/link-group.ts';
import { macvtapName } from '../../../src/sys/macvtap.ts';
import { inNetns } from '../../../src/sys/netns.ts';
import { openPacketSocket, PACKET_VNET_HDR_SIZE } from '../../../src/sys/packet-socket.ts';
import { addMacvtap, findLink, getLink } from '../../../src/sys/rtnetlink.ts';
import { TAP_VNET_HDR_SIZE } from '../../../src/sys/tap-device.ts';
import { NEED } from '../../../src/wire/offload-facts.ts';
import { DeviceProbe, logged } from '../../support/device-probe.ts';
import { FrameDevice } from '../../support/frame-device.ts';
import { hex, testFrame } from '../../support/frames.ts';
import { stateOf } from '../../support/interface-state.ts';
import { addNetns, addVeth, ip, run, until } from '../../support/netns.ts';

const PEER_MAC = '020000000002';
const STATION = '020000000077';
const BROADCAST = 'ffffffffffff';
const UDP_PORT = 4242;
const HOST_ADDRESS = '192.0.2.1';

/** IPv4 from 192.0.2.2, protocol UDP; `fragment` are flags and offset. */
function ipFrame(dstMac: string, dst: string, fragment: string, payload: Buffer): Buffer {
  const header = hex('4500 0000 0007', fragment, '4011 0000 c0000202', dst);
  header.writeUInt16BE(20 + payload.length, 2);
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  header.writeUInt16BE(~((sum & 0xffff) + (sum >>> 16)) & 0xffff, 10);
  return Buffer.concat([hex(dstMac, PEER_MAC, '0800'), header, payload]);
}

/** A UDP datagram without a checksum; its payload is one octet, so that it can be told apart. */
function udpFrame(dstMac: string, dst: string, payload: number): Buffer {
  const udp = Buffer.alloc(26);
  udp.writeUInt16BE(1000, 0);
  udp.writeUInt16BE(UDP_PORT, 2);
  udp.writeUInt16BE(9, 4);
  udp.writeUInt8(payload, 8);
  const frame = ipFrame(dstMac, dst, '0000', udp.subarray(0, 9));
  return Buffer.concat([frame, Buffer.alloc(60 - frame.length)]);
}

/** ARP: who has 192.0.2.1, tell 192.0.2.2. */
const ARP_REQUEST = Buffer.concat([
  hex(BROADCAST, PEER_MAC, '0806 0001 0800 06 04 0001', PEER_MAC, 'c0000202 000000000000 c0000201'),
  Buffer.alloc(18),
]);

const isArpReply = (frame: Buffer) => frame.readUInt16BE(12) === 0x0806 && frame.readUInt16BE(20) === 2;

/** The far side of a NIC, in a namespace of its own whose stack is silent. */
function farOf(nic: string, peer: string): FrameDevice {
  const netns = addNetns('far');
  addVeth(nic, peer, netns);
  inNetns(netns, () => writeFileSync(`/proc/sys/net/ipv6/conf/${peer}/disable_ipv6`, '1'));
  return new FrameDevice(
    inNetns(netns, () => openPacketSocket({ ifindex: getLink(peer).ifindex })),
    PACKET_VNET_HDR_SIZE,
  );
}

/** The port's side, on the descriptor that it gives to the worker. */
function nearOf(probe: DeviceProbe): FrameDevice {
  if (probe.status.attachment === undefined) throw new Error('no attachment');
  return new FrameDevice(probe.status.attachment, TAP_VNET_HDR_SIZE);
}

async function passes(from: FrameDevice, to: FrameDevice, frame: Buffer, what: string): Promise<void> {
  from.send(frame);
  await until(what, () => to.receive()?.equals(frame));
}

t.test('frames to stations and to groups of every kind pass, as they came', async (t) => {
  const far = farOf('v0', 'v0p');
  const before = stateOf('v0');
  const probe = new DeviceProbe('macvtap:v0').open();
  const { attachment, mac } = probe.status;
  t.match(probe.status, { up: true, mtu: 1500, reason: undefined });
  t.equal(attachment?.io, 'tap');
  t.equal((attachment?.caps ?? 0) & (NEED.CSUM | NEED.TSO4 | NEED.TSO6), NEED.CSUM | NEED.TSO4 | NEED.TSO6);
  t.match(ip('link show v0'), new RegExp(`link/ether ${mac}`));
  t.match(stateOf('v0'), /NOARP.*clsact true, disable_ipv6 1/s);
  const near = nearOf(probe);
  const half = Buffer.alloc(1480, 0x33);
  const frames: Readonly<Record<string, Buffer>> = {
    'a BPDU': testFrame('0180c2000000', PEER_MAC),
    LLDP: testFrame('0180c200000e', PEER_MAC),
    'neighbour discovery': testFrame('3333ff000001', PEER_MAC, 86),
    'router advertisement': testFrame('333300000001', PEER_MAC, 86),
    mDNS: udpFrame('01005e0000fb', 'e00000fb', 3),
    ARP: ARP_REQUEST,
    broadcast: udpFrame(BROADCAST, 'ffffffff', 4),
    'unicast to a station behind the switch': testFrame(STATION, PEER_MAC),
    'unicast to the address of the NIC': testFrame((mac ?? '').replaceAll(':', ''), PEER_MAC),
    'a fragment of a broadcast': ipFrame(BROADCAST, 'ffffffff', '2000', half),
    'its other fragment': ipFrame(BROADCAST, 'ffffffff', '00b9', half),
    'a tagged broadcast': Buffer.concat([hex(BROADCAST, PEER_MAC, '8100 0005 88b5'), Buffer.alloc(60, 0x5a)]),
  };
  far.receiveAll();
  for (const [what, frame] of Object.entries(frames)) {
    far.send(frame);
    // Nothing else may come: neither a second copy nor fragments put together.
    const received = await until(what, () => near.receive());
    t.same(received, frame, what);
  }
  t.same(near.receiveAll(), []);
  for (const [what, frame] of Object.entries(frames)) {
    // The far side's packet socket shows a tag beside the frame, not in it.
    if (frame.readUInt16BE(12) === 0x8100) continue;
    const sent = Buffer.from(frame);
    hex(STATION).copy(sent, 6);
    await passes(near, far, sent, `${what}, sent`);
  }
  t.same(far.receiveAll(), [], 'nothing of the host’s own leaves');
  probe.close();
  far.close();
  t.equal(stateOf('v0'), before);
  t.equal(findLink(macvtapName(getLink('v0').ifindex)), undefined);
});

t.test('the host hears nothing of it and answers nothing', async (t) => {
  const far = farOf('v1', 'v1p');
  ip(`addr add ${HOST_ADDRESS}/32 dev lo`);
  for (const name of ['all', 'v1']) writeFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, '0');
  ip('route add 192.0.2.2/32 dev v1');
  const nicMac = Buffer.from(getLink('v1').mac).toString('hex');
  const frames = [
    ...[udpFrame(nicMac, 'c0000201', 1), udpFrame(BROADCAST, 'ffffffff', 2), udpFrame('01005e000001', 'e0000001', 3)],
    ARP_REQUEST,
  ];
  const converse = async (near: FrameDevice | undefined): Promise<{ heard: number[]; arpReplies: number }> => {
    const { socket, heard } = await listen();
    far.receiveAll();
    for (const frame of frames) far.send(frame);
    const back: Buffer[] = [];
    if (near === undefined) {
      await until('the host to hear', () => {
        back.push(...far.receiveAll());
        return heard.length === 3 && back.some(isArpReply);
      });
    } else {
      // What must not come is waited for by what comes after it: on the port, over loopback, back.
      let seen = 0;
      await until('the port to see every frame', () => {
        seen += near.receiveAll().filter((frame) => frames.some((one) => one.equals(frame))).length;
        return seen === frames.length;
      });
      socket.send(Buffer.of(9), UDP_PORT, '127.0.0.1');
      await until('the datagram over loopback', () => heard.includes(9));
      const last = testFrame(PEER_MAC, STATION);
      near.send(last);
      await until('the frame back', () => {
        back.push(...far.receiveAll());
        return back.some((frame) => frame.equals(last));
      });
    }
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    return { heard: heard.filter((payload) => payload !== 9).sort(), arpReplies: back.filter(isArpReply).length };
  };
  t.same(await converse(undefined), { heard: [1, 2, 3], arpReplies: 1 }, 'the host hears and answers');
  const probe = new DeviceProbe('macvtap:v1').open();
  t.same(await converse(nearOf(probe)), { heard: [], arpReplies: 0 }, 'only the port does');
  ip('link set v1 down');
  await probe.until('down', ({ up }) => !up);
  ip('link set v1 up');
  await probe.until('up', ({ up }) => up);
  t.same(await converse(nearOf(probe)), { heard: [], arpReplies: 0 }, 'also after down and up');
  probe.close();
  t.same(await converse(undefined), { heard: [1, 2, 3], arpReplies: 1 }, 'the host hears and answers again');
  far.close();
  ip('addr flush dev lo');
  ip('addr add 127.0.0.1/8 dev lo');
});

t.test('carrier and MTU are those of the NIC, which is brought up, and put back', async (t) => {
  ip('link add v2 type veth peer name v2p');
  const before = stateOf('v2');
  const probe = new DeviceProbe('macvtap:v2,mtu=1400').open();
  t.match(probe.status, { up: false, mtu: 1400, reason: 'no carrier' });
  t.match(ip('link show v2'), /[<,]UP[,>].*mtu 1400/s);
  ip('link set v2p up');
  await probe.until('carrier', ({ up }) => up);
  ip('link set v2p down');
  await probe.until('no carrier', ({ reason }) => reason === 'no carrier');
  ip('link set v2p up');
  await probe.until('carrier', ({ up }) => up);
  ip('link set v2 down');
  await probe.until('down', ({ reason }) => reason === 'the interface is down');
  ip('link set v2 up');
  await probe.until('up', ({ up }) => up);
  ip('link set v2 mtu 1300');
  await probe.until('the other MTU', ({ mtu }) => mtu === 1300);
  ip('link set v2 mtu 1400');
  await probe.until('the MTU', ({ mtu }) => mtu === 1400);
  t.ok(probe.told.every(({ attachment }) => attachment === probe.status.attachment));
  probe.close();
  ip('link set v2p down');
  t.equal(stateOf('v2'), before);
});

t.test('a deleted NIC takes the port down, and the next of its name brings it back', async (t) => {
  addVeth('v3', 'v3p');
  const probe = new DeviceProbe('macvtap:v3').open();
  const first = probe.status.attachment;
  ip('link del v3');
  await probe.until('down', ({ attachment }) => attachment === undefined);
  t.match(probe.status, { up: false, reason: 'the interface was deleted' });
  addVeth('v3', 'v3p');
  await probe.until('up', ({ up }) => up);
  t.not(probe.status.attachment, first);
  t.match(stateOf('v3'), /NOARP.*clsact true, disable_ipv6 1/s);

  const second = probe.status.attachment;
  ip(`link del ${macvtapName(getLink('v3').ifindex)}`);
  await probe.until('another macvtap', ({ up, attachment }) => up && attachment !== second);
  const third = probe.status.attachment;
  if (third === undefined) throw new Error('no attachment');
  probe.device.failed(third, 'gone');
  await probe.until('up after a fault', ({ up, attachment }) => up && attachment !== third);
  const away = addNetns('away');
  ip(`link set v3 netns ${away}`);
  await probe.until('down', ({ attachment }) => attachment === undefined);
  t.notMatch(ip('-o link'), /weft-mvt/, 'no macvtap is left of a NIC that went to another namespace');
  ip(`-n ${away} link set v3 netns 1`);
  await probe.until('back', ({ up }) => up);
  probe.close();
  t.match(stateOf('v3'), /clsact false/);
});

t.test('in two other namespaces, in which the macvtaps have the same number', async (t) => {
  const [one, two] = [addNetns('one'), addNetns('two')];
  const sides = [one, two].map((netns, n) => {
    addVeth(`v4${n}`, 'nic', netns);
    const far = new FrameDevice(openPacketSocket({ ifindex: getLink(`v4${n}`).ifindex }), PACKET_VNET_HDR_SIZE);
    const probe = new DeviceProbe(`macvtap:nic,netns=${netns}`).open();
    return { far, probe, number: inNetns(netns, () => getLink(macvtapName(getLink('nic').ifindex)).ifindex) };
  });
  t.equal(sides[0]?.number, sides[1]?.number, 'so one of them is not the /dev/tapN of that number');
  for (const [n, { far, probe }] of sides.entries()) {
    t.ok(probe.status.up);
    const [near, other] = [nearOf(probe), sides.find((side) => side.probe !== probe)?.probe];
    await passes(far, near, testFrame(BROADCAST, PEER_MAC, 60, n), 'a broadcast');
    await passes(far, near, testFrame(STATION, PEER_MAC, 60, n), 'unicast');
    await passes(near, far, testFrame(PEER_MAC, STATION, 60, n), 'the way back');
    t.notOk(
      other &&
        nearOf(other)
          .receiveAll()
          .some((frame) => frame[20] === n && frame.readUInt16BE(12) === 0x88b5),
    );
  }
  for (const [n, { far, probe }] of sides.entries()) {
    const netns = [one, two][n];
    ip(`netns del ${netns}`);
    await probe.until('lost', ({ attachment }) => attachment === undefined);
    t.equal(probe.status.reason, `the network namespace ${netns} was deleted`);
    // Nothing of ours keeps the old namespace and its veth alive.
    await until('the other end to go', () => !ip('link').includes(`v4${n}@`));
    probe.close();
    far.close();
  }
});

t.test('a macvtap that a killed switch left is replaced; one of others is not touched', async (t) => {
  addVeth('v5', 'v5p');
  const { ifindex } = getLink('v5');
  addMacvtap(macvtapName(ifindex), ifindex);
  const left = getLink(macvtapName(ifindex));
  const probe = new DeviceProbe('macvtap:v5').open();
  t.ok(probe.status.up);
  t.not(getLink(macvtapName(ifindex)).ifindex, left.ifindex);
  t.throws(() => new DeviceProbe('macvtap:v5').open(), { message: /this switch itself, as another port, uses it already/ });
  t.throws(() => new DeviceProbe('netdev:v5').open(), { message: /this switch itself, as another port, uses it already/ });
  probe.close();

  const before = stateOf('v5');
  ip('link add link v5 name mv5 type macvlan mode bridge');
  const refused = (port: string, message: RegExp) =>
    t.throws(() => new DeviceProbe(port).open(), { name: 'DeviceError', message });
  refused('macvtap:v5', /^cannot use v5 as a port: the macvlan mv5 stands on v5 .*netdev:v5,shared.*`ip link del mv5`/);
  refused('macvtap:mv5', /mv5 is itself a macvlan; use netdev:mv5/);
  t.match(ip('link show mv5'), /mv5@v5/);
  ip('link del mv5');
  ip('addr add 192.0.2.9/24 dev v5');
  refused('macvtap:v5', /the host has the address 192\.0\.2\.9 on v5 and would be cut off/);
  ip('addr flush dev v5');
  ip('link add kbr type bridge');
  ip('link set v5 master kbr');
  refused('macvtap:v5', /v5 is a port of a kernel bridge/);
  ip('link set v5 nomaster');
  refused('macvtap:absent', /^there is no interface absent; `ip link` lists those there are$/);
  run('tc', 'qdisc', 'add', 'dev', 'v5', 'clsact');
  run('tc', 'filter', 'add', 'dev', 'v5', 'ingress', 'prio', '1', 'protocol', 'all', 'u32', 'match', 'u32', '0', '0');
  refused('macvtap:v5', /cannot keep the host off v5: another program has a filter there/);
  t.notMatch(ip('-o link'), /weft-mvt/);
  run('tc', 'qdisc', 'del', 'dev', 'v5', 'clsact');
  t.equal(stateOf('v5'), before);
});

t.test('macvtaps are deleted with others', async (t) => {
  addVeth('v6', 'v6p');
  const before = stateOf('v6');
  const probe = new DeviceProbe('macvtap:v6').open();
  const group = new LinkGroup();
  probe.device.deleteWith?.(group);
  group.delete((error) => t.fail(String(error)));
  t.notMatch(ip('-o link'), /weft-mvt/);
  probe.close();
  t.equal(stateOf('v6'), before);
});

t.test('no device had anything to complain of but what was provoked', async (t) => {
  t.same(logged, ['warn: port v3: the macvtap on v3 failed (gone), trying again']);
});

async function listen(): Promise<{ socket: Socket; heard: number[] }> {
  const heard: number[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (message) => heard.push(message[0] ?? -1));
  socket.bind(UDP_PORT);
  await once(socket, 'listening');
  return { socket, heard };
}
