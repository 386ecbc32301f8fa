// MAC addresses survive every change of form.

import test from 'ava';
import fc from 'fast-check';
import { formatMac, macHi, macLo, parseMac, writeMac } from '../../../src/wire/ethernet.ts';

const hi = fc.nat(0xffff);
const lo = fc.nat(0xffffffff);

test('numbers to text and back', (t) => {
  fc.assert(
    fc.property(hi, lo, fc.boolean(), fc.boolean(), (a, b, isUpper, isDashed) => {
      let text = formatMac(a, b);
      if (isUpper) text = text.toUpperCase();
      if (isDashed) text = text.replaceAll(':', '-');
      t.deepEqual(parseMac(text), { hi: a, lo: b });
    }),
  );
});

test('numbers to octets and back', (t) => {
  fc.assert(
    fc.property(hi, lo, fc.nat(5), (a, b, offset) => {
      const view = new DataView(new ArrayBuffer(12));
      writeMac(view, offset, a, b);
      t.is(macHi(view, offset), a);
      t.is(macLo(view, offset), b);
    }),
  );
});

test('text that is read is text of that address, and no text throws', (t) => {
  const like = fc.array(fc.constantFrom(...'0123456789abcdefABCDEF:- g'), { maxLength: 20 }).map((letters) => letters.join(''));
  fc.assert(
    fc.property(fc.oneof(fc.string(), like), (text) => {
      const mac = parseMac(text);
      if (mac !== undefined) t.is(formatMac(mac.hi, mac.lo), text.toLowerCase().replaceAll('-', ':'));
    }),
  );
  t.pass();
});
