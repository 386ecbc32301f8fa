// BPDUs, octet by octet: frozen frames of the Linux kernel bridge, the tests of 802.1D-2004 9.3.4, and
// captured frames where they are at hand.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { BPDU_FAULTS, BPDU_FLAG, BPDU_LEN, BPDU_ROLE, type Bpdu, emitBpdu, parseBpdu } from '../../../src/wire/bpdu.ts';
import { ETHERNET, formatMac } from '../../../src/wire/ethernet.ts';
import { isBpduLlc, LLC_HEADER_LEN } from '../../../src/wire/llc.ts';
import { loadPcapParser, readPcapFile } from '../../support/pcap-file.ts';
import { testUnless } from '../../support/test-unless.ts';

/** Octets written as hex digits, spaced as one likes. */
function hex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.replaceAll(' ', '').match(/../g) ?? [], (octet) => Number.parseInt(octet, 16));
}

const KERNEL = { priority: 0x8000, hi: 0x5254, lo: 0x00000010 };
const CONFIG_ROOT: Bpdu = {
  kind: 'config',
  version: 0,
  flags: 0,
  rootId: KERNEL,
  rootPathCost: 0,
  bridgeId: KERNEL,
  portId: 0x8001,
  messageAge: 0,
  maxAge: 20,
  helloTime: 2,
  forwardDelay: 15,
};

/** As the kernel sent them: name, whole frame, meaning. */
const FRAMES: readonly [string, string, Bpdu][] = [
  [
    'config of a root',
    '0180c2000000525400000010 0026 424203 0000 00 00 00 8000525400000010 00000000 8000525400000010 8001 0000 1400 0200 0f00',
    CONFIG_ROOT,
  ],
  [
    'config of a root with topology change',
    '0180c2000000525400000010 0026 424203 0000 00 00 01 8000525400000010 00000000 8000525400000010 8001 0000 1400 0200 0f00',
    { ...CONFIG_ROOT, flags: BPDU_FLAG.TC },
  ],
  [
    'config behind a superior root',
    '0180c2000000525400000010 0026 424203 0000 00 00 00 1000525400ff0001 00000002 8000525400000010 8001 007c 1400 0200 0f00',
    { ...CONFIG_ROOT, rootId: { priority: 0x1000, hi: 0x5254, lo: 0x00ff0001 }, rootPathCost: 2, messageAge: 0x7c / 256 },
  ],
  ['TCN', '0180c2000000525400000011 0007 424203 0000 00 80', { kind: 'tcn', version: 0 }],
];

for (const [name, text, meaning] of FRAMES) {
  test(`as the kernel sends it: ${name}`, (t) => {
    const frame = hex(text);
    const view = new DataView(frame.buffer);
    t.true(isBpduLlc(view, ETHERNET.HEADER_LEN, frame.length, view.getUint16(ETHERNET.TYPE)));
    const octets = frame.subarray(ETHERNET.HEADER_LEN + LLC_HEADER_LEN);
    t.deepEqual(parseBpdu(octets), meaning);
    t.deepEqual([...emitBpdu(meaning)], [...octets]);
    t.deepEqual(parseBpdu(new Uint8Array([...octets, 0, 0, 0xff])), meaning, 'padding means nothing');
  });
}

const RST: Bpdu = {
  ...CONFIG_ROOT,
  kind: 'rst',
  version: 2,
  flags: BPDU_ROLE.DESIGNATED | BPDU_FLAG.PROPOSAL | BPDU_FLAG.LEARNING,
  portId: 0x8002,
};

test('the frozen RST BPDU', (t) => {
  const octets = hex('0000 02 02 1e 8000525400000010 00000000 8000525400000010 8002 0000 1400 0200 0f00 00');
  t.deepEqual([...emitBpdu(RST)], [...octets]);
  t.deepEqual(parseBpdu(octets), RST);
  const mst = new Uint8Array(102);
  mst.set(octets);
  mst[2] = 3;
  t.deepEqual(parseBpdu(mst), { ...RST, version: 3 }, 'the common part of an MST BPDU');
});

