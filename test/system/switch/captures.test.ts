// The captures of fixtures/pcap played through a running switch, each from a switch that has learned
// nothing: every frame is injected where its sender is, and what independent witnesses see at all
// ports is compared with what a naive bridge would do.

import '../../support/sandbox.ts';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { BridgeModel } from '../../support/bridge-model.ts';
import { loadCap } from '../../support/cap.ts';
import { CAPTURE_PORTS, portOfSender } from '../../support/captures.ts';
import { addVeth } from '../../support/netns.ts';
import { loadPcapParser, readPcapFile } from '../../support/pcap-file.ts';
import { quiet } from '../../support/real-ports.ts';
import { startWeft, weft, weftJson } from '../../support/weft-process.ts';
import { WitnessLab } from '../../support/witness-lab.ts';

const FOLDER = path.join(import.meta.dirname, '../../../../fixtures/pcap');
const MTU = 1500;

const cap = loadCap();
const pcapParser = loadPcapParser();
if (cap.module === undefined) throw new Error(cap.reason);
if (pcapParser.module === undefined) throw new Error(pcapParser.reason);
const parser = pcapParser.module;

quiet('default');
const ports = Array.from({ length: CAPTURE_PORTS }, (_, k) => k);
for (const k of ports) addVeth(`s${k}`, `p${k}`);
const sw = await startWeft('--switch', 'br0', ...ports.flatMap((k) => ['--port', `netdev:p${k}`]));
const lab = new WitnessLab(
  cap.module,
  ports.map((k) => `s${k}`),
);

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.pcap'))) {
  t.test(file, async (t) => {
    t.equal(weft('fdb', 'flush').status, 0);
    const model = new BridgeModel(new Map(ports.map((k) => [k, MTU])));
    const { packets } = await readPcapFile(parser, path.join(FOLDER, file));
    t.ok(packets.length > 0);
    for (const [n, { frame }] of packets.entries()) {
      const from = portOfSender(frame);
      const { outcome, to } = model.relay(from, frame);
      const seen = await lab.exchange(from, [frame]);
      const expected = ports.map((k) => (to.includes(k) ? [Buffer.from(frame)] : []));
      t.same(
        seen.map((frames) => frames.map((octets) => Buffer.from(octets))),
        expected,
        `frame ${n + 1}: ${outcome}`,
      );
    }
    t.same(weftJson('show').imbalances, []);
  });
}

t.test('and end', async (t) => {
  lab.close();
  t.equal((await sw.end('SIGTERM')).status, 0);
});
