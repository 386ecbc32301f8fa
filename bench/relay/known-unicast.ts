// The relay alone: frames of 60 octets in memory, 1,000 stations, learning on, every destination
// known; a port receives a batch, the bridge decides it. Nothing is sent.

import { Bridge } from '../../src/bridge/bridge.ts';
import { memoryOf } from '../../src/lib/memory.ts';
import { Prng } from '../../src/lib/prng.ts';
import { BATCH_FRAMES_MAX, Batch } from '../../src/relay/batch.ts';
import { TransmitResult } from '../../src/relay/egress.ts';
import { writeMac } from '../../src/wire/ethernet.ts';
import { nsPerOperation, report } from '../measure.ts';

const PORTS = 4;
const STATIONS = 1000;
const FRAME_LEN = 60;
const FRAMES = 4096;
const BATCH = 64;

const prng = new Prng(1);
const bridge = new Bridge({ name: 'br0', salt: prng.next() });
const memories = Array.from({ length: PORTS }, () => memoryOf(new ArrayBuffer(FRAMES * 64)));
for (let port = 1; port <= PORTS; port++) {
  bridge.apply({ type: 'port_add', name: `p${port}`, kind: 'memory', target: '' }, 0);
  bridge.apply({ type: 'port_link', portNo: port, up: true }, 0);
}
/** Station n lives on port n % PORTS + 1; ring p holds frames from its stations to stations of other ports. */
for (let p = 0; p < PORTS; p++) {
  const view = memories[p]?.view as DataView;
  for (let f = 0; f < FRAMES; f++) {
    const source = prng.below(STATIONS / PORTS) * PORTS + p;
    const target = prng.below(STATIONS / PORTS) * PORTS + ((p + 1 + prng.below(PORTS - 1)) % PORTS);
    writeMac(view, f * 64, 0x5254, target);
    writeMac(view, f * 64 + 6, 0x5254, source);
    view.setUint16(f * 64 + 12, 0x0800);
  }
}

const batch = new Batch();
const result = new TransmitResult();
let ms = 0;
let turn = 0;
let delivered = 0;
const relayTurn = (): number => {
  const p = turn % PORTS;
  const first = ((turn * BATCH) / PORTS) % FRAMES;
  turn++;
  batch.reset(p + 1);
  const memory = batch.useMemory(memories[p] as (typeof memories)[0]);
  for (let f = 0; f < BATCH; f++) batch.add(memory, (((first + f) | 0) % FRAMES) * 64, FRAME_LEN);
  bridge.ingest(batch, ms);
  const { egress } = bridge;
  for (let k = 0; k < egress.portCount; k++) {
    const port = egress.ports[k] as number;
    result.clear();
    result.sent = egress.count[port] as number;
    result.sentBytes = result.sent * FRAME_LEN;
    delivered += result.sent;
    bridge.transmitted(port, result);
  }
  return BATCH;
};

const measurement = nsPerOperation('relay-known-unicast', () => {
  ms += 1;
  let frames = 0;
  while (frames < FRAMES) frames += relayTurn();
  return frames;
});
const faults = bridge.imbalances();
if (faults.length > 0 || delivered === 0) throw new Error(`frames are not accounted for: ${faults.join('; ')}`);
report(measurement, { batch: BATCH, frameLen: FRAME_LEN, ports: PORTS, stations: STATIONS, batchMax: BATCH_FRAMES_MAX });
