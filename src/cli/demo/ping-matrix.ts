// Who reaches whom: every station pings every other one, all stations side by side, each one
// destination after the other.

import { type Column, renderTable } from '../table.ts';
import type { ProgramResult, Station } from './station.ts';

/** One ordered pair. */
export interface PingJson {
  from: string;
  to: string;
  sent: number;
  received: number;
  /** Shortest round trip; null when nothing came back. */
  rtt_ms: number | null;
}

/** Echo requests for each pair. The first also waits for ARP, so a round trip is the shortest one. */
const REQUESTS = 3;
const PING_TIMEOUT_MS = 15_000;
/** Both ping programs, of iputils and of busybox, know these. A reply that takes longer than two seconds is lost. */
const PING = ['ping', '-c', String(REQUESTS), '-i', '0.2', '-W', '2'];

const WARM_UP = ['ping', '-c', '1', '-W', '3'];

/** Tries every ordered pair; `onPair` hears how many are done. Rejects only when ping cannot be run. */
export async function pingAll(stations: readonly Station[], onPair: (done: number, count: number) => void): Promise<PingJson[]> {
  const count = stations.length * (stations.length - 1);
  let done = 0;
  const rows = stations.map(async (from) => {
    const row: PingJson[] = [];
    for (const to of stations.filter((station) => station !== from)) {
      row.push({ from: from.name, to: to.name, ...parsePing(await from.run([...PING, to.address], PING_TIMEOUT_MS)) });
      onPair(++done, count);
    }
    return row;
  });
  return (await Promise.all(rows)).flat();
}

/**
 * Sends something through the card of each guest. QEMU's e1000 hands nothing to its guest within a
 * second of the driver's start, which would look like a slow switch in the first round trips.
 */
export async function warmUp(guests: readonly Station[]): Promise<void> {
  const [first] = guests;
  if (first === undefined) return;
  for (const guest of guests.slice(1)) await guest.run([...WARM_UP, first.address], PING_TIMEOUT_MS);
}

/** Reads the summary of iputils' ping or busybox's. A program that printed none sent nothing. */
export function parsePing({ output }: ProgramResult): Pick<PingJson, 'sent' | 'received' | 'rtt_ms'> {
  const counts = /(\d+) packets transmitted, (\d+)(?: packets)? received/.exec(output);
  const rtt = /min\/avg\/max\S* = ([\d.]+)\//.exec(output);
  return { sent: Number(counts?.[1] ?? 0), received: Number(counts?.[2] ?? 0), rtt_ms: rtt === null ? null : Number(rtt[1]) };
}

/** The pairs of which nothing came back, as `host > vm1`. */
export function lostPairs(pings: readonly PingJson[]): string[] {
  return pings.filter(({ received }) => received === 0).map(({ from, to }) => `${from} > ${to}`);
}

/** The matrix: a row for each sender, a column for each destination. */
export function renderMatrix(pings: readonly PingJson[], terminal: boolean): string {
  const names = [...new Set(pings.map(({ from }) => from))];
  const columns: Column<string>[] = [{ title: 'FROM', cell: (from) => from }];
  for (const to of names) {
    const cell = (from: string) => cellOf(pings.find((ping) => ping.from === from && ping.to === to));
    columns.push({ title: `TO ${to}`, align: 'right', cell });
  }
  return renderTable(names, columns, terminal);
}

function cellOf(ping: PingJson | undefined): string {
  if (ping === undefined) return '-';
  if (ping.rtt_ms === null) return 'LOST';
  const lost = ping.sent - ping.received;
  return `${ping.rtt_ms.toFixed(2)} ms${lost === 0 ? '' : ` (${lost} lost)`}`;
}
