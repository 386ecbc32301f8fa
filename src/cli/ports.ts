// `weft ports`: every port with its link, state and counters.

import type { Command } from 'commander';
import type { PortJson } from '../control/json.ts';
import { callTarget, wantsJson } from './context.ts';
import { isTerminal, print, printJson } from './output.ts';
import { type Column, renderTable } from './table.ts';

/** Adds the verb. */
export function addPorts(program: Command): void {
  program
    .command('ports')
    .description('show the ports')
    .action(async (_options: object, command: Command) => {
      const ports = await callTarget(command, 'ports', {});
      if (wantsJson(command)) printJson(ports);
      else print(renderPorts(ports, isTerminal()));
    });
}

const COLUMNS: readonly Column<PortJson>[] = [
  { title: 'PORT', cell: (port) => port.ifname },
  { title: 'NO', align: 'right', cell: (port) => port.port_no },
  { title: 'KIND', cell: (port) => port.kind },
  { title: 'LINK', cell: (port) => port.link },
  { title: 'STATE', cell: (port) => port.state },
  { title: 'MTU', align: 'right', cell: (port) => port.mtu },
  { title: 'MAC', cell: (port) => port.mac ?? '-' },
  { title: 'RX FRAMES', align: 'right', cell: (port) => port.rx_frames },
  { title: 'TX FRAMES', align: 'right', cell: (port) => port.tx_frames },
  { title: 'DROPS', align: 'right', cell: (port) => Object.values(port.drops).reduce((sum, count) => sum + count, 0) },
  { title: 'LEARNED', align: 'right', cell: (port) => port.learned },
  { title: 'NOTE', cell: noteOf },
];

/** The table of `weft ports`. */
export function renderPorts(ports: readonly PortJson[], terminal: boolean): string {
  return ports.length === 0 ? 'no ports; add one with weft port add SPEC' : renderTable(ports, COLUMNS, terminal);
}

function noteOf(port: PortJson): string {
  const notes = [port.purpose === 'plain' ? undefined : port.purpose, port.target === port.ifname ? undefined : port.target];
  if (port.settings.isolated) notes.push('isolated');
  if (port.settings.hairpin) notes.push('hairpin');
  if (!port.settings.learning) notes.push('learning off');
  if (port.link === 'down') notes.push(port.down_reason ?? undefined);
  return notes.filter((note) => note !== undefined).join(', ');
}
