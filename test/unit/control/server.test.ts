// The control socket: what it answers, and that nothing written to it harms the switch behind it.

import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ControlClient, callSwitch } from '../../../src/control/client.ts';
import { ControlError } from '../../../src/control/errors.ts';
import type { EventJson } from '../../../src/control/protocol.ts';
import { ControlServer } from '../../../src/control/server.ts';
import { BridgeSwitch } from '../../support/bridge-switch.ts';

interface Setup {
  sw: BridgeSwitch;
  server: ControlServer;
  socketPath: string;
  dir: string;
  log: string[];
  stops: { count: number };
}

async function setup(t: ExecutionContext): Promise<Setup> {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'weft-control-'));
  const socketPath = path.join(dir, 'br0.sock');
  const sw = new BridgeSwitch('br0');
  const log: string[] = [];
  const stops = { count: 0 };
  const context = { switch: sw, setup: { host: null, uplink: null }, onStop: () => void stops.count++ };
  const server = await ControlServer.listen(socketPath, context, (level, message) => log.push(`${level} ${message}`));
  t.teardown(async () => {
    await server.close();
    rmSync(dir, { recursive: true });
  });
  return { sw, server, socketPath, dir, log, stops };
}

const tap = (name: string) => ({ spec: { kind: 'tap' as const, target: name, name, settings: {} } });

/** Writes octets, hangs up, and returns the lines that came back. */
async function converse(
  socketPath: string,
  ...writes: (string | Buffer)[]
): Promise<{ id: unknown; result?: unknown; error?: { message: string; code: string } }[]> {
  const socket = net.connect(socketPath);
  let text = '';
  socket.on('data', (data) => {
    text += data;
  });
  // A server that closes early resets the writes that come after; what it said first counts.
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const octets of writes) socket.write(octets);
  socket.end();
  await closed;
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

async function stillServes(t: ExecutionContext, { socketPath }: Setup): Promise<void> {
  t.is((await callSwitch(socketPath, 'show', {})).name, 'br0');
}

test('every method', async (t) => {
  const { sw, socketPath } = await setup(t);
  const client = await ControlClient.connect(socketPath);
  t.teardown(() => client.close());
  const added = await client.call('port_add', tap('tap0'));
  t.like(added, {
    ifname: 'tap0',
    port_no: 1,
    link: 'up',
    state: 'forwarding',
    role: null,
    path_cost: null,
    priority: null,
    drops: {},
  });
  await client.call('port_add', tap('tap1'));
  t.deepEqual(
    (await client.call('ports', {})).map(({ ifname }) => ifname),
    ['tap0', 'tap1'],
  );
  t.like(await client.call('port_set', { name: 'tap1', settings: { isolated: true, mtu: 9000 } }), { mtu: 9000 });
  t.true((await client.call('ports', {}))[1]?.settings.isolated);

  await client.call('fdb_add', { mac: '52:54:00:00:00:01', port: 'tap0', static: true });
  await client.call('fdb_add', { mac: '52:54:00:00:00:02', port: 'tap1', static: false });
  sw.now += 5000;
  t.deepEqual(await client.call('fdb', {}), [
    { mac: '52:54:00:00:00:01', ifname: 'tap0', state: 'static', age_s: 0, flags: [] },
    { mac: '52:54:00:00:00:02', ifname: 'tap1', state: 'dynamic', age_s: 5, flags: [] },
  ]);
  await client.call('fdb_flush', { port: 'tap1' });
  await client.call('fdb_del', { mac: '52:54:00:00:00:01' });
  t.deepEqual(await client.call('fdb', {}), []);
  await client.call('fdb_flush', {});

  t.deepEqual(await client.call('drops', {}), []);
  t.like(await client.call('stats', {}), { now_ms: 5000, switch: { rx_frames: 0, drops: 0 } });
  await client.call('port_del', { name: 'tap0' });
  t.like(await client.call('show', {}), {
    name: 'br0',
    stp: 'off',
    ports: { count: 1, up: 1 },
    host: null,
    uplink: null,
    imbalances: [],
  });
});

