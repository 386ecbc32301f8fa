// Nobody waits for a receiver that has stopped reading: guests that hang, on a stream and
// on datagrams, and a stopped process that holds a tap. What the others send each other all arrives, the switch drops what does
// not fit at that one port and says so, its memory stays bounded, and who reads again hears again.

import '../../support/sandbox.ts';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { PortJson } from '../../../src/control/json.ts';
import { QUEUE_FRAMES_MAX } from '../../../src/ports/stream-queue.ts';
import { openPacketSocket, PACKET_VNET_HDR_SIZE } from '../../../src/sys/packet-socket.ts';
import { getLink } from '../../../src/sys/rtnetlink.ts';
import { DatagramPeer } from '../../support/datagram-peer.ts';
import { FrameDevice } from '../../support/frame-device.ts';
import { testFrame } from '../../support/frames.ts';
import { addVeth, DEADLINE_MS, until } from '../../support/netns.ts';
import { quiet } from '../../support/real-ports.ts';
import { StreamGuest } from '../../support/stream-guest.ts';
import { startWeft, weftJson } from '../../support/weft-process.ts';

const ALL = 'ffffffffffff';
const SENDER = '0200000000a0';
const FRAME_LEN = 1514;
/** Sent before the next ones, once the others have all of them. */
const BURST = 64;
const BURSTS = 600;
/** 58 MB are sent to whoever does not read. */
const GROWTH_MAX_KB = 24 * 1024;

quiet('default');
addVeth('s0', 'p0');
const holder = spawn(
  'env',
  ['-u', 'NODE_OPTIONS', process.execPath, fileURLToPath(import.meta.resolve('../../support/hold-tap.js')), 'q0'],
  {
    stdio: ['pipe', 'pipe', 'inherit'],
  },
);
t.teardown(() => holder.kill('SIGKILL'));
let heldOutput = '';
holder.stdout?.on('data', (data) => {
  heldOutput += data;
});
await until('the tap to be held', () => heldOutput.includes('holding'));
const sw = await startWeft(
  ...['--switch', 'br0', '--port', 'netdev:p0', '--port', 'tap:t0', '--port', 'netdev:q0'],
  ...['--port', 'stream:hangs.sock', '--port', 'stream:reads.sock', '--port', 'dgram:mute.sock:mute.guest'],
);
const hangs = await StreamGuest.connect('/run/weft/hangs.sock');
const mute = new DatagramPeer('/run/weft/mute.guest', '/run/weft/mute.sock');
const heard: Buffer[] = [];
const reads = await StreamGuest.connect('/run/weft/reads.sock');
await until('all ports to be up', () => weftJson('show').ports.up === 6);
// As a second switch would be: it then has room for a burst, like the others.
if (mute.connect() < 0) throw new Error('the guest on datagrams cannot connect');
const sender = new FrameDevice(openPacketSocket({ ifindex: getLink('s0').ifindex }), PACKET_VNET_HDR_SIZE);
const tap = new FrameDevice(openPacketSocket({ ifindex: getLink('t0').ifindex }), PACKET_VNET_HDR_SIZE);

let sent = 0;
let isMute = false;

/** Frames that the guest on datagrams has read, with those it reads now. */
function heardFrames(): number {
  heard.push(...mute.receive());
  return heard.length;
}

/** Broadcasts numbered frames in bursts; throws unless the tap's station and the guest that reads get each of them, in order. */
async function broadcast(bursts: number): Promise<void> {
  for (let burst = 0; burst < bursts; burst++) {
    const frames = Array.from({ length: BURST }, () => {
      const frame = testFrame(ALL, SENDER, FRAME_LEN);
      frame.writeUInt32BE(++sent, 14);
      return frame;
    });
    for (const frame of frames) sender.send(frame);
    const byTap: Buffer[] = [];
    await until(`burst ${burst} to arrive`, () => {
      byTap.push(...tap.receiveAll());
      if (!isMute) heardFrames();
      return byTap.length >= BURST && reads.frames.length >= BURST;
    });
    for (const got of [byTap, reads.frames.splice(0)]) {
      if (got.length !== BURST || !got.every((frame, k) => frame.equals(frames[k] as Buffer))) {
        throw new Error(`burst ${burst} did not arrive as it was sent`);
      }
    }
  }
}

