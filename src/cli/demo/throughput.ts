// TCP by iperf3, from one station to a guest. The guest's servers stay, so that people can go on.

import { ControlError } from '../../control/errors.ts';
import { type Column, renderTable, withUnit } from '../table.ts';
import type { Station } from './station.ts';

/** One measurement. */
export interface ThroughputJson {
  from: string;
  to: string;
  seconds: number;
  /** As the receiver counted it. */
  bits_per_s: number;
  retransmits: number;
}

const SECONDS = 2;
const CLIENT_TIMEOUT_MS = 30_000;
const SERVER_TIMEOUT_MS = 10_000;
/** iperf3, and a shell by telnet for people; done once iperf3 listens on port 5201 (1451 in hexadecimal). */
const SERVE = 'telnetd -l /bin/sh; iperf3 -s -D && until cat /proc/net/tcp /proc/net/tcp6 | grep -q :1451; do usleep 50000; done';

/** Starts the servers of a guest; resolves when iperf3 listens. */
export async function serve(guest: Station): Promise<void> {
  const { status, output } = await guest.run([SERVE], SERVER_TIMEOUT_MS);
  if (status !== 0) throw new ControlError(`no iperf3 server in ${guest.name}: ${output.trim()}`);
}

/** Measures TCP from one station to another that serves. Throws ControlError when nothing arrives. */
export async function measureThroughput(from: Station, to: Station): Promise<ThroughputJson> {
  const { output } = await from.run(['iperf3', '-J', '-t', String(SECONDS), '-c', to.address], CLIENT_TIMEOUT_MS);
  const result = parseIperf(output);
  if (typeof result === 'string') throw new ControlError(`TCP from ${from.name} to ${to.name} failed: ${result}`);
  return { from: from.name, to: to.name, ...result };
}

/** Reads what `iperf3 -J` printed: the result, or what went wrong in its own words. */
export function parseIperf(output: string): Pick<ThroughputJson, 'seconds' | 'bits_per_s' | 'retransmits'> | string {
  let report: IperfReport;
  try {
    report = JSON.parse(output) as IperfReport;
  } catch {
    return output.trim().slice(0, 200) || 'iperf3 printed nothing';
  }
  const { sum_sent: sent, sum_received: received } = report.end ?? {};
  if (report.error !== undefined) return report.error;
  if (received === undefined || received.bytes === 0) return 'nothing arrived';
  return { seconds: received.seconds, bits_per_s: received.bits_per_second, retransmits: sent?.retransmits ?? 0 };
}

interface IperfReport {
  error?: string;
  end?: {
    sum_sent?: { retransmits?: number };
    sum_received?: { seconds: number; bytes: number; bits_per_second: number };
  };
}

const COLUMNS: readonly Column<ThroughputJson>[] = [
  { title: 'FROM', cell: (row) => row.from },
  { title: 'TO', cell: (row) => row.to },
  { title: 'TCP', align: 'right', cell: (row) => withUnit(row.bits_per_s, 'bit/s') },
  { title: 'RETRANSMITS', align: 'right', cell: (row) => row.retransmits },
  { title: 'SECONDS', align: 'right', cell: (row) => row.seconds.toFixed(1) },
];

/** The table of measurements. */
export function renderThroughput(rows: readonly ThroughputJson[], terminal: boolean): string {
  return renderTable(rows, COLUMNS, terminal);
}