test('what the switch refuses comes back as its sentence', async (t) => {
  const { socketPath } = await setup(t);
  await t.throwsAsync(callSwitch(socketPath, 'port_del', { name: 'nope' }), {
    instanceOf: ControlError,
    message: 'br0 has no port named nope',
  });
  await t.throwsAsync(callSwitch(socketPath, 'fdb_del', { mac: 'x' }), { message: /'x' is not a MAC address/ });
  await t.throwsAsync(callSwitch(socketPath, 'port_add', { spec: { kind: 'fd', target: '3', name: 'fd3', settings: {} } }), {
    message: /weft run --port/,
  });
});

test("the socket is its owner's only", async (t) => {
  const { socketPath } = await setup(t);
  t.is(statSync(socketPath).mode & 0o777, 0o600);
});

test('a request in pieces, several in one piece, and one without a line end', async (t) => {
  const { socketPath } = await setup(t);
  const socket = net.connect(socketPath);
  socket.write('{"id": 1, "met');
  await once(socket, 'connect');
  socket.end('hod": "ports"}\n\n{"id": "b", "method": "fdb", "params": {}}\n{"id": 3, "method": "ports"}');
  let text = '';
  for await (const data of socket) text += data;
  t.is(text, '{"id":1,"result":[]}\n{"id":"b","result":[]}\n');
});

