// The two ends of a guest's cable, and what the guests of a configuration come to.

import test from 'ava';
import { guestPort } from '../../../src/launch/guest-port.ts';
import { planLab } from '../../../src/launch/lab.ts';
import { qemuArgs } from '../../../src/launch/qemu-args.ts';

const NEW = { major: 7, minor: 2, text: '7.2' };
const OLD = { major: 7, minor: 1, text: '7.1' };
const PLACE = { runDir: '/run/weft', switchName: 'br0' };

test('a stream: weft listens in the run directory, QEMU is given the path', (t) => {
  const expected = {
    spec: { kind: 'stream', target: 'br0-vm1.stream', name: 'vm1', settings: {} },
    link: { via: 'stream', socketPath: '/run/weft/br0-vm1.stream' },
  } as const;
  t.deepEqual(guestPort('vm1', 'stream', NEW, PLACE), expected);
  t.deepEqual(guestPort('vm1', 'auto', NEW, PLACE), expected);
});

test('a dgram: a path for each end in the run directory', (t) => {
  t.deepEqual(guestPort('vm1', 'dgram', NEW, PLACE), {
    spec: { kind: 'dgram', target: 'br0-vm1.dgram:br0-vm1.dgram-guest', name: 'vm1', settings: {} },
    link: { via: 'dgram', switchPath: '/run/weft/br0-vm1.dgram', guestPath: '/run/weft/br0-vm1.dgram-guest' },
  });
});

test('a tap: the port makes what QEMU opens by name', (t) => {
  const expected = {
    spec: { kind: 'netdev', target: 'vm1', name: 'vm1', create: true, settings: {} },
    link: { via: 'tap', ifname: 'vm1' },
  } as const;
  t.deepEqual(guestPort('vm1', 'tap', NEW, PLACE), expected);
  t.deepEqual(guestPort('vm1', 'auto', OLD, PLACE), expected, 'an older QEMU has no streams');
});

test('names that cannot be', (t) => {
  const tooLong = 'a-name-of-sixteen';
  t.throws(() => guestPort(tooLong, 'tap', NEW, PLACE), { name: 'LaunchError', message: /choose a shorter name/ });
  t.notThrows(() => guestPort(tooLong, 'stream', NEW, PLACE));
  for (const name of ['', 'a b', '-x', 'a/b', '../etc', 'ä']) {
    t.throws(() => guestPort(name, 'stream', NEW, PLACE), { name: 'LaunchError', message: /cannot be the name of a guest/ });
  }
});

for (const via of ['stream', 'dgram'] as const) {
  test(`a ${via} that is asked for is not had from an older QEMU`, (t) => {
    const { link } = guestPort('vm1', via, OLD, PLACE);
    const machine = {
      name: 'vm1',
      mac: '52:54:00:00:00:01',
      model: 'e1000',
      link,
      accel: 'tcg',
      memoryMb: 64,
      qemu: [],
    } as const;
    const message = new RegExp(`no "-netdev ${via}", which came with 7\\.2: .* --via tap`);
    t.throws(() => qemuArgs(machine, OLD), { name: 'LaunchError', message });
  });
}

test('the guests of a configuration', (t) => {
  const plan = planLab(
    [
      { name: 'vm1', mac: '52:54:00:00:00:01', memory_mb: 128, qemu: ['-nographic'] },
      { name: 'vm2', port: 'tap2', via: 'tap', model: 'e1000' },
    ],
    NEW,
    PLACE,
  );
  t.deepEqual(
    plan.ports.map(({ kind, target, name }) => [kind, target, name]),
    [
      ['stream', 'br0-vm1.stream', 'vm1'],
      ['netdev', 'tap2', 'tap2'],
    ],
  );
  t.deepEqual(plan.guests, [
    {
      name: 'vm1',
      link: { via: 'stream', socketPath: '/run/weft/br0-vm1.stream' },
      mac: '52:54:00:00:00:01',
      memoryMb: 128,
      qemu: ['-nographic'],
    },
    { name: 'vm2', link: { via: 'tap', ifname: 'tap2' }, model: 'e1000' },
  ]);
});
