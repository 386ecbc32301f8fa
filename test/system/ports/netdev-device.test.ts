// The device of a netdev port against the real kernel: veth ends, taps of others, bridges. A
// wireless interface cannot be had here; test/unit/ports/netdev-refusal.test.ts judges one on paper.

import '../../support/sandbox.ts';
import { spawn } from 'node:child_process';
import t from 'tap';
import { Arena } from '../../../src/sys/arena.ts';
import { closeFd, isOpenFd } from '../../../src/sys/fd.ts';
import { read } from '../../../src/sys/io.ts';
import { openTap } from '../../../src/sys/tap-device.ts';
import { NEED } from '../../../src/wire/offload-facts.ts';
import { DeviceProbe, logged } from '../../support/device-probe.ts';
import { stateOf } from '../../support/interface-state.ts';
import { addNetns, addVeth, ip, run, until } from '../../support/netns.ts';

const arena = new Arena(131_072);

/** Reads the frames that wait on a packet socket and returns their types. */
function frameTypes(fd: number): number[] {
  const types: number[] = [];
  for (let n = read(fd, arena.address, 131_072); n > 0; n = read(fd, arena.address, 131_072)) {
    types.push(arena.memory.view.getUint16(10 + 12));
  }
  return types;
}

t.test('an interface that is up is used with the host off it, and put back as it was', async (t) => {
  const far = addNetns('far');
  addVeth('v0', 'v0p', far);
  const before = stateOf('v0');
  const probe = new DeviceProbe('netdev:v0').open();
  const { attachment } = probe.status;
  if (attachment === undefined) throw new Error('no attachment');
  t.match(probe.status, { up: true, mtu: 1500, reason: undefined });
  t.match(ip('link show v0'), new RegExp(`link/ether ${probe.status.mac}`));
  t.equal(attachment.io, 'packet');
  t.equal(attachment.caps & NEED.CSUM, NEED.CSUM);
  t.match(stateOf('v0'), /NOARP.*promiscuity [1-9].*clsact true, disable_ipv6 1/s);

  // The far side asks for an address that nobody has: the port gets the question, the host does not answer it.
  ip(`-n ${far} addr add 192.0.2.1/24 dev v0p`);
  ip(`-n ${far} neigh add 192.0.2.2 dev v0p lladdr ff:ff:ff:ff:ff:ff nud permanent`);
  t.throws(() => run('ip', 'netns', 'exec', far, 'ping', '-c', '1', '-W', '1', '192.0.2.2'));
  t.ok(frameTypes(attachment.fd).includes(0x0800));
  t.equal(probe.told.length, 1, 'what open did itself is no change');
  probe.close();
  t.equal(stateOf('v0'), before);
  t.notOk(isOpenFd(attachment.fd));
});

t.test('an interface that is down is brought up, and down again; the MTU likewise', async (t) => {
  ip('link add v1 type veth peer name v1p');
  const before = stateOf('v1');
  const probe = new DeviceProbe('netdev:v1,mtu=1400').open();
  t.match(probe.status, { up: false, mtu: 1400, reason: 'no carrier' });
  t.match(ip('link show v1'), /[<,]UP[,>].*mtu 1400/s);
  ip('link set v1p up');
  await probe.until('carrier', ({ up }) => up);
  ip('link set v1p down');
  await probe.until('no carrier', ({ up }) => !up);
  t.equal(probe.status.reason, 'no carrier');
  ip('link set v1 down');
  await probe.until('down', ({ reason }) => reason === 'the interface is down');
  ip('link set v1 up');
  ip('link set v1p up');
  await probe.until('carrier', ({ up }) => up);
  t.ok(probe.told.every(({ attachment }) => attachment === probe.status.attachment));
  probe.close();
  t.equal(stateOf('v1'), before);
});

t.test('a shared interface is taken as it is, addresses and all', async (t) => {
  addVeth('v2', 'v2p');
  ip('addr add 192.0.2.1/24 dev v2');
  const before = stateOf('v2');
  const probe = new DeviceProbe('netdev:v2,shared').open();
  t.ok(probe.status.up);
  t.equal(stateOf('v2').replace(/(promiscuity|allmulti) 1/g, '$1 0'), before);
  t.match(ip('addr show v2'), /192\.0\.2\.1/);
  probe.close();
  t.equal(stateOf('v2'), before);
});

