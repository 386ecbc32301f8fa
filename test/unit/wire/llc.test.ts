// The LLC header of BPDUs.

import test from 'ava';
import { isBpduLlc, LLC_HEADER_LEN, writeBpduLlc } from '../../../src/wire/llc.ts';
import { hex } from '../../support/ip-frame.ts';

test('the frozen header is written', (t) => {
  const out = new Uint8Array(5).fill(0xa5);
  writeBpduLlc(new DataView(out.buffer), 1);
  t.deepEqual(out, hex('a5 42 42 03 a5'));
});

test('the header is recognised only whole, and behind a length', (t) => {
  const view = new DataView(hex('a5 42 42 03').buffer);
  t.true(isBpduLlc(view, 1, 4, 38));
  t.true(isBpduLlc(view, 1, 4, LLC_HEADER_LEN));
  t.false(isBpduLlc(view, 1, 3, 38), 'cut off');
  t.false(isBpduLlc(view, 1, 4, 2), 'a length that does not cover it');
  t.false(isBpduLlc(view, 1, 4, 0x0800), 'a type');
  for (const other of ['a5 aa aa 03', 'a5 42 41 03', 'a5 42 42 02'])
    t.false(isBpduLlc(new DataView(hex(other).buffer), 1, 4, 38), other);
});
