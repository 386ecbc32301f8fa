// Captures through the production bridge, in memory: our own, and, where they are at hand, real ones
// from public repositories, with malformed and cut-off frames and frames that are no Ethernet at all.
// Every frame gets exactly one verdict, the one a naive model gives; the accounts hold; and whatever a
// device may claim beside a frame, nothing throws.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Bridge } from '../../src/bridge/bridge.ts';
import { Prng } from '../../src/lib/prng.ts';
import { MemoryPort } from '../../src/ports/memory-port.ts';
import { BATCH_FRAMES_MAX, Batch } from '../../src/relay/batch.ts';
import { DROP_REASONS } from '../../src/relay/drop-reason.ts';
import { TransmitResult } from '../../src/relay/egress.ts';
import { KIND_NAMES, outcomeName } from '../../src/relay/verdict.ts';
import { batchOf, relayBatch } from '../support/bridge-frames.ts';
import { BridgeModel } from '../support/bridge-model.ts';
import { CAPTURES, pcapFile } from '../support/captures.ts';
import { loadPcapParser, type PcapPacket, readPcapFile } from '../support/pcap-file.ts';
import { testUnless } from '../support/test-unless.ts';

const ROOT = path.join(import.meta.dirname, '../../..');
const OWN = path.join(ROOT, 'fixtures/pcap');
const SHARED = path.join(process.env['WEFT_SHARED'] ?? path.join(ROOT, '../shared'), 'captures');

/** Frames that enter one port before the next port's turn. */
const TURN_FRAMES = 5;
const MTUS = new Map([
  [1, 1500],
  [2, 1500],
  [3, 65_535],
  [4, 68],
]);
const OUTCOMES = new Set<string>([...KIND_NAMES.slice(1), ...DROP_REASONS.map(({ name }) => name)]);

const loaded = loadPcapParser();
const pcapParser = loaded.module ?? {
  parse: (): never => {
    throw new Error(loaded.reason);
  },
};

function makeBridge(): Bridge {
  const bridge = new Bridge({ name: 'br0', salt: 1, fdbSize: 4096 });
  for (const [portNo, mtu] of MTUS) {
    bridge.apply({ type: 'port_add', name: `m${portNo}`, kind: 'memory', target: '', portNo, settings: { mtu } }, 0);
    bridge.apply({ type: 'port_link', portNo, up: true }, 0);
  }
  return bridge;
}

/** The packets in turns, with the port each turn enters. */
function turnsOf(packets: readonly PcapPacket[]): { port: number; turn: readonly PcapPacket[] }[] {
  const turns = Math.ceil(packets.length / TURN_FRAMES);
  return Array.from({ length: turns }, (_, k) => ({
    port: (k % MTUS.size) + 1,
    turn: packets.slice(k * TURN_FRAMES, (k + 1) * TURN_FRAMES),
  }));
}

/** Each frame decided as a model decides it; with `asCut`, packets that the capture holds only a part of are said to be cut off. */
function checkVerdicts(t: ExecutionContext, packets: readonly PcapPacket[], asCut: boolean): void {
  const bridge = makeBridge();
  const model = new BridgeModel(MTUS);
  let now = 0;
  for (const { port, turn } of turnsOf(packets)) {
    const batch = batchOf(
      port,
      turn.map(({ frame }) => frame),
    );
    const cut = turn.map(({ frame, originalLen }) => asCut && frame.length < originalLen);
    for (const [i, isCut] of cut.entries()) batch.truncated[i] = isCut ? 1 : 0;
    const relayed = relayBatch(bridge, batch, ++now);
    t.is(relayed.length, turn.length);
    for (const [i, { outcome, out }] of relayed.entries()) {
      t.true(OUTCOMES.has(outcome), outcome);
      // The bridge's lists are without the copies it has dropped as too big, and so is the model.
      t.deepEqual({ outcome, to: out }, { ...model.relay(port, (turn[i] as PcapPacket).frame, cut[i]) });
    }
  }
  t.deepEqual(bridge.imbalances(), []);
  const { ports } = bridge.snapshot();
  t.is(
    ports.reduce((sum, { rx_frames }) => sum + rx_frames, 0),
    packets.length,
  );
}

