// `weft stats`: counters, and rates made of two samples of them.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { ControlClient } from '../control/client.ts';
import type { CountersJson, StatsSampleJson } from '../control/json.ts';
import { targetSwitch, wantsJson } from './context.ts';
import { isTerminal, print, printJson } from './output.ts';
import { type Column, renderTable, withUnit } from './table.ts';

/** Counters with what they grew by in a second. */
export interface RatesJson extends CountersJson {
  rx_frames_per_s: number;
  rx_bits_per_s: number;
  tx_frames_per_s: number;
  tx_bits_per_s: number;
  drops_per_s: number;
}

/** What `weft --json stats` prints. */
export interface StatsJson {
  /** Time between the two samples, on the clock of the switch. */
  interval_s: number;
  switch: RatesJson;
  ports: (RatesJson & { ifname: string })[];
}

const INTERVAL_MAX_S = 3600;

/** Adds the verb. */
export function addStats(program: Command): void {
  program
    .command('stats')
    .description('show counters and rates')
    .option('--interval <seconds>', 'measure the rates over this time', parseInterval, 1)
    .action(async (options: { interval: number }, command: Command) => {
      const client = await ControlClient.connect(await targetSwitch(command));
      try {
        const before = await client.call('stats', {});
        await sleep(options.interval * 1000);
        const stats = statsJson(before, await client.call('stats', {}));
        if (wantsJson(command)) printJson(stats);
        else print(renderStats(stats, isTerminal()));
      } finally {
        client.close();
      }
    });
}

function parseInterval(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= 0.1 && seconds <= INTERVAL_MAX_S) return seconds;
  throw new InvalidArgumentError(`It must be 0.1 to ${INTERVAL_MAX_S} seconds.`);
}

/** Counters of the later sample, rates of both. A port that is new in the later one counts from zero. */
export function statsJson(before: StatsSampleJson, after: StatsSampleJson): StatsJson {
  const interval_s = Math.max(1, after.now_ms - before.now_ms) / 1000;
  const earlier = new Map(before.ports.map((port) => [port.ifname, port]));
  return {
    interval_s,
    switch: withRates(before.switch, after.switch, interval_s),
    ports: after.ports.map(({ ifname, ...counters }) => ({ ifname, ...withRates(earlier.get(ifname), counters, interval_s) })),
  };
}

function withRates(before: CountersJson | undefined, after: CountersJson, seconds: number): RatesJson {
  // A port that was removed and added again has counters that start over.
  const rate = (key: keyof CountersJson, factor = 1) => (Math.max(0, after[key] - (before?.[key] ?? 0)) * factor) / seconds;
  return {
    ...after,
    rx_frames_per_s: rate('rx_frames'),
    rx_bits_per_s: rate('rx_bytes', 8),
    tx_frames_per_s: rate('tx_frames'),
    tx_bits_per_s: rate('tx_bytes', 8),
    drops_per_s: rate('drops'),
  };
}

const COLUMNS: readonly Column<RatesJson & { ifname: string }>[] = [
  { title: 'PORT', cell: (row) => row.ifname },
  { title: 'RX FRAMES/S', align: 'right', cell: (row) => withUnit(row.rx_frames_per_s, '') },
  { title: 'RX RATE', align: 'right', cell: (row) => withUnit(row.rx_bits_per_s, 'bit/s') },
  { title: 'TX FRAMES/S', align: 'right', cell: (row) => withUnit(row.tx_frames_per_s, '') },
  { title: 'TX RATE', align: 'right', cell: (row) => withUnit(row.tx_bits_per_s, 'bit/s') },
  { title: 'DROPS/S', align: 'right', cell: (row) => withUnit(row.drops_per_s, '') },
  { title: 'RX FRAMES', align: 'right', cell: (row) => row.rx_frames },
  { title: 'RX BYTES', align: 'right', cell: (row) => row.rx_bytes },
  { title: 'TX FRAMES', align: 'right', cell: (row) => row.tx_frames },
  { title: 'TX BYTES', align: 'right', cell: (row) => row.tx_bytes },
  { title: 'DROPS', align: 'right', cell: (row) => row.drops },
];

/** The table of `weft stats`; the last row is the sum. */
export function renderStats(stats: StatsJson, terminal: boolean): string {
  return renderTable([...stats.ports, { ifname: 'all ports', ...stats.switch }], COLUMNS, terminal);
}
