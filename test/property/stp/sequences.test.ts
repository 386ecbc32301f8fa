// Whatever a bridge hears, in whatever order: spanning tree does not throw, comes to rest within few
// rounds, keeps its timers, and gets over it.

import test from 'ava';
import fc from 'fast-check';
import { STP_PORT_SETTINGS_DEFAULT } from '../../../src/stp/parameters.ts';
import { ROUNDS_MAX, SpanningTree } from '../../../src/stp/spanning-tree.ts';
import { emitBpdu } from '../../../src/wire/bpdu.ts';
import { bridgeId, settingsOf, WrittenEffects } from '../../support/stp.ts';

const PORTS = [1, 2, 3, 4];
/** Times on the wire reach 256 s: three hello times until information dies, and two forward delays. */
const SILENCE_S = 5 * 256 + 1;
const time = fc.oneof(
  fc.constantFrom(0, 1, 2, 6, 15, 20),
  fc.nat(0xffff).map((units) => units / 256),
);
const body = {
  flags: fc.nat(0xff),
  rootId: fc.nat(9).map((n) => bridgeId(n)),
  rootPathCost: fc.constantFrom(0, 1, 20_000, 0xffffffff),
  bridgeId: fc.nat(9).map((n) => bridgeId(n)),
  portId: fc.integer({ min: 0x8000, max: 0x8005 }),
  messageAge: time,
  maxAge: time,
  helloTime: time,
  forwardDelay: time,
};
const rst = fc.record({ kind: fc.constant('rst' as const), version: fc.constantFrom(2, 3), ...body });
const config = fc.record({ kind: fc.constant('config' as const), version: fc.constant(0), ...body });
const octets = fc.oneof(
  { weight: 6, arbitrary: rst.map(emitBpdu) },
  { weight: 3, arbitrary: config.map(emitBpdu) },
  { weight: 1, arbitrary: fc.constant(emitBpdu({ kind: 'tcn', version: 0 })) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
);
const portNo = fc.constantFrom(...PORTS);
type Act = (tree: SpanningTree) => void;
const acts: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(portNo, octets).map(
      ([port, bpdu]): Act =>
        (tree) =>
          void tree.receiveBpdu(port, bpdu),
    ),
  },
  { weight: 4, arbitrary: fc.constant<Act>((tree) => tree.tick()) },
  {
    weight: 2,
    arbitrary: fc.tuple(portNo, fc.boolean()).map(
      ([port, on]): Act =>
        (tree) =>
          tree.portEnabled(port, on),
    ),
  },
  {
    weight: 1,
    arbitrary: portNo.map(
      (port): Act =>
        (tree) =>
          tree.mcheck(port),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0, 2).map(
      (version): Act =>
        (tree) =>
          tree.configure({ forceVersion: version as 0 | 2 }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(portNo, fc.boolean(), fc.boolean(), fc.boolean()).map(
      ([port, operPointToPointMAC, restrictedRole, restrictedTcn]): Act =>
        (tree) =>
          tree.configurePort(port, { operPointToPointMAC, restrictedRole, restrictedTcn }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(15).map(
      (step): Act =>
        (tree) =>
          tree.configure({ bridgeId: bridgeId(5, step * 4096) }),
    ),
  },
);

test('any sequence', (t) => {
  let roundsTop = 0;
  fc.assert(
    fc.property(fc.array(acts, { minLength: 1, maxLength: 80 }), (sequence) => {
      const effects = new WrittenEffects();
      const tree = new SpanningTree(settingsOf(5), effects);
      for (const port of PORTS) tree.addPort(port, { ...STP_PORT_SETTINGS_DEFAULT, adminEdge: port === 4 });
      for (const port of PORTS) tree.portEnabled(port, true);
      for (const act of sequence) act(tree);
      roundsTop = Math.max(roundsTop, tree.roundsTop);
      // And then silence: everybody heard is forgotten, and the bridge is the root with all its ports.
      tree.configure({ forceVersion: 2 });
      for (const port of PORTS) tree.configurePort(port, { operPointToPointMAC: true });
      for (const port of PORTS) tree.portEnabled(port, true);
      effects.take();
      for (let n = 0; n < SILENCE_S; n++) tree.tick();
      for (const port of tree.bridge.ports) {
        t.is(port.role, 'DesignatedPort');
        t.true(port.forwarding);
      }
      effects.take();
      for (let n = 0; n < 4; n++) tree.tick();
      t.is(effects.sent.length, 2 * PORTS.length, 'hellos go on');
      const { priority } = tree.settings.bridgeId;
      t.like(effects.sent[0].bpdu, { rootId: bridgeId(5, priority), rootPathCost: 0 });
    }),
    { numRuns: 150 },
  );
  t.log(`rounds at the most: ${roundsTop} of ${ROUNDS_MAX}`);
  t.true(roundsTop < ROUNDS_MAX / 4);
});
