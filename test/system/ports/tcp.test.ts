// Real TCP between two namespaces through ports: super-segments cross whole from tap to tap and from
// tap to packet socket, and a stream port that hears the same frames gets them cut, each with good
// checksums. The kernel's TCP is the judge of what its peers receive; a parser that shares nothing
// with src/wire judges the stream.

import '../../support/sandbox.ts';
import { type ChildProcess, spawn } from 'node:child_process';
import t from 'tap';
import { openPort } from '../../../src/ports/open-port.ts';
import type { Port } from '../../../src/ports/port.ts';
import { closeFd } from '../../../src/sys/fd.ts';
import { inNetns } from '../../../src/sys/netns.ts';
import { setSendBufferSize } from '../../../src/sys/socket.ts';
import { openTap } from '../../../src/sys/tap-device.ts';
import { inspectFrame } from '../../support/ip-frame.ts';
import { addNetns, addVeth, DEADLINE_MS, ip } from '../../support/netns.ts';
import { PortTransfer } from '../../support/port-transfer.ts';
import { KERNEL_CAPS, quiet, RealPorts } from '../../support/real-ports.ts';
import { SocketPair } from '../../support/socket-pair.ts';
import { testResources } from '../../support/test-resources.ts';

const resources = testResources();

const OCTETS = 8 << 20;
const DIGEST = "const hash=require('crypto').createHash('sha256');";
const SERVER = `${DIGEST}require('net').createServer(s=>{s.on('data',d=>hash.update(d));s.on('end',()=>{
  s.end(hash.digest('hex'));process.exitCode=0});s.on('close',()=>process.exit())}).listen(7000,'::',()=>console.log('ready'));`;
const CLIENT = `${DIGEST}const data=Buffer.alloc(${OCTETS});for(let i=0;i<data.length;i++)data[i]=i*7+(i>>8);
  const s=require('net').connect(7000,process.argv[1],()=>{hash.update(data);s.end(data)});let got='';s.on('data',d=>got+=d);
  s.on('end',()=>console.log(got===hash.digest('hex')?'same':'different'));`;

function inside(netns: string, script: string, ...args: string[]): ChildProcess & { output: string } {
  const command = ['netns', 'exec', netns, 'env', '-u', 'NODE_OPTIONS', process.execPath, '-e', script, ...args];
  const child = Object.assign(spawn('ip', command, { stdio: ['ignore', 'pipe', 'inherit'] }), { output: '' });
  child.stdout?.on('data', (data) => (child.output += data));
  return child;
}

/** Turns the ports, both ways, until `isDone`; `from` heard by `mirror` too. */
async function pump(
  transfer: PortTransfer,
  [a, b]: readonly [Port, Port],
  mirror: Port,
  read: () => void,
  isDone: () => boolean,
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!isDone()) {
    if (performance.now() > deadline) throw new Error('the connection does not come to its end');
    for (let k = 0; k < 50; k++) {
      transfer.turn(a, [b, mirror]);
      transfer.turn(b, [a]);
      read();
      if (mirror.wantsWrite) transfer.drain(mirror);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

interface Side {
  readonly netns: string;
  readonly port: Port;
  close(): void;
}

/** A tap inside a namespace of its own. */
function tapSide(address: string, portNo: number): Side {
  const netns = addNetns();
  const { fd } = inNetns(netns, () => openTap('eth0'));
  configure(netns, address);
  return { netns, port: openPort(portNo, { io: 'tap', fd, caps: KERNEL_CAPS }, resources), close: () => closeFd(fd) };
}

/** One end of a veth pair inside a namespace of its own, a packet socket on the other. */
async function packetSide(address: string, name: string): Promise<Side> {
  const netns = addNetns();
  const ports = new RealPorts(resources);
  addVeth(name, 'eth0', netns);
  quiet(name);
  configure(netns, address);
  return { netns, port: await ports.packet(name), close: () => ports.close() };
}

function configure(netns: string, address: string): void {
  ip(`-n ${netns} link set dev eth0 up`);
  ip(`-n ${netns} address add ${address}/24 dev eth0`);
}

let pairsMade = 0;
for (const kind of ['tap to tap', 'tap to packet socket', 'packet socket to tap'] as const) {
  t.test(`${kind}, heard by a stream`, async (t) => {
    const net = `10.9.${++pairsMade}`;
    const client = kind.startsWith('tap') ? tapSide(`${net}.1`, 11) : await packetSide(`${net}.1`, `p${pairsMade}`);
    const server = kind.endsWith('tap') ? tapSide(`${net}.2`, 12) : await packetSide(`${net}.2`, `p${pairsMade}`);
    const pair = new SocketPair();
    // Room for all that one turn can bring, so that the stream loses nothing and must have heard everything.
    setSendBufferSize(pair.fd, 4 << 20);
    const mirror = openPort(13, { io: 'stream', fd: pair.fd, caps: 0 }, resources);
    const transfer = new PortTransfer();

    // Takes the stream apart as it comes: every TCP frame must be whole, short and right.
    let rest = Buffer.alloc(0);
    let frames = 0;
    let longest = 0;
    let payloadLen = 0;
    const read = () => {
      const octets = pair.read();
      if (octets.length === 0) return;
      rest = Buffer.concat([rest, octets]);
      let at = 0;
      while (rest.length - at >= 4 && rest.length - at - 4 >= rest.readUInt32BE(at)) {
        const frame = rest.subarray(at + 4, at + 4 + rest.readUInt32BE(at));
        at += 4 + frame.length;
        longest = Math.max(longest, frame.length);
        frames++;
        if (frame.readUInt16BE(12) === 0x0800 && frame[23] === 6) payloadLen += inspectFrame(frame).payload.length;
      }
      rest = rest.subarray(at);
    };

    const ports = [client.port, server.port] as const;
    const listener = inside(server.netns, SERVER);
    await pump(transfer, ports, mirror, read, () => listener.output.includes('ready'));
    const dialer = inside(client.netns, CLIENT, `${net}.2`);
    await pump(transfer, ports, mirror, read, () => dialer.output !== '');
    t.equal(dialer.output.trim(), 'same');
    // The stream has heard all that the other one was given.
    await pump(transfer, ports, mirror, read, () => transfer.account(mirror).queued === 0);
    read();
    const account = transfer.account(mirror);
    t.equal(account.given, transfer.account(server.port).given);
    t.equal(transfer.account(server.port).sent, account.given, 'nothing is lost on the way to the server');
    t.ok(account.sentBytes / account.sent > 4000, `super-segments: ${account.sent} frames of ${account.sentBytes} octets`);
    t.equal(rest.length, 0, 'the stream ends behind a frame');
    t.ok(longest <= 1514, `the longest frame on the stream has ${longest} octets`);
    t.ok(frames > account.sent);
    t.equal(account.sent, account.given);
    t.ok(payloadLen >= OCTETS, `${payloadLen} octets of TCP payload`);
    t.same(transfer.refused, {});
    transfer.close(mirror);
    pair.close();
    client.close();
    server.close();
  });
}
