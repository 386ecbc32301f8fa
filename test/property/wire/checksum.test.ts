// The Internet checksum against RFC 1071 taken literally, and against the package raw-socket.

import test from 'ava';
import fc from 'fast-check';
import { finish, fold, sum } from '../../../src/wire/checksum.ts';
import { onesSum } from '../../support/ip-frame.ts';
import { internetChecksum, loadRawSocket } from '../../support/raw-socket.ts';
import { testUnless } from '../../support/test-unless.ts';

const someOctets = fc.uint8Array({ maxLength: 2000, size: 'max' });
/** Octets that make carries and negative zeroes likely. */
const extremeOctets = fc
  .array(fc.constantFrom(0, 1, 0xfe, 0xff), { maxLength: 200, size: 'max' })
  .map((octets) => Uint8Array.from(octets));
const octets = fc.oneof(someOctets, extremeOctets);

test('any range at any offset sums as RFC 1071 says', (t) => {
  fc.assert(
    fc.property(octets, fc.nat(9), (all, offset) => {
      const from = Math.min(offset, all.length);
      const view = new DataView(all.buffer, all.byteOffset, all.length);
      t.is(fold(sum(view, from, all.length - from)), onesSum(all.subarray(from)));
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('parts that start at even positions add up to the whole', (t) => {
  fc.assert(
    fc.property(octets, fc.nat(1000), fc.nat(0xffffffff), (all, cut, initial) => {
      const view = new DataView(all.buffer, all.byteOffset, all.length);
      const first = Math.min(cut * 2, all.length & ~1);
      const whole = sum(view, 0, all.length, initial);
      const parts = sum(view, first, all.length - first, sum(view, 0, first, initial));
      t.is(fold(parts), fold(whole));
    }),
    { numRuns: 500 },
  );
});

test('with its own checksum in it, anything sums up to 0xffff', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 300, size: 'max' }), (all) => {
      const view = new DataView(all.buffer, all.byteOffset, all.length);
      view.setUint16(0, 0);
      view.setUint16(0, finish(sum(view, 0, all.length)));
      t.is(fold(sum(view, 0, all.length)), 0xffff);
    }),
  );
});

const rawSocket = loadRawSocket();
testUnless(rawSocket.module === undefined ? rawSocket.reason : undefined)('the package raw-socket computes the same', (t) => {
  const oracle = rawSocket.module;
  if (oracle === undefined) return t.fail();
  fc.assert(
    fc.property(octets, (all) => {
      // The package refuses an empty buffer.
      fc.pre(all.length > 0);
      const view = new DataView(all.buffer, all.byteOffset, all.length);
      t.is(finish(sum(view, 0, all.length)), internetChecksum(oracle, all));
    }),
    { numRuns: 500 },
  );
});
