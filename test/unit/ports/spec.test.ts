// How ports are written: every kind and key, and a sentence for everything that is wrong.

import test from 'ava';
import type { PortSettings } from '../../../src/bridge/command.ts';
import { formatDgramPaths, parseDgramPaths } from '../../../src/ports/dgram-paths.ts';
import { parsePortSettings, parsePortSpec, SpecError, type SpecSettings, specFromObject } from '../../../src/ports/spec.ts';

/** Fails to compile when the settings a specification can carry are not those the bridge obeys. */
const SAME_SETTINGS: Required<SpecSettings> extends PortSettings
  ? PortSettings extends Required<SpecSettings>
    ? true
    : never
  : never = true;

test('a kind and a target are enough; the name follows from the target', (t) => {
  t.true(SAME_SETTINGS);
  t.deepEqual(parsePortSpec('tap:tap0'), { kind: 'tap', target: 'tap0', name: 'tap0', settings: {} });
  t.deepEqual(parsePortSpec('netdev:eth0.5'), { kind: 'netdev', target: 'eth0.5', name: 'eth0.5', settings: {} });
  t.is(parsePortSpec('stream:vm1.sock').name, 'vm1');
  t.is(parsePortSpec('stream:/run/a.b/vm.1.sock').name, 'vm.1');
  t.is(parsePortSpec('stream:/run/a.b/guest').name, 'guest');
  t.is(parsePortSpec('stream:.sock').name, '.sock');
  t.is(parsePortSpec('stream:a:b.sock').target, 'a:b.sock');
  t.is(parsePortSpec('dgram:/run/a.b/vm1.sock:/run/vm1.qemu').name, 'vm1');
  t.is(parsePortSpec('dgram:a\\:b.sock:c').name, 'a:b');
  t.is(parsePortSpec('fd:7').name, 'fd7');
});

test('the two paths of a dgram port; a colon in one is written with a backslash', (t) => {
  const paths = (text: string) => parseDgramPaths(parsePortSpec(text).target);
  t.deepEqual(paths('dgram:a.sock:b.sock,name=x'), { local: 'a.sock', remote: 'b.sock' });
  t.deepEqual(paths('dgram:/run/a\\,b\\:c:/run/d e,name=x'), { local: '/run/a,b:c', remote: '/run/d e' });
  t.deepEqual(parseDgramPaths(specFromObject({ dgram: 'a\\:b:c', name: 'x' }).target), { local: 'a:b', remote: 'c' });
  for (const [local, remote] of [
    ['a', 'b'],
    ['a:b', ':'],
    ['a\\', '\\:c'],
    ['\\\\:', 'x\\y'],
  ] as const) {
    t.deepEqual(parseDgramPaths(formatDgramPaths({ local, remote })), { local, remote });
  }
});

test('every key arrives where it belongs', (t) => {
  const tap = 'tap:tap0,name=host,netns=guests,mac=52-54-00-AB-CD-EF,address=2001:db8::1/64,mtu=9000,learning=off,flood=no';
  t.deepEqual(parsePortSpec(`${tap},mcast_flood=false,bcast_flood=0,isolated=yes,hairpin=1,group_fwd_mask=0x4008`), {
    kind: 'tap',
    target: 'tap0',
    name: 'host',
    netns: 'guests',
    mac: '52:54:00:ab:cd:ef',
    address: '2001:db8::1/64',
    settings: {
      mtu: 9000,
      learning: false,
      flood: false,
      mcast_flood: false,
      bcast_flood: false,
      isolated: true,
      hairpin: true,
      group_fwd_mask: 0x4008,
    },
  });
  t.deepEqual(parsePortSpec('stream:vm1.sock,connect,isolated'), {
    kind: 'stream',
    target: 'vm1.sock',
    name: 'vm1',
    connect: true,
    settings: { isolated: true },
  });
  t.is(parsePortSpec('stream:vm1.sock,mode=0660').mode, 0o660);
  t.is(parsePortSpec('stream:vm1.sock,mode=600').mode, 0o600);
  t.like(parsePortSpec('macvtap:eth0,netns=guests'), { kind: 'macvtap', target: 'eth0', name: 'eth0', netns: 'guests' });
  t.is(parsePortSpec('netdev:eth0,shared').shared, true);
  t.is(parsePortSpec('netdev:tap0,create=on').create, true);
  t.is(parsePortSpec('netdev:eth0,shared=off').shared, false);
  for (const netns of ['guests', 'pid:17', '/proc/17/ns/net']) t.is(parsePortSpec(`netdev:e,netns=${netns}`).netns, netns);
  t.is(parsePortSpec('tap:t,group_fwd_mask=8').settings.group_fwd_mask, 8);
});