const GARBAGE: readonly (readonly [what: string, octets: string | Buffer])[] = [
  ['text', 'hello\n'],
  ['binary', Buffer.from([...Array(255).keys(), 10])],
  ['broken UTF-8 in JSON', Buffer.concat([Buffer.from('{"id":1,"method":"'), Buffer.from([0xff, 0xc0]), Buffer.from('"}\n')])],
  ['a request of HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['half an object', '{"id": 1,\n'],
  ['another type', '[1, 2, 3]\n'],
  ['null', 'null\n'],
  ['no method', '{"id": 1}\n'],
  ['a huge id', '{"id": 1e300, "method": "ports"}\n'],
  ['a number with a million digits', `{"id": ${'9'.repeat(1_000_000)}, "method": "ports"}\n`],
  ['deep nesting', `${'['.repeat(500_000)}${']'.repeat(500_000)}\n`],
  ['a key too many', '{"id": 1, "method": "ports", "jsonrpc": "2.0"}\n'],
  ['a line that is too long', `${'x'.repeat((1 << 20) + 1)}\n`],
  ['a line that never ends', Buffer.alloc(4 << 20, 'x')],
];

for (const [what, octets] of GARBAGE) {
  test(`garbage: ${what}`, async (t) => {
    const all = await setup(t);
    const answers = await converse(all.socketPath, octets);
    t.is(answers.length, 1);
    t.is(answers[0]?.id, null);
    t.is(answers[0]?.error?.code, 'bad_request');
    t.true((answers[0]?.error?.message.length ?? 0) < 400);
    await stillServes(t, all);
    t.deepEqual(all.log, []);
  });
}

test('a request that is wrong in itself is answered, and the next one too', async (t) => {
  const { socketPath } = await setup(t);
  const requests = [
    { id: 1, method: 'launch' },
    { id: 2, method: 'toString' },
    { id: 3, method: '__proto__' },
    { id: 4, method: 'port_del' },
    { id: 5, method: 'port_del', params: { name: 7 } },
    { id: 6, method: 'port_del', params: { name: 'x', force: true } },
    { id: 7, method: 'port_add', params: { spec: { kind: 'usb', target: 'x', name: 'x', settings: {} } } },
    { id: 8, method: 'port_set', params: { name: 'x', settings: { mtu: 1.5 } } },
    { id: 9, method: 'port_add', params: { spec: { kind: 'tap', target: 'x', name: 'x\x1b[31m', settings: {} } } },
    { id: 10, method: 'ports' },
  ];
  const answers = await converse(socketPath, ...requests.map((request) => `${JSON.stringify(request)}\n`));
  t.deepEqual(
    answers.map(({ id, error }) => [id, error?.code]),
    [
      [1, 'unknown_method'],
      [2, 'unknown_method'],
      [3, 'unknown_method'],
      [4, 'bad_params'],
      [5, 'bad_params'],
      [6, 'bad_params'],
      [7, 'bad_params'],
      [8, 'bad_params'],
      [9, 'bad_params'],
      [10, undefined],
    ],
  );
});

test('a fault inside a method is answered, logged, and ends nothing', async (t) => {
  const all = await setup(t);
  all.sw.fdb = () => Promise.reject(new TypeError('x is not a function'));
  await t.throwsAsync(callSwitch(all.socketPath, 'fdb', {}), { message: /a fault of weft \(x is not a function\)/ });
  t.is(all.log.length, 1);
  await stillServes(t, all);
});

test('clients are bounded; one too many is told so, and others can come when some have gone', async (t) => {
  const all = await setup(t);
  const clients = await Promise.all(Array.from({ length: 64 }, () => ControlClient.connect(all.socketPath)));
  await Promise.all(clients.map((client) => client.call('ports', {})));
  await t.throwsAsync(callSwitch(all.socketPath, 'ports', {}), {
    instanceOf: ControlError,
    message: /br0 serves 64 clients already/,
  });
  const [first] = clients;
  t.is((await first?.call('show', {}))?.name, 'br0');
  for (const client of clients) client.close();
  await Promise.all(clients.map((client) => client.closed()));
  let error: unknown = new Error('not tried');
  for (const deadline = performance.now() + 10_000; error !== undefined && performance.now() < deadline; ) {
    error = await callSwitch(all.socketPath, 'ports', {}).then(
      () => undefined,
      (caught) => caught,
    );
  }
  t.is(error, undefined);
});

test('a client that does not read its answers is not read from either', async (t) => {
  const all = await setup(t);
  for (let i = 0; i < 200; i++) await all.sw.addPort(tap(`port${i}`).spec);
  let calls = 0;
  const { view } = all.sw;
  all.sw.view = () => {
    calls++;
    return view();
  };
  const socket = net.connect(all.socketPath);
  await once(socket, 'connect');
  socket.pause();
  for (let i = 0; i < 2000; i++) socket.write(`{"id": ${i}, "method": "ports"}\n`);
  // Each answer is some 100 KB and a socket holds a few of them, so the server has to stop by itself.
  let before = -1;
  while (calls !== before) {
    before = calls;
    await stillServes(t, all);
    await new Promise((resolve) => setTimeout(resolve, 100));
    calls--;
  }
  t.true(calls < 100, `${calls} answers were made for a client that reads none`);
  socket.destroy();
});

test('events: what happens, in order, to everybody who asked', async (t) => {
  const { sw, socketPath } = await setup(t);
  const client = await ControlClient.connect(socketPath);
  t.teardown(() => client.close());
  const events: EventJson[] = [];
  await client.events((event) => events.push(event));
  await client.events((event) => events.push(event));
  t.is(sw.listeners.size, 1);
  await client.call('port_add', tap('tap0'));
  sw.emit({ type: 'port_down', port: 'tap0', reason: 'no carrier' });
  await client.call('port_del', { name: 'tap0' });
  t.deepEqual(events, [
    { type: 'port_added', port: 'tap0' },
    { type: 'port_down', port: 'tap0', reason: 'no carrier' },
    { type: 'port_removed', port: 'tap0' },
  ]);
});

test('events for a reader that stalls are bounded, and reported as lost when it reads again', async (t) => {
  const { sw, socketPath } = await setup(t);
  const socket = net.connect(socketPath);
  socket.write('{"id": 1, "method": "events"}\n');
  await once(socket, 'readable');
  socket.pause();
  const sent = 50_000;
  for (let i = 0; i < sent; i++) sw.emit({ type: 'port_down', port: 'tap0', reason: 'x'.repeat(100) });
  let received = 0;
  let lost = 0;
  let text = '';
  for await (const data of socket) {
    const lines = (text + data).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const { event } = JSON.parse(line) as { event?: EventJson };
      if (event?.type === 'lost') lost = event.count;
      else if (event !== undefined) received++;
    }
    if (lost > 0) break;
  }
  t.true(received < sent / 2);
  t.is(received + lost, sent);
  for (const deadline = performance.now() + 10_000; sw.listeners.size > 0 && performance.now() < deadline; ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  t.is(sw.listeners.size, 0);
});

/** Waits until the switch has the ports named. */
async function untilPorts(t: ExecutionContext, sw: BridgeSwitch, ...names: string[]): Promise<void> {
  const namesNow = async () => (await sw.view()).ports.map((port) => port.name);
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; ) {
    if ((await namesNow()).join() === names.join()) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  t.deepEqual(await namesNow(), names);
}

test('a leased port goes with the connection that added it, and only then', async (t) => {
  const { sw, socketPath } = await setup(t);
  await callSwitch(socketPath, 'port_add', tap('stays'));
  const client = await ControlClient.connect(socketPath);
  await client.call('port_add', { ...tap('leased'), lease: true });
  await client.call('port_add', { ...tap('given-back'), lease: true });
  await client.call('port_add', tap('free'));
  await callSwitch(socketPath, 'port_del', { name: 'given-back' });
  await callSwitch(socketPath, 'port_add', tap('given-back'));
  await untilPorts(t, sw, 'stays', 'leased', 'given-back', 'free');
  client.close();
  await untilPorts(t, sw, 'stays', 'given-back', 'free');
});

test('a lease ends also when its client goes while the port is being added', async (t) => {
  const { sw, socketPath } = await setup(t);
  const { addPort } = sw;
  let client: ControlClient | undefined;
  sw.addPort = async (spec) => {
    client?.close();
    await client?.closed();
    // The switch answers this after it has seen the other connection end.
    await callSwitch(socketPath, 'show', {});
    await addPort(spec);
    t.is((await sw.view()).ports.length, 1);
  };
  client = await ControlClient.connect(socketPath);
  await t.throwsAsync(client.call('port_add', { ...tap('leased'), lease: true }), { message: 'the connection was closed' });
  const removed = new Promise((resolve) => sw.subscribe(({ type }) => type === 'port_removed' && resolve(true)));
  t.true(await removed);
  await untilPorts(t, sw);
});

test("clients that keep a port take nobody else's place", async (t) => {
  const { sw, socketPath } = await setup(t);
  const clients: ControlClient[] = [];
  for (let n = 0; n < 70; n++) {
    const client = await ControlClient.connect(socketPath);
    clients.push(client);
    await client.call('port_add', { ...tap(`vm${n}`), lease: true });
  }
  t.is((await sw.view()).ports.length, 70);
  for (const client of clients) client.close();
  await untilPorts(t, sw);
});

test('stop is answered before anything ends', async (t) => {
  const { socketPath, stops } = await setup(t);
  t.is(await callSwitch(socketPath, 'stop', {}), null);
  t.is(stops.count, 1);
});

test('closing hangs up on clients and removes the socket', async (t) => {
  const { server, socketPath, dir } = await setup(t);
  const client = await ControlClient.connect(socketPath);
  await client.call('ports', {});
  await server.close();
  await client.closed();
  await t.throwsAsync(client.call('ports', {}), { instanceOf: ControlError, message: /switch br0 closed the connection/ });
  t.deepEqual(readdirSync(dir), []);
});

test('a socket somebody listens on is not taken away', async (t) => {
  const { socketPath, sw } = await setup(t);
  const context = { switch: sw, setup: { host: null, uplink: null }, onStop: () => {} };
  await t.throwsAsync(
    ControlServer.listen(socketPath, context, () => {}),
    { instanceOf: ControlError, message: /already listens/ },
  );
  t.is((await callSwitch(socketPath, 'show', {})).name, 'br0');
});

test('a switch that does not answer is told from one that does', async (t) => {
  const { sw, socketPath } = await setup(t);
  sw.view = () => new Promise(() => {});
  const client = await ControlClient.connect(socketPath);
  await t.throwsAsync(client.call('show', {}, 200), {
    instanceOf: ControlError,
    message: 'switch br0 did not answer within 0.2 s; it hangs or is overloaded: look at its log',
  });
});

test('something else than a switch behind the socket', async (t) => {
  const { dir } = await setup(t);
  const other = net.createServer((socket) => socket.end('220 mail.example ESMTP\r\n')).listen(path.join(dir, 'mail.sock'));
  t.teardown(() => other.close());
  await once(other, 'listening');
  await t.throwsAsync(callSwitch(path.join(dir, 'mail.sock'), 'show', {}), {
    instanceOf: ControlError,
    message: /does not speak weft's protocol/,
  });
});
