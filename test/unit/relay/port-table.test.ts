// The egress masks, port by port.

import test from 'ava';
import { PORT_WORDS } from '../../../src/relay/limits.ts';
import { FLOOD, PORT_FLAGS_DEFAULT, type PortFlags, type PortRecord, PortTable } from '../../../src/relay/port-table.ts';

function record(flags: Partial<PortFlags> = {}, rest: Partial<PortRecord> = {}): PortRecord {
  return { up: true, state: 'forwarding', mtu: 1500, groupFwdMask: 0, ...rest, flags: { ...PORT_FLAGS_DEFAULT, ...flags } };
}

function members(words: Uint32Array, row: number): number[] {
  const ports: number[] = [];
  for (let port = 0; port < PORT_WORDS * 32; port++) {
    if ((words[row * PORT_WORDS + (port >>> 5)] & (1 << (port & 31))) !== 0) ports.push(port);
  }
  return ports;
}

function tableOf(records: Record<number, PortRecord>): PortTable {
  const table = new PortTable();
  for (const [port, given] of Object.entries(records)) table.set(Number(port), given);
  return table;
}

test('a frame may leave on every other port that is up and forwards', (t) => {
  const table = tableOf({
    1: record(),
    31: record(),
    32: record(),
    2047: record(),
    5: record({}, { up: false }),
    6: record({}, { state: 'learning' }),
    7: record({}, { state: 'disabled' }),
  });
  t.deepEqual(members(table.allowed, 1), [31, 32, 2047]);
  t.deepEqual(members(table.allowed, 2047), [1, 31, 32]);
  t.deepEqual(members(table.allowed, 6), []);
  t.deepEqual(
    [5, 6, 7].map((port) => table.ups[port]),
    [0, 1, 0],
  );
  t.deepEqual(
    [5, 6, 7].map((port) => table.learns[port]),
    [0, 1, 0],
  );
  t.is(table.top, 2047);
});

for (const [state, learns, forwards] of [
  ['disabled', 0, 0],
  ['discarding', 0, 0],
  ['listening', 0, 0],
  ['learning', 1, 0],
  ['forwarding', 1, 1],
] as const) {
  test(`a port that is ${state}`, (t) => {
    const table = tableOf({ 3: record({}, { state }) });
    t.deepEqual([table.learns[3], table.forwards[3]], [learns, forwards]);
  });
}

test('learning off: forwards and does not learn', (t) => {
  const table = tableOf({ 3: record({ learning: false }) });
  t.deepEqual([table.learns[3], table.forwards[3]], [0, 1]);
});

test('isolated ports do not reach each other, hairpin or not', (t) => {
  const table = tableOf({
    1: record({ isolated: true, hairpin: true }),
    2: record({ isolated: true }),
    3: record(),
    4: record({ hairpin: true }),
  });
  t.deepEqual(members(table.allowed, 1), [3, 4]);
  t.deepEqual(members(table.allowed, 2), [3, 4]);
  t.deepEqual(members(table.allowed, 3), [1, 2, 4]);
  t.deepEqual(members(table.allowed, 4), [1, 2, 3, 4]);
});

test('flood sets follow their flags', (t) => {
  const table = tableOf({ 1: record({ flood: false }), 2: record({ mcast_flood: false }), 3: record({ bcast_flood: false }) });
  t.deepEqual(members(table.floodSets, FLOOD.UNKNOWN), [2, 3]);
  t.deepEqual(members(table.floodSets, FLOOD.MULTICAST), [1, 3]);
  t.deepEqual(members(table.floodSets, FLOOD.BROADCAST), [1, 2]);
});

test('a switch that is down has no port that is up', (t) => {
  const table = tableOf({ 1: record(), 2: record() });
  table.setSwitch(false, 0);
  t.deepEqual([table.ups[1], table.forwards[1], table.learns[1]], [0, 0, 0]);
  t.deepEqual(members(table.allowed, 1), []);
  table.setSwitch(true, 0x8);
  t.deepEqual(members(table.allowed, 1), [2]);
  t.is(table.groupMasks[1], 0x8);
});

test('a deleted port leaves every mask; its number is free again', (t) => {
  const table = tableOf({ 1: record(), 2: record(), 3: record() });
  table.delete(2);
  t.deepEqual(members(table.allowed, 1), [3]);
  t.deepEqual(members(table.floodSets, FLOOD.BROADCAST), [1, 3]);
  t.is(table.freeNumber(), 2);
  t.is(table.count, 2);
  table.delete(3);
  t.is(table.top, 1);
});

test('a port number out of range is a fault of the caller', (t) => {
  t.throws(() => new PortTable().set(0, record()), { message: /port number 0/ });
  t.throws(() => new PortTable().set(2048, record()), { message: /port number 2048/ });
});