test('what must not be processed [9.3.4]', (t) => {
  const config = emitBpdu(CONFIG_ROOT);
  const rst = emitBpdu(RST);
  const changed = (octets: Uint8Array, at: number, value: number): Uint8Array => {
    const copy = Uint8Array.from(octets);
    copy[at] = value;
    return copy;
  };
  t.is(parseBpdu(new Uint8Array(0)), 'too_short');
  t.is(parseBpdu(hex('000000')), 'too_short');
  t.is(parseBpdu(config.subarray(0, BPDU_LEN.CONFIG - 1)), 'too_short');
  t.is(parseBpdu(rst.subarray(0, BPDU_LEN.RST - 1)), 'too_short');
  for (const octets of [config, rst, hex('00000080')]) t.is(parseBpdu(changed(octets, 1, 1)), 'other_protocol');
  t.is(parseBpdu(changed(config, 3, 0x01)), 'unknown_type');
  t.is(parseBpdu(changed(rst, 2, 1)), 'old_version');
  t.is(parseBpdu(emitBpdu({ ...CONFIG_ROOT, messageAge: 20 })), 'too_old');
  t.is(parseBpdu(emitBpdu({ ...CONFIG_ROOT, messageAge: 19.999 })), 'too_old', '19.999 s is 20 s on the wire');
  t.like(parseBpdu(emitBpdu({ ...CONFIG_ROOT, messageAge: 19.5 })), { messageAge: 19.5 });
  t.like(parseBpdu(changed(config, 2, 9)), { kind: 'config', version: 9 }, 'the version of a Config BPDU does not matter');
  for (const sentence of Object.values(BPDU_FAULTS)) t.regex(sentence, /^it/);
});

const SHARED = process.env['WEFT_SHARED'] ?? path.join(import.meta.dirname, '../../../../../shared');
const CAPTURES = ['pcapplusplus__Stp.pcap', 'tcpdump__MSTP_Intra-Region_BPDUs.pcap'];

/** The first value of a field that occurs once for each part of an MST BPDU. */
function first(value: string | string[]): number {
  return Number(Array.isArray(value) ? value[0] : value);
}

for (const name of CAPTURES) {
  const file = path.join(SHARED, 'captures', name);
  const parser = loadPcapParser();
  const reason = parser.reason ?? (existsSync(file) ? undefined : `there is no ${file}`);
  testUnless(reason)(`captured: ${name}`, async (t) => {
    if (parser.module === undefined) return t.fail();
    const { packets } = await readPcapFile(parser.module, file);
    const { frames } = JSON.parse(readFileSync(`${file}.expected.json`, 'utf8')) as { frames: Record<string, string>[] };
    let compared = 0;
    for (const expected of frames) {
      const { frame } = packets[Number(expected['frame.number']) - 1];
      const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
      const len = view.getUint16(ETHERNET.TYPE);
      if (expected['stp.type'] === undefined || !isBpduLlc(view, ETHERNET.HEADER_LEN, frame.length, len)) continue;
      const octets = frame.subarray(ETHERNET.HEADER_LEN + LLC_HEADER_LEN, ETHERNET.HEADER_LEN + len);
      const bpdu = parseBpdu(octets);
      if (typeof bpdu === 'string') {
        t.fail(`${name}, frame ${expected['frame.number']}: ${bpdu}`);
        continue;
      }
      compared++;
      t.is(bpdu.version, Number(expected['stp.version']));
      t.is(Number(expected['stp.type']), { config: 0, tcn: 0x80, rst: 2 }[bpdu.kind]);
      t.deepEqual(
        [...emitBpdu(bpdu)],
        [...octets.subarray(0, BPDU_LEN[bpdu.kind === 'config' ? 'CONFIG' : bpdu.kind === 'rst' ? 'RST' : 'TCN'])],
      );
      if (bpdu.kind === 'tcn') continue;
      for (const [side, id] of [
        ['root', bpdu.rootId],
        ['bridge', bpdu.bridgeId],
      ] as const) {
        t.is(id.priority, first(expected[`stp.${side}.prio`]) + first(expected[`stp.${side}.ext`]));
        t.is(formatMac(id.hi, id.lo), expected[`stp.${side}.hw`]);
      }
      t.deepEqual(
        [bpdu.flags, bpdu.rootPathCost, bpdu.portId],
        ['stp.flags', 'stp.root.cost', 'stp.port'].map((field) => first(expected[field])),
      );
      t.deepEqual(
        [bpdu.messageAge, bpdu.maxAge, bpdu.helloTime, bpdu.forwardDelay].map((time) => Math.round(time * 100)),
        ['stp.msg_age', 'stp.max_age', 'stp.hello', 'stp.forward'].map((field) => Math.round(first(expected[field]) * 100)),
      );
    }
    t.true(compared > 0);
  });
}