t.test('a deleted interface takes the port down, and the next of its name brings it back', async (t) => {
  addVeth('v3', 'v3p');
  const probe = new DeviceProbe('netdev:v3').open();
  const first = probe.status.attachment;
  ip('link del v3');
  await probe.until('down', ({ attachment }) => attachment === undefined);
  t.match(probe.status, { up: false, reason: 'the interface was deleted' });
  ip('link add v3 type veth peer name v3p');
  ip('link set v3p up');
  await probe.until('up', ({ up }) => up);
  t.not(probe.status.attachment, first);
  t.match(stateOf('v3'), /NOARP.*clsact true, disable_ipv6 1/s);
  probe.close();
  t.match(stateOf('v3'), /clsact false, disable_ipv6 0/);
  t.notMatch(stateOf('v3'), /NOARP|[<,]UP/);
});

t.test('an interface that goes to another namespace is gone, and welcome back', async (t) => {
  const far = addNetns('far');
  addVeth('v4', 'v4p');
  const probe = new DeviceProbe('netdev:v4').open();
  ip(`link set v4 netns ${far}`);
  await probe.until('down', ({ attachment }) => attachment === undefined);
  ip(`-n ${far} link set v4 netns 1`);
  await probe.until('up', ({ up }) => up);
  t.match(stateOf('v4'), /NOARP.*clsact true/s);
  probe.close();
});

t.test('the worker may be the first to see that it is gone; a socket that failed is opened again', async (t) => {
  addVeth('v5', 'v5p');
  const probe = new DeviceProbe('netdev:v5').open();
  const { attachment } = probe.status;
  if (attachment === undefined) throw new Error('no attachment');
  probe.device.failed(attachment, 'gone');
  t.match(probe.status, { up: false, attachment: undefined, reason: 'the packet socket failed' });
  const { attachment: second } = await probe.until('up', ({ up }) => up);
  if (second === undefined) throw new Error('no attachment');
  ip('link del v5');
  probe.device.failed(second, 'gone');
  t.match(probe.status, { up: false, attachment: undefined, reason: 'the interface was deleted' });
  probe.close();
});

t.test('with create, a missing interface is made as a tap for somebody else to open', async (t) => {
  const probe = new DeviceProbe('netdev:q0,create').open();
  t.match(probe.status, { up: false, reason: 'no carrier' });
  t.match(ip('-d link show q0'), /NOARP.*UP.*tun type tap.*persist on/s);
  const qemu = openTap('q0');
  await probe.until('up', ({ up }) => up);
  closeFd(qemu.fd);
  await probe.until('down', ({ up }) => !up);
  probe.close();
  t.throws(() => ip('link show q0'), /does not exist/, 'gone with the port');

  ip('tuntap add q1 mode tap');
  const before = stateOf('q1');
  const other = new DeviceProbe('netdev:q1,create').open();
  t.not(stateOf('q1'), before);
  other.close();
  t.equal(stateOf('q1'), before, 'one that was there stays');
});

t.test('a tap that was made stays while a program has it open, and no longer', async (t) => {
  const ending = new DeviceProbe('netdev:q2,create').open();
  const qemu = openTap('q2');
  await ending.until('up', ({ up }) => up);
  ending.close();
  t.notMatch(ip('link show q2'), /UP/, 'unused');
  closeFd(qemu.fd);
  await until('the tap to go', () => !ip('-o link').includes(': q2:'));

  const staying = new DeviceProbe('netdev:q3,create').open();
  const other = openTap('q3');
  await staying.until('up', ({ up }) => up);
  staying.close();
  await until('the message', () => logged.some((line) => /^warn: port q3: a program still has tap q3 open/.test(line)));
  const back = new DeviceProbe('netdev:q3,create').open();
  t.ok(back.status.up, 'the program is on the switch again when the port comes back');
  back.close();
  closeFd(other.fd);
});

t.test('an interface of another namespace', async (t) => {
  const guests = addNetns('guests');
  addVeth('v6', 'v6p', guests);
  const probe = new DeviceProbe(`netdev:v6p,netns=${guests}`).open();
  t.ok(probe.status.up);
  ip('link set v6 down');
  await probe.until('down', ({ up }) => !up);
  ip('link set v6 up');
  await probe.until('up', ({ up }) => up);
  t.match(ip(`-n ${guests} link show v6p`), /NOARP/);
  probe.close();
  t.notMatch(ip(`-n ${guests} link show v6p`), /NOARP/);

  const second = new DeviceProbe(`netdev:v6p,netns=${guests}`).open();
  ip(`netns del ${guests}`);
  await second.until('lost', ({ attachment }) => attachment === undefined);
  t.equal(second.status.reason, `the network namespace ${guests} was deleted`);
  // Nothing of ours keeps the old namespace and its veth alive.
  await until('the other end to go', () => !ip('link').includes('v6@'));
  ip(`netns add ${guests}`);
  addVeth('v6', 'v6p', guests);
  await second.until('up in the new one', ({ up }) => up);
  second.close();
});

