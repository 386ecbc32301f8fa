// The device of an fd port: descriptors as whoever starts weft would hand them down.

import '../../support/sandbox.ts';
import { openSync } from 'node:fs';
import t from 'tap';
import { ioctl, isOpenFd, O_RDWR, openFd, setInheritable } from '../../../src/sys/fd.ts';
import { IFREQ_UNION, ifreq } from '../../../src/sys/ifreq.ts';
import { openPacketSocket } from '../../../src/sys/packet-socket.ts';
import { getLink } from '../../../src/sys/rtnetlink.ts';
import { AF_INET, AF_UNIX, openSocket, SOCK_DGRAM, SOCK_STREAM } from '../../../src/sys/socket.ts';
import { openTap } from '../../../src/sys/tap-device.ts';
import { acceptUnix, closeUnixListener, connectUnix, listenUnix } from '../../../src/sys/unix-socket.ts';
import { NEED } from '../../../src/wire/offload-facts.ts';
import { DeviceProbe, logged } from '../../support/device-probe.ts';
import { addNetns, addVeth, ip, until } from '../../support/netns.ts';
import { SocketPair } from '../../support/socket-pair.ts';
import { WeftRun, weft, weftJson } from '../../support/weft-process.ts';

// linux/if_tun.h
const TUNSETIFF = 0x400454ca;
const IFF_TAP_NO_PI = 0x1002;

/** Makes a descriptor what an inherited one is: not closed on exec. */
function inherit(fd: number): number {
  setInheritable(fd, true);
  return fd;
}

t.test('an inherited tap is a tap port without the making', async (t) => {
  const fd = inherit(openTap('t0').fd);
  const probe = new DeviceProbe(`fd:${fd}`).open();
  t.match(probe.status, { up: false, mtu: 1500, reason: 'the interface is down' });
  t.equal(probe.status.attachment?.io, 'tap');
  ip('link set t0 up');
  await probe.until('up', ({ up }) => up);
  const far = addNetns('far');
  ip(`link set t0 netns ${far}`);
  await probe.until('down', ({ up }) => !up);
  ip(`-n ${far} link set t0 up`);
  await probe.until('up there', ({ up }) => up);
  probe.close();
  t.notOk(isOpenFd(fd));
  t.throws(() => ip(`-n ${far} link show t0`), /does not exist/, 'it was not persistent');

  const again = inherit(openTap('t1', { persistent: true }).fd);
  const second = new DeviceProbe(`fd:${again}`).open();
  ip('link del t1');
  await second.until('gone', ({ attachment }) => attachment === undefined);
  t.equal(second.status.reason, 'the interface was deleted');
  ip('tuntap add t1 mode tap');
  ip('link set t1 up');
  second.close();
  t.equal(second.told.length, 2, 'another tap of that name is none of its business');
});

t.test('an inherited packet socket follows its interface', async (t) => {
  addVeth('v0', 'v0p');
  const fd = inherit(openPacketSocket({ ifindex: getLink('v0').ifindex }).fd);
  const probe = new DeviceProbe(`fd:${fd},name=lan,mtu=1400`).open();
  t.match(probe.status, { up: true, mtu: 1400, attachment: { io: 'packet', fd } });
  t.ok((probe.status.attachment?.caps ?? 0) & NEED.CSUM);
  t.notMatch(ip('link show v0'), /NOARP/, 'the host is left to whoever opened it');
  ip('link set v0p down');
  await probe.until('down', ({ up }) => !up);
  ip('link set v0p up');
  await probe.until('up', ({ up }) => up);
  ip('link del v0');
  await probe.until('gone', ({ attachment }) => attachment === undefined);
  t.equal(probe.status.reason, 'the interface was deleted');
  probe.close();
  t.notOk(isOpenFd(fd));
});

t.test('an inherited connection is a port until the other side hangs up', async (t) => {
  const listener = listenUnix('/run/s.sock');
  const guest = connectUnix('/run/s.sock');
  const fd = inherit(acceptUnix(listener.fd));
  closeUnixListener(listener);
  const probe = new DeviceProbe(`fd:${fd}`).open();
  t.match(probe.status, { up: true, mtu: 65_535, attachment: { io: 'stream', fd, caps: 0 } });
  const { attachment } = probe.status;
  if (attachment === undefined) throw new Error('no attachment');
  probe.device.failed(attachment, 'closed');
  t.match(probe.status, { up: false, attachment: undefined, reason: 'the other side closed the connection' });
  probe.close();
  t.notOk(isOpenFd(fd));
  t.ok(isOpenFd(guest));
});

t.test('what is no port is refused with a sentence and left open', async (t) => {
  const refused = (fd: number, message: RegExp) => {
    t.throws(() => new DeviceProbe(`fd:${fd}`).open(), { name: 'DeviceError', message });
    t.ok(isOpenFd(fd));
  };
  t.throws(() => new DeviceProbe('fd:999999').open(), {
    name: 'DeviceError',
    message: 'cannot use descriptor 999999 as a port: it is not open: the program that starts weft has to hand it down',
  });
  refused(openTap('t2').fd, /^cannot use descriptor \d+ as a port: it is one of weft's own, or a port already/);
  const tap = inherit(openTap('t3').fd);
  const probe = new DeviceProbe(`fd:${tap}`).open();
  refused(tap, /a port already/);
  probe.close();
  refused(inherit(openSync('/etc/passwd', 'r')), /is neither a tap nor a socket; it can be a tap with a virtio-net header/);
  refused(inherit(openSocket(AF_INET, SOCK_DGRAM, 0, 'a socket')), /is a socket that carries no stream/);
  refused(inherit(openSocket(AF_UNIX, SOCK_STREAM, 0, 'a socket')), /is a socket that is not connected/);
  refused(inherit(openSocket(AF_INET, SOCK_STREAM, 0, 'a socket')), /is a socket that is not connected/);
  refused(inherit(listenUnix('/run/l.sock').fd), /is a socket that listens; hand down a connection/);
  const plain = openFd('/dev/net/tun', O_RDWR);
  const request = ifreq('t4');
  request.writeUInt16LE(IFF_TAP_NO_PI, IFREQ_UNION);
  t.equal(ioctl(plain, TUNSETIFF, request), 0);
  refused(inherit(plain), /is a tap without a virtio-net header; open it with IFF_NO_PI and IFF_VNET_HDR/);
  t.same(logged, []);
});

t.test('what a process of weft is started with is a port of it, and nothing else is', async (t) => {
  const tap = openTap('t5').fd;
  const pair = new SocketPair();
  const run = await new WeftRun(['--port', 'fd:3', '--port', 'fd:4'], [], [tap, pair.fd]).ready();
  ip('link set t5 up');
  t.match(weftJson('ports'), [
    { ifname: 'fd3', kind: 'fd' },
    { ifname: 'fd4', kind: 'fd', link: 'up' },
  ]);
  const frame = Buffer.alloc(64, 0x02);
  pair.send(Buffer.concat([Buffer.from([0, 0, 0, 64]), frame]));
  await until('the frame to be counted', () => weftJson('ports')[1].rx_frames === 1);
  t.match(weft('port', 'add', 'fd:3,name=again'), { status: 1, stderr: /weft run --port/ });
  t.match(await run.end('SIGTERM'), { status: 0 });

  const none = new WeftRun(['--port', 'fd:3', '--port', 'fd:3,name=again'], [], [pair.fd]);
  t.equal(await none.ended(), 1);
  t.match(none.stderr, /^weft: cannot use descriptor 3 as a port: it is one of weft's own, or a port already/m);
  pair.close();
});
