// What the demo tells people besides its steps: who is who, what came out, and what to try next.

import { styleText } from 'node:util';
import type { DropJson, FdbJson, PortJson } from '../../control/json.ts';
import { renderDrops } from '../drops.ts';
import { renderFdb } from '../fdb.ts';
import { renderPorts } from '../ports.ts';
import { type Column, renderTable } from '../table.ts';
import type { DemoNetwork } from './network.ts';
import { lostPairs, type PingJson, renderMatrix } from './ping-matrix.ts';
import { renderThroughput, type ThroughputJson } from './throughput.ts';

/** What `weft --json demo` prints once everything was tried. */
export interface DemoJson {
  /** Every pair reached each other; TCP worked too, or there would be no result. */
  ok: boolean;
  switch: string;
  network: DemoNetwork | null;
  pings: PingJson[];
  throughput: ThroughputJson[];
  ports: PortJson[];
  fdb: FdbJson[];
  drops: DropJson[];
}

/** One station, as it is introduced. */
export interface Introduction {
  name: string;
  address: string;
  what: string;
}

const INTRODUCTION: readonly Column<Introduction>[] = [
  { title: 'NAME', cell: (row) => row.name },
  { title: 'ADDRESS', cell: (row) => row.address },
  { title: 'WHAT', cell: (row) => row.what },
];

/** The table of stations. */
export function renderIntroduction(rows: readonly Introduction[], terminal: boolean): string {
  return renderTable(rows, INTRODUCTION, terminal);
}

/** What came out, as tables under headings; those of the switch as its verbs show them, drops only when something was lost. */
export function renderResult(result: DemoJson, terminal: boolean): string {
  const sections: [string, string][] = [
    ['ping: shortest of three round trips', renderMatrix(result.pings, terminal)],
    ...(result.throughput.length === 0
      ? []
      : [['TCP throughput (iperf3)', renderThroughput(result.throughput, terminal)] as [string, string]]),
    ['FDB (weft fdb)', renderFdb(result.fdb, terminal)],
    ['ports (weft ports)', renderPorts(result.ports, terminal)],
    ...(result.ok ? [] : [['drops (weft drops)', renderDrops(result.drops, terminal)] as [string, string]]),
  ];
  const heading = (title: string) => (terminal ? styleText('bold', title, { validateStream: false }) : title);
  return sections.map(([title, table]) => `\n${heading(title)}\n\n${indented(table)}\n`).join('');
}

/** What is wrong with the pings, as a sentence; undefined when every pair reached each other. */
export function lossSentence({ pings, network }: Pick<DemoJson, 'pings' | 'network'>): string | undefined {
  const lost = lostPairs(pings);
  if (lost.length === 0) return undefined;
  const isHostOnly = lost.every((pair) => pair.split(' > ').includes('host'));
  const guess = isHostOnly ? `; all with the host, so look whether its firewall lets ICMP through on ${network?.host}` : '';
  return `${lost.length} of ${pings.length} pairs did not reach each other: ${lost.join(', ')}${guess}`;
}

/** How the demo is looked at from another terminal. */
export interface Surroundings {
  /** The command line up to the verb: `npx weft --switch demo2`. */
  weft: string;
  /** Folder of the guests' console logs. */
  logDir: string;
  network: DemoNetwork | null;
  guests: readonly { name: string; address: string }[];
}

/** What to try while the demo stays up. */
export function renderInvitation({ weft, logDir, network, guests }: Surroundings): string {
  const [first, second] = guests;
  const rows: [string, string][] = [
    [`${weft} stats`, 'counters and rates of every port; also show, ports, fdb, drops'],
    [`${weft} port set ${first?.name} isolated=on`, `do so with ${second?.name} too, and the two no longer reach each other`],
    [`${weft} fdb flush`, 'forget who is where, and watch it learn again'],
  ];
  if (network !== null) {
    rows.push(
      [`ping ${first?.address}`, `the host reaches ${first?.name}`],
      [`ip netns exec ${network.netns} iperf3 -c ${second?.address}`, `TCP from the PC to ${second?.name}`],
      [`busybox telnet ${first?.address}`, `a shell in ${first?.name}, through the switch`],
    );
  }
  rows.push([`tail -f ${logDir}/${first?.name}.log`, `the console of ${first?.name}`]);
  const width = Math.max(...rows.map(([command]) => command.length));
  return rows.map(([command, what]) => `  ${command.padEnd(width)}  ${what}`).join('\n');
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
