// Configuration files: what is read from a right one, and where a wrong one is said to be wrong.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import { parseConfig, readConfigFile } from '../../../src/control/config.ts';
import { parseFdbSize, parseHostOption, parseUplinkOption } from '../../../src/control/config-options.ts';
import { ConfigError, UsageError } from '../../../src/control/errors.ts';

test('everything a file may say', (t) => {
  const text = [
    'switch: br0',
    'stp: { mode: off }',
    'host: { ifname: br0, address: 192.168.122.1/24 }',
    'uplink: { ifname: eth0 }',
    'io: epoll',
    'settings: { ageing_time_s: 0, group_fwd_mask: 0x4000, fdb_max_learned: 100, fdb_size: 1024 }',
    'ports:',
    '  - tap: tap0',
    '    isolated: on',
    '    mtu: 9000',
    '  - { stream: vm1.sock, name: guest1 }',
    'guests:',
    '  - name: vm1',
    '    mac: 52:54:00:00:00:01',
    '    model: virtio-net-pci',
    '    qemu: [-m, 512, -nographic]',
  ].join('\n');
  t.deepEqual(parseConfig(text, 'lab.yaml'), {
    name: 'br0',
    host: { ifname: 'br0', address: '192.168.122.1/24' },
    uplink: { ifname: 'eth0' },
    settings: { ageing_time_s: 0, group_fwd_mask: 0x4000, fdb_max_learned: 100 },
    fdbSize: 1024,
    io: 'epoll',
    ports: [
      { kind: 'tap', target: 'tap0', name: 'tap0', settings: { isolated: true, mtu: 9000 } },
      { kind: 'stream', target: 'vm1.sock', name: 'guest1', settings: {} },
    ],
    guests: [{ name: 'vm1', mac: '52:54:00:00:00:01', model: 'virtio-net-pci', qemu: ['-m', '512', '-nographic'] }],
  });
  t.deepEqual(parseConfig('', 'empty.yaml'), { ports: [], settings: {}, guests: [] });
});

test('a file that is made to be large is refused in few words, and says nothing besides', (t) => {
  t.throws(() => parseConfig(`ports: ${'['.repeat(5000)}${']'.repeat(5000)}`, 'f'), {
    instanceOf: ConfigError,
    message: /^f:1:\d+: lists or mappings are nested too deeply here$/,
  });
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [i, key] of [...'bcdefghi'].entries()) bomb.push(`${key}: &${key} [${`*${'abcdefgh'[i]}, `.repeat(9)}]`);
  t.throws(() => parseConfig(bomb.join('\n'), 'f'), {
    instanceOf: ConfigError,
    message: 'f: its aliases (*name) multiply to more than a configuration needs',
  });
  const warned: unknown[] = [];
  const emitWarning = process.emitWarning;
  process.emitWarning = ((warning: unknown) => void warned.push(warning)) as typeof process.emitWarning;
  t.teardown(() => {
    process.emitWarning = emitWarning;
  });
  t.throws(() => parseConfig('? [a, b]\n: c', 'f'), { instanceOf: ConfigError, message: /^f:1:1: there is no key/ });
  t.deepEqual(warned, []);
});