t.test('two ports on one interface are refused, naming the holder', async (t) => {
  addVeth('v7', 'v7p');
  const probe = new DeviceProbe('netdev:v7').open();
  const before = stateOf('v7');
  t.throws(() => new DeviceProbe('netdev:v7').open(), {
    name: 'DeviceError',
    message:
      'cannot use v7 as a port: this switch itself, as another port, uses it already; remove it there first, or choose another interface',
  });
  t.equal(stateOf('v7'), before);
  t.ok(probe.status.up);
  probe.close();

  const modules = new URL('../../../src/', import.meta.url).href;
  const script = [
    `const { createDevice } = await import('${modules}ports/open-device.js');`,
    `const { parsePortSpec } = await import('${modules}ports/spec.js');`,
    `const { tryLockFile } = await import('${modules}sys/file-lock.js');`,
    "const { openSync } = await import('node:fs');",
    "tryLockFile(openSync('/run/br8.lock', 'w'));",
    "createDevice(parsePortSpec('netdev:v7'), { runDir: '/run', switchName: 'br8', log: console.error, journal: { add: () => () => {} } }).open(() => {});",
    "console.log('open');",
    'setInterval(() => {}, 1000);',
  ].join('\n');
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  await until('the other switch', () => output.includes('open'));
  t.throws(() => new DeviceProbe('netdev:v7').open(), {
    message: `cannot use v7 as a port: switch br8 (pid ${child.pid}) uses it already; remove it there first, or choose another interface`,
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  // A killed switch leaves no lock. Its drop filter is taken over; ARP and IPv6, which it had turned off, are found off.
  const after = new DeviceProbe('netdev:v7').open();
  t.ok(after.status.up);
  after.close();
  t.match(stateOf('v7'), /clsact false/);
});

t.test('interfaces that cannot be ports are refused with what to do, and nothing is changed', async (t) => {
  const refused = (port: string, message: RegExp) =>
    t.throws(() => new DeviceProbe(port).open(), { name: 'DeviceError', message });
  refused(
    'netdev:absent',
    /^there is no interface absent; `ip link` lists those there are, and netdev:absent,create makes a tap/,
  );
  refused('netdev:v9,netns=absent', /there is no network namespace absent: make it with `ip netns add absent`/);
  refused('netdev:lo', /^cannot use lo as a port: lo is the loopback interface/);
  ip('tuntap add tun9 mode tun');
  refused('netdev:tun9', /tun9 carries no Ethernet frames/);
  ip('link add kbr type bridge');
  refused('netdev:kbr', /kbr is itself a kernel bridge; .*`ip link add weft0 type veth peer name weft1 master kbr`/);
  addVeth('v8', 'v8p');
  ip('link set v8 master kbr');
  refused('netdev:v8', /v8 is a port of a kernel bridge.*`ip link set v8 nomaster`/);
  ip('link set v8 nomaster');
  ip('addr add 192.0.2.1/24 dev v8');
  refused('netdev:v8', /the host has the address 192\.0\.2\.1 on v8 and would be cut off; .*netdev:v8,shared/);
  ip('addr flush dev v8');
  // Half way: the host is off it when the MTU is refused.
  ip('tuntap add q8 mode tap');
  const before = stateOf('q8');
  refused('netdev:q8,mtu=65535', /^cannot use q8 as a port: .*mtu/);
  t.equal(stateOf('q8'), before);
  // No lock is left of all this.
  new DeviceProbe('netdev:q8').open().close();
  t.equal(stateOf('q8'), before);
});

t.test('no device had anything to complain of but what was provoked', async (t) => {
  t.same(logged, [
    'warn: port v5: the packet socket failed (gone), trying again',
    'info: port q2: tap q2 stays while a program has it open',
    'info: port q3: tap q3 stays while a program has it open',
    'warn: port q3: a program still has tap q3 open; `ip link del q3` removes it when it is not needed',
  ]);
});
