// Frames that a port took from its device beyond what one batch holds: no event announces them, and
// the loop serves them all the same.

import test, { type ExecutionContext } from 'ava';
import { Bridge } from '../../../src/bridge/bridge.ts';
import { BACKEND_SIZE, closeBackend, openBackend } from '../../../src/loop/backend.ts';
import type { IoChoice } from '../../../src/loop/io-choice.ts';
import { SwitchLoop } from '../../../src/loop/switch-loop.ts';
import { openPort, PORT_RESOURCES_SIZE, portResources } from '../../../src/ports/open-port.ts';
import { RECEIVE_FRAMES_MAX } from '../../../src/ports/port.ts';
import { Arena } from '../../../src/sys/arena.ts';
import { framed, SocketPair } from '../../support/socket-pair.ts';

const COUNT = 500;

for (const io of ['epoll', 'io_uring'] as const) {
  test(`a chunk of many frames is relayed without a further event, and then the loop sleeps again (${io})`, chunk, io);
}

function chunk(t: ExecutionContext, io: IoChoice): void {
  const arena = new Arena(BACKEND_SIZE + PORT_RESOURCES_SIZE);
  const backend = openBackend(io, arena);
  const resources = portResources(arena, backend.ring);
  const faults: string[] = [];
  const loop = new SwitchLoop(
    new Bridge({ name: 'br', salt: 1 }),
    backend.readiness,
    (portNo, attachment) => openPort(portNo, attachment, resources),
    (portNo, fault) => faults.push(`${portNo} ${fault}`),
  );
  const pairs = [new SocketPair(), new SocketPair()];
  for (const [k, pair] of pairs.entries()) {
    const portNo = k + 1;
    loop.bridge.apply({ type: 'port_add', portNo, name: `p${portNo}`, kind: 'stream', target: '' }, 0);
    loop.attach(portNo, { io: 'stream', fd: pair.fd, caps: 0 });
    loop.bridge.apply({ type: 'port_link', portNo, up: true }, 0);
  }
  const [from, to] = pairs as [SocketPair, SocketPair];
  const frame = Buffer.alloc(60, 0x11);
  frame.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0, 0, 1]);
  const stream = framed(...Array.from({ length: COUNT }, () => frame));
  t.is(from.send(stream), stream.length);

  for (let turns = 0; turns < Math.ceil(COUNT / RECEIVE_FRAMES_MAX); turns++) loop.turn();
  t.deepEqual(to.read(), stream);
  const { wakeups } = loop.snapshot();
  t.true(wakeups < Math.ceil(COUNT / RECEIVE_FRAMES_MAX), 'not every turn had an event');
  t.deepEqual(loop.snapshot().imbalances, []);

  // A port that goes with a backlog takes it along.
  t.is(from.send(stream), stream.length);
  loop.turn();
  loop.detach(1);
  loop.turn();
  t.is(to.read().length, (RECEIVE_FRAMES_MAX * stream.length) / COUNT);
  t.deepEqual(faults, []);
  loop.detach(2);
  closeBackend(backend);
  for (const pair of pairs) pair.close();
}