/** Every frame with facts beside it that are mostly lies, to ports that take over everything and to some that take over nothing. */
function checkLies(t: ExecutionContext, packets: readonly PcapPacket[]): void {
  const bridge = makeBridge();
  const ports = [...MTUS.keys()].map((portNo) => new MemoryPort(portNo, { caps: portNo % 2 === 0 ? 0xff : 0, framesMax: 4096 }));
  const prng = new Prng(7);
  const batch = new Batch();
  const result = new TransmitResult();
  for (const { port: portNo, turn } of turnsOf(packets)) {
    const ingress = ports[portNo - 1] as MemoryPort;
    let pushed = 0;
    for (const { frame } of turn) {
      const offload = {
        flags: prng.below(4),
        gsoType: [0, 1, 3, 4, 5, 0x81, 0x84, 9][prng.below(8)] as number,
        gsoSize: [0, 1, 8, 100, 1448, 65_535][prng.below(6)] as number,
        csumStart: [0, 14, 34, 38, 54, 65_535, frame.length][prng.below(7)] as number,
        csumOffset: [0, 6, 16, 65_534][prng.below(4)] as number,
      };
      if (ingress.push(frame, offload)) pushed++;
    }
    batch.reset(portNo);
    ingress.receive(batch);
    bridge.ingest(batch, 1);
    t.is(batch.count, pushed);
    for (let i = 0; i < batch.count; i++) t.true(OUTCOMES.has(outcomeName(batch.verdict[i] as number)));
    const { egress } = bridge;
    for (let k = 0; k < egress.portCount; k++) {
      const to = egress.ports[k] as number;
      result.clear();
      (ports[to - 1] as MemoryPort).transmit(batch, egress.frames, to * BATCH_FRAMES_MAX, egress.count[to] as number, result);
      bridge.transmitted(to, result);
    }
    ingress.release(batch);
    for (const port of ports) port.take();
  }
  t.deepEqual(bridge.imbalances(), []);
}

test('our captures are what their generator makes', (t) => {
  t.deepEqual(
    readdirSync(OWN).filter((name) => name.endsWith('.pcap')),
    Object.keys(CAPTURES)
      .map((name) => `${name}.pcap`)
      .sort(),
  );
  for (const [name, frames] of Object.entries(CAPTURES)) {
    t.true(
      readFileSync(path.join(OWN, `${name}.pcap`)).equals(pcapFile(frames)),
      `${name}.pcap: run build/test/support/write-captures.js`,
    );
  }
});

for (const [name, frames] of Object.entries(CAPTURES)) {
  test(`own: ${name}`, async (t) => {
    const { packets } = await readPcapFile(pcapParser, path.join(OWN, `${name}.pcap`));
    t.deepEqual(
      packets.map(({ frame }) => Buffer.from(frame)),
      [...frames],
    );
    checkVerdicts(t, packets, false);
    checkLies(t, packets);
  });
}

interface IndexEntry {
  readonly file: string;
  readonly format?: string;
  readonly version?: string;
  readonly ts_resolution?: string;
  readonly packets?: number;
}

if (existsSync(SHARED)) {
  const { files } = JSON.parse(readFileSync(path.join(SHARED, 'INDEX.json'), 'utf8')) as { files: IndexEntry[] };
  const isClassic = ({ format, version, ts_resolution: unit }: IndexEntry) =>
    format === 'pcap' && version === '2.4' && unit === 'usec';

  test('real captures: what is no classic microsecond pcap is refused with a sentence', async (t) => {
    const others = files.filter((entry) => !isClassic(entry));
    t.true(others.length > 0);
    for (const { file } of others)
      await t.throwsAsync(readPcapFile(pcapParser, path.join(SHARED, file)), { message: /^.*: .* .*/ }, file);
  });

  for (const { file, packets: count } of files.filter(isClassic)) {
    test(`real: ${file}`, async (t) => {
      const { packets } = await readPcapFile(pcapParser, path.join(SHARED, file));
      t.is(packets.length, count as number);
      checkVerdicts(t, packets, false);
      checkVerdicts(t, packets, true);
      checkLies(t, packets);
    });
  }
} else {
  testUnless(`there is no ${SHARED}; WEFT_SHARED names the folder that holds captures`)('real captures', (t) => {
    t.fail();
  });
}