test('a comma in a path is written with a backslash', (t) => {
  t.is(parsePortSpec('stream:/run/a\\,b.sock,name=x').target, '/run/a,b.sock');
  t.is(parsePortSpec('stream:/run/a\\\\,name=x').target, '/run/a\\');
  t.is(parsePortSpec('stream:/run/a\\b,name=x').target, '/run/a\\b');
  t.is(parsePortSpec('stream:/run/a\\').target, '/run/a\\');
});

const REFUSED: [text: string, message: string][] = [
  ['macvtap:eth0,shared', 'a macvtap port has no shared; it is for netdev ports'],
  [
    'vhost-user:a',
    "port 'vhost-user:a', character 1: weft has no vhost-user ports yet; there are tap, netdev, macvtap, stream, dgram and fd",
  ],
  ['tpa:tap0', "port 'tpa:tap0', character 1: there is no kind of port 'tpa'; did you mean tap?"],
  [
    'bogus',
    "port 'bogus', character 1: there is no kind of port 'bogus'; write KIND:TARGET with one of tap, netdev, macvtap, stream, dgram and fd",
  ],
  ['tap', "port 'tap', character 1: a tap port needs the name of an interface: tap:TARGET"],
  ['stream:,name=x', "port 'stream:,name=x', character 1: a stream port needs the path of a socket: stream:TARGET"],
  [
    'tap:sixteen-octets-x',
    "port 'tap:sixteen-octets-x', character 1: 'sixteen-octets-x' cannot be an interface's name: 1 to 15 octets, no slash, colon, per cent sign or space",
  ],
  [
    'tap:tap%d',
    "port 'tap:tap%d', character 1: 'tap%d' cannot be an interface's name: 1 to 15 octets, no slash, colon, per cent sign or space",
  ],
  ['dgram:a', "port 'dgram:a', character 1: dgram is 'a'; write LOCAL:REMOTE, a colon within a path as \\:"],
  ['dgram:a:b:c', "dgram is 'a:b:c'; write LOCAL:REMOTE"],
  ['dgram::b', "dgram is ':b'; write LOCAL:REMOTE"],
  ['dgram:a:', "dgram is 'a:'; write LOCAL:REMOTE"],
  ['dgram:a:a', 'a dgram port and its guest need a path each, not the same one'],
  ['dgram:', "a dgram port needs the path of its socket and of the guest's, LOCAL:REMOTE: dgram:TARGET"],
  ['dgram:a:b,connect', 'a dgram port has no connect; it is for stream ports'],
  ['fd:two', "port 'fd:two', character 1: fd is 'two'; it must be the number of an inherited descriptor, 3 or more"],
  ['fd:2', "port 'fd:2', character 1: fd is '2'; it must be the number of an inherited descriptor, 3 or more"],
  ['tap:tap0,lerning=off', "port 'tap:tap0,lerning=off', character 10: there is no key 'lerning'; did you mean learning?"],
  [
    'fd:3,zzz=1',
    "port 'fd:3,zzz=1', character 6: there is no key 'zzz'; there are name, mtu, learning, flood, mcast_flood, bcast_flood, isolated, hairpin, group_fwd_mask",
  ],
  ['fd:3,toString=1', "there is no key 'toString'; there are name"],
  ['tap:tap0,connect', "port 'tap:tap0,connect', character 10: a tap port has no connect; it is for stream ports"],
  [
    'stream:a\\,b,netns=x',
    "port 'stream:a\\,b,netns=x', character 13: a stream port has no netns; it is for tap, netdev and macvtap ports",
  ],
  ['tap:tap0,mtu', "port 'tap:tap0,mtu', character 10: mtu needs a value: mtu=VALUE"],
  ['tap:tap0,mtu=67', "port 'tap:tap0,mtu=67', character 10: mtu is '67'; it must be a number from 68 to 65535"],
  ['tap:tap0,mtu=1e3', "port 'tap:tap0,mtu=1e3', character 10: mtu is '1e3'; it must be a number from 68 to 65535"],
  ['tap:tap0,mtu=', "port 'tap:tap0,mtu=', character 10: mtu is ''; it must be a number from 68 to 65535"],
  ['tap:tap0,mtu=1500,mtu=1400', "port 'tap:tap0,mtu=1500,mtu=1400', character 19: mtu is given twice"],
  ['tap:tap0,flood=maybe', "port 'tap:tap0,flood=maybe', character 10: flood is 'maybe'; it must be on or off"],
  ['tap:tap0,', "there is no key ''"],
  ['tap:tap0,name=', "name is ''; a name has 1 to 63 octets"],
  ['tap:tap0,name=a b', 'a name holds no space'],
  ['tap:tap0,name=-x', 'does not begin with a dash'],
  ['stream:/run/a b.sock', 'no port name can be made from /run/a b.sock: a name holds no space'],
  ['tap:tap0,netns=a/b', "netns is 'a/b'; it must be a name that `ip netns` shows, pid:N, or a path"],
  ['tap:tap0,netns=pid:x', 'it must be a name that `ip netns` shows'],
  ['tap:tap0,netns=..', 'it must be a name that `ip netns` shows'],
  ['tap:tap0,mac=52:54', "mac is '52:54'; write it as 52:54:00:12:34:56"],
  ['tap:tap0,mac=01:00:5e:00:00:01', 'that is not the address of one station'],
  ['tap:tap0,mac=00:00:00:00:00:00', 'that is not the address of one station'],
  ['tap:tap0,address=10.0.0.1', 'write an address with its prefix length, such as 192.168.122.1/24'],
  ['tap:tap0,address=10.0.0.1/33', 'write an address with its prefix length'],
  ['tap:tap0,address=10.0.0/8', 'write an address with its prefix length'],
  ['tap:tap0,address=10.0.0.1/8/9', 'write an address with its prefix length'],
  ['tap:tap0,group_fwd_mask=0x10000', 'it must be a number from 0 to 65535'],
  ['tap:tap0,group_fwd_mask=2', 'bit 1 cannot be set: PAUSE frames are never relayed'],
  ['stream:a,mode=0880', 'write three octal digits, such as 0660'],
  ['stream:a,mode=0660,connect', 'mode is for a socket that weft listens on'],
  ['netdev:a,shared,create', 'choose one'],
];

