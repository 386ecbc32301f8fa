import test from 'ava';
import { nearest } from '../../../src/lib/nearest.ts';

const KEYS = ['learning', 'flood', 'mcast_flood', 'mtu', 'name'];

test('a slip of the finger finds the word that was meant', (t) => {
  t.is(nearest('lerning', KEYS), 'learning');
  t.is(nearest('learnnig', KEYS), 'learning');
  t.is(nearest('LEARNING', KEYS), 'learning');
  t.is(nearest('mtuu', KEYS), 'mtu');
  t.is(nearest('umt', ['mtu', 'mt']), 'mt');
  t.is(nearest('mcastflood', KEYS), 'mcast_flood');
});

test('a word that is far from every known one finds none', (t) => {
  t.is(nearest('vlan', KEYS), undefined);
  t.is(nearest('', KEYS), undefined);
  t.is(nearest('learning', []), undefined);
});