const WRONG: readonly (readonly [text: string, message: string])[] = [
  ['switch: br0\nprots: []', "f:2:1: there is no key 'prots'; did you mean ports?"],
  ['host: { ifname: br0, adress: 1.2.3.4/24 }', "f:1:22: there is no key 'adress'; did you mean address?"],
  ['host: { xyzzy: 1 }', "f:1:9: there is no key 'xyzzy'; there are ifname, address"],
  ['settings:\n  ageing_time: 3', "f:2:3: there is no key 'ageing_time'; did you mean ageing_time_s?"],
  ['guests:\n  - name: a\n  - nam: b', "f:3:5: there is no key 'nam'; did you mean name?"],
  ['guests:\n  - mac: x', 'f:2:5: name of guests entry 1 is missing'],
  [
    'host: { ifname: br0, address: 1.2.3.4 }',
    'f:1:31: address of host: write an address with its prefix length, such as 192.168.122.1/24',
  ],
  [
    'host: { ifname: br0, address: 1.2.3.4/33 }',
    'f:1:31: address of host: write an address with its prefix length, such as 192.168.122.1/24',
  ],
  [
    'uplink: { ifname: much-too-long-a-name }',
    'f:1:19: ifname of uplink: an interface name has 1 to 15 octets, no slash, colon, per cent sign or space',
  ],
  ['ports:\n  - tap: tap0\n    isolatd: on', "f:3:5: there is no key 'isolatd'; did you mean isolated?"],
  ['ports:\n  - tap: tap0\n  - tap: tap1\n    mtu: many', "f:4:5: mtu is 'many'; it must be a number from 68 to 65535"],
  ['ports:\n  - tapp: tap0', "f:2:5: there is no kind of port 'tapp'; did you mean tap?"],
  ['ports: { tap: x }', 'f:1:8: ports: it must be a list'],
  ['ports: [tap0]', 'f:1:9: ports entry 1: it must be a mapping with keys, such as {tap: tap0}'],
  ['settings: { ageing_time_s: -1 }', 'f:1:28: ageing_time_s of settings: it must be 0 or more'],
  ['settings: { fdb_size: 1.5 }', 'f:1:23: fdb_size of settings: it must be a whole number'],
  ['switch: 12', 'f:1:9: switch: it must be a text (put digits and words like yes in quotes)'],
  ['stp:\n  mode: rstp', 'f:2:9: spanning tree (rstp) is not there yet; use off, and let no cable or port make a loop'],
  ['stp: { mode: fast }', "f:1:14: 'fast' is no spanning tree mode; it is off, stp or rstp"],
  ['a: 1\na: 2', 'f:2:1: Map keys must be unique'],
  ['- list', 'f:1:1: the file: it must be a mapping with keys'],
];

for (const [text, message] of WRONG) {
  test(`refused: ${JSON.stringify(text)}`, (t) => {
    t.throws(() => parseConfig(text, 'f'), { instanceOf: ConfigError, message });
  });
}

test('a file full of aliases is refused and not unfolded', (t) => {
  const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(', ')}]`);
  t.throws(() => parseConfig(['l0: &l0 x', ...levels].join('\n'), 'f'), { instanceOf: ConfigError });
});

test('a file that is not there, or is no YAML, is named', (t) => {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'weft-config-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const file = path.join(dir, 'lab.yaml');
  t.throws(() => readConfigFile(file), { instanceOf: ConfigError, message: new RegExp(`${file} \\(ENOENT\\)`) });
  writeFileSync(file, 'a: [1');
  t.throws(() => readConfigFile(file), { instanceOf: ConfigError, message: new RegExp(`^${file}:1:`) });
  writeFileSync(file, Buffer.from([0, 255, 254, 1]));
  t.throws(() => readConfigFile(file), { instanceOf: ConfigError });
});

test('options of the command line', (t) => {
  t.deepEqual(parseHostOption('br0'), { ifname: 'br0' });
  t.deepEqual(parseHostOption('br0,fd00::1/64'), { ifname: 'br0', address: 'fd00::1/64' });
  t.deepEqual(parseUplinkOption('eth0'), { ifname: 'eth0' });
  t.is(parseFdbSize('1024'), 1024);
  for (const wrong of ['', 'br0,1.2.3.4', 'br0,1.2.3.4/24,x', 'a/b'])
    t.throws(() => parseHostOption(wrong), { instanceOf: UsageError });
  for (const wrong of ['', 'eth0,takeover', 'eth0,x']) t.throws(() => parseUplinkOption(wrong), { instanceOf: UsageError });
  for (const wrong of ['', '0', '1e3', '99999999999']) t.throws(() => parseFdbSize(wrong), { instanceOf: UsageError });
});
