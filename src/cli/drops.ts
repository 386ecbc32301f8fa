// `weft drops`: every frame that was not relayed or sent, by port and reason, with the last of each.

import type { Command } from 'commander';
import type { DropJson } from '../control/json.ts';
import { callTarget, wantsJson } from './context.ts';
import { isTerminal, print, printJson } from './output.ts';
import { type Column, durationText, renderTable } from './table.ts';

/** Adds the verb. */
export function addDrops(program: Command): void {
  program
    .command('drops')
    .description('show what was dropped, where and why')
    .action(async (_options: object, command: Command) => {
      const drops = await callTarget(command, 'drops', {});
      if (wantsJson(command)) printJson(drops);
      else print(renderDrops(drops, isTerminal()));
    });
}

const COLUMNS: readonly Column<DropJson>[] = [
  { title: 'PORT', cell: (drop) => drop.ifname },
  { title: 'COUNT', align: 'right', cell: (drop) => drop.count },
  { title: 'REASON', cell: (drop) => drop.reason },
  { title: 'MEANING', cell: (drop) => drop.text },
  { title: 'LAST FRAME', cell: lastText },
];

/** The table of `weft drops`. */
export function renderDrops(drops: readonly DropJson[], terminal: boolean): string {
  return drops.length === 0 ? 'nothing was dropped' : renderTable(drops, COLUMNS, terminal);
}

function lastText({ last }: DropJson): string {
  if (last === null) return '-';
  const type = `0x${last.ethertype.toString(16).padStart(4, '0')}`;
  return `${last.src} > ${last.dst}, type ${type}, ${last.len} octets, ${durationText(last.age_s)} ago`;
}
