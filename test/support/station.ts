// A station of a test network: a namespace (or the sandbox itself) in which small Node programs send
// and receive real TCP and UDP, with every offload as the kernel has it by default.

import { type ChildProcess, spawn } from 'node:child_process';
import { DEADLINE_MS } from './netns.ts';

const SERVER = `
const { createHash } = require('crypto');
require('net').createServer({ allowHalfOpen: true }, (s) => {
  const hash = createHash('sha256');
  s.on('data', (d) => hash.update(d));
  s.on('end', () => s.end(hash.digest('hex')));
  s.on('error', () => {});
}).listen(7000, '::');
const udp = require('dgram').createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
const heard = new Map();
udp.on('message', (m, r) => {
  if (m.toString('latin1', 0, 4) === 'ask:') return udp.send(JSON.stringify([...heard]), r.port, r.address);
  const key = m.toString('latin1', 0, 8);
  const good = m.every((octet, i) => i < 8 || octet === ((i * 31) & 255));
  if (good) heard.set(key, (heard.get(key) ?? 0) + 1);
});
udp.bind(7001, () => console.log('ready'));
`;

const CLIENT = `
const { createHash } = require('crypto');
const [address, octets] = [process.argv[1], Number(process.argv[2])];
const data = Buffer.alloc(octets);
for (let i = 0; i < octets; i++) data[i] = (i * 7 + (i >> 8)) & 255;
let got = '';
const s = require('net').connect(7000, address, () => s.end(data));
s.on('data', (d) => (got += d));
s.on('error', (e) => console.log(e.message));
s.on('end', () => console.log(got === createHash('sha256').update(data).digest('hex') ? 'same' : 'different: ' + got));
`;

// Large datagrams are sent with a pause now and then: what is tested is their content, not the receiver's buffer.
const SENDER = `
const [address, key, octets, count] = [process.argv[1], process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const data = Buffer.alloc(octets, 0);
for (let i = 8; i < octets; i++) data[i] = (i * 31) & 255;
data.write(key.padEnd(8), 'latin1');
const udp = require('dgram').createSocket('udp4');
udp.bind(0, () => { udp.setBroadcast(true); next(0); });
const next = (n) => n === count ? udp.close() : udp.send(data, 7001, address, () => setTimeout(next, 2, n + 1));
`;

const ASKER = `
const udp = require('dgram').createSocket('udp4');
udp.on('message', (m) => { console.log(m.toString()); udp.close(); });
udp.send('ask:', 7001, '127.0.0.1');
`;

/** A namespace with an address in which programs run; `netns` undefined is the sandbox itself. */
export class Station {
  readonly label: string;
  readonly netns: string | undefined;
  readonly address: string;
  readonly address6: string;
  #server: ChildProcess | undefined;

  constructor(label: string, netns: string | undefined, address: string, address6: string) {
    this.label = label;
    this.netns = netns;
    this.address = address;
    this.address6 = address6;
  }

  /** Starts what answers TCP and counts UDP; resolves when it listens. */
  async serve(): Promise<void> {
    const server = this.#spawn(SERVER, []);
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.stdout?.once('data', () => resolve());
      server.once('exit', (status) => reject(new Error(`the server of ${this.label} ended with ${status}`)));
    });
  }

  /** Sends octets to another station's server by TCP; 'same' when their hash came back. */
  transfer(address: string, octets: number): Promise<string> {
    return this.#output(CLIENT, [address, String(octets)]);
  }

  /** Sends datagrams marked `key` (8 characters) to an address. */
  async send(address: string, key: string, octets: number, count: number): Promise<void> {
    await this.#output(SENDER, [address, key, String(octets), String(count)]);
  }

  /** Datagrams that arrived whole here, by key. */
  async heard(): Promise<Map<string, number>> {
    return new Map(JSON.parse(await this.#output(ASKER, [])) as [string, number][]);
  }

  /** Ends the server. */
  stop(): void {
    this.#server?.kill('SIGKILL');
  }

  #spawn(script: string, args: readonly string[]): ChildProcess {
    const inside = this.netns === undefined ? [] : ['ip', 'netns', 'exec', this.netns];
    const [program, ...rest] = [...inside, 'env', '-u', 'NODE_OPTIONS', process.execPath, '-e', script, ...args];
    return spawn(program as string, rest, {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 6 * DEADLINE_MS,
      killSignal: 'SIGKILL',
    });
  }

  #output(script: string, args: readonly string[]): Promise<string> {
    const child = this.#spawn(script, args);
    let output = '';
    child.stdout?.on('data', (data) => {
      output += data;
    });
    return new Promise((resolve) => child.once('close', () => resolve(output.trim())));
  }
}