for (const [text, message] of REFUSED) {
  test(`refused: ${text}`, (t) => {
    const error = t.throws(() => parsePortSpec(text), { instanceOf: SpecError });
    t.true(error.message.includes(message), error.message);
  });
}

test('an entry of a YAML file says the same', (t) => {
  t.deepEqual(specFromObject({ tap: 'tap0', name: 'x', learning: false, mtu: 1400, group_fwd_mask: 0x4000 }), {
    kind: 'tap',
    target: 'tap0',
    name: 'x',
    settings: { learning: false, mtu: 1400, group_fwd_mask: 0x4000 },
  });
  t.deepEqual(specFromObject({ connect: true, stream: '/run/a,b.sock', name: 'ab' }), {
    kind: 'stream',
    target: '/run/a,b.sock',
    name: 'ab',
    connect: true,
    settings: {},
  });
  t.is(specFromObject({ fd: 5 }).target, '5');
  t.is(specFromObject({ stream: 'a', mode: '0600' }).mode, 0o600);
  t.is(specFromObject({ stream: 'a', connect: 'off' }).connect, false);
});

const REFUSED_ENTRIES: [entry: Record<string, unknown>, key: string | undefined, message: string][] = [
  [
    {},
    undefined,
    'the port has no kind: give it one of tap, netdev, macvtap, stream, dgram and fd with its target, such as {tap: tap0}',
  ],
  [{ name: 'x', mtu: 1500 }, undefined, 'the port has no kind'],
  [{ steram: 'a.sock', name: 'x' }, 'steram', "there is no kind of port 'steram'; did you mean stream?"],
  [
    { 'vhost-user': 'a.sock' },
    'vhost-user',
    'weft has no vhost-user ports yet; there are tap, netdev, macvtap, stream, dgram and fd',
  ],
  [{ tap: 'tap0', netdev: 'eth0' }, 'netdev', 'a port has one kind, not tap and netdev'],
  [{ tap: null }, 'tap', 'tap must be a text, a number, or true or false'],
  [{ tap: 'tap0', name: ['x'] }, 'name', 'name must be a text, a number, or true or false'],
  [{ tap: 'tap0', mtu: 1500.5 }, 'mtu', "mtu is '1500.5'; it must be a number from 68 to 65535"],
  [{ tap: 'tap0', lerning: false }, 'lerning', "there is no key 'lerning'; did you mean learning?"],
  [{ stream: 'a', mode: 0o660 }, 'mode', "write mode as text in quotes, such as '0660'"],
];

for (const [entry, key, message] of REFUSED_ENTRIES) {
  test(`refused: ${JSON.stringify(entry)}`, (t) => {
    const error = t.throws(() => specFromObject(entry), { instanceOf: SpecError });
    t.true(error.message.includes(message), error.message);
    t.is(error.key, key);
  });
}

test('settings of a port that runs are the same, without what it was made from', (t) => {
  t.deepEqual(parsePortSettings(['learning=off', 'isolated', 'mtu=1400']), { learning: false, isolated: true, mtu: 1400 });
  t.deepEqual(parsePortSettings([]), {});
  t.throws(() => parsePortSettings(['name=x']), { message: /^a port that runs has no setting 'name'; there are mtu, learning/ });
  t.throws(() => parsePortSettings(['hairpn=on']), { message: /did you mean hairpin\?$/ });
  t.throws(() => parsePortSettings(['flood=x']), { message: "flood is 'x'; it must be on or off" });
});