function residentKb(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${sw.pid}/status`, 'utf8'))?.[1]);
}

function portNamed(name: string): PortJson {
  return weftJson('ports').find(({ ifname }: PortJson) => ifname === name);
}

/** Frames that the holder of the tap has read. */
async function heldFrames(): Promise<number> {
  heldOutput = '';
  holder.stdin?.write('\n');
  await until('the holder of the tap to answer', () => heldOutput.includes('\n'));
  return Number(heldOutput);
}

/** Waits until the holder of the tap has read `count` frames. */
async function untilHeld(count: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while ((await heldFrames()) < count) {
    if (performance.now() > deadline) throw new Error(`the holder of the tap has read ${heldOutput.trim()} frames, not ${count}`);
  }
}

/** Frames that the tap's own queue has dropped, as the kernel counts them. */
function droppedByTap(): number {
  return Number(readFileSync('/sys/class/net/q0/statistics/tx_dropped', 'utf8'));
}

t.test('everyone reads: nothing is dropped anywhere', async (t) => {
  await broadcast(20);
  await until('the guests to have read all', () => hangs.frames.length === sent && heardFrames() === sent);
  await untilHeld(sent);
  t.equal(await heldFrames(), sent);
  for (const { ifname, drops } of weftJson('ports')) t.same(drops, {}, ifname);
  t.same(weftJson('show').imbalances, []);
});

t.test('three have stopped reading: the others do not notice', async (t) => {
  hangs.pause();
  isMute = true;
  holder.kill('SIGSTOP');
  await broadcast(20);
  const before = residentKb();
  await broadcast(BURSTS);
  const growth = residentKb() - before;
  t.ok(growth < GROWTH_MAX_KB, `its memory grew by ${growth} KiB`);

  for (const name of ['hangs', 'mute']) {
    const { drops, tx_frames } = portNamed(name);
    const { tx_full: dropped = 0, ...others } = drops;
    t.same(others, {}, name);
    t.ok(dropped > sent / 2, `${name}: ${dropped} of ${sent} did not fit`);
    const queued = sent - tx_frames - dropped;
    t.ok(queued > 0 && queued <= QUEUE_FRAMES_MAX, `${name}: ${queued} wait`);
  }
  // Behind a tap's interface the kernel has a queue and a counter of its own.
  t.ok(droppedByTap() > sent / 2);
  for (const name of ['p0', 't0', 'q0', 'reads']) t.same(portNamed(name).drops, {}, name);
  t.same(weftJson('show').imbalances, []);
});

t.test('who reads again hears again', async (t) => {
  const dropped = portNamed('hangs').drops['tx_full'] as number;
  const droppedByMute = portNamed('mute').drops['tx_full'] as number;
  hangs.resume();
  isMute = false;
  holder.kill('SIGCONT');
  await until('the guest to have read what waited', () => hangs.frames.length + dropped === sent);
  await until('the other one, too', () => heardFrames() + droppedByMute === sent);
  const droppedBefore = droppedByTap();
  await untilHeld(sent - droppedBefore);
  await broadcast(20);
  await until('the guest to have read all', () => hangs.frames.length + dropped === sent);
  await until('the other one, too', () => heardFrames() + droppedByMute === sent);
  t.equal(portNamed('hangs').drops['tx_full'], dropped);
  t.equal(portNamed('mute').drops['tx_full'], droppedByMute);
  for (const frames of [hangs.frames, heard]) {
    // Framing was kept: whole frames, in order, with a gap.
    t.ok(frames.every((frame) => frame.length === FRAME_LEN && frame.toString('hex', 0, 12) === `${ALL}${SENDER}`));
    const numbers = frames.map((frame) => frame.readUInt32BE(14));
    t.ok(numbers.every((number, k) => k === 0 || number > (numbers[k - 1] as number)));
    t.equal(numbers.at(-1), sent);
  }
  await untilHeld(sent - droppedBefore);
  t.equal((await heldFrames()) + droppedByTap(), sent);
  t.same(weftJson('show').imbalances, []);
});

t.test('and end', async (t) => {
  hangs.close();
  reads.close();
  mute.close();
  sender.close();
  tap.close();
  t.equal((await sw.end('SIGTERM')).status, 0);
  holder.kill('SIGKILL');
});
