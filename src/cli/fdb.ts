// `weft fdb`: what the switch knows of where stations are, and changing it.

import type { Command } from 'commander';
import type { FdbJson } from '../control/json.ts';
import { callTarget, wantsJson } from './context.ts';
import { isTerminal, print, printJson } from './output.ts';
import { type Column, renderTable } from './table.ts';

/** Adds the verb. */
export function addFdb(program: Command): void {
  const fdb = program
    .command('fdb')
    .description('show the FDB, or change it')
    .action(async (_options: object, command: Command) => {
      const entries = await callTarget(command, 'fdb', {});
      if (wantsJson(command)) printJson(entries);
      else print(renderFdb(entries, isTerminal()));
    });
  fdb
    .command('add <mac> <port>')
    .description('say where a station is; without --static the entry ages as a learned one')
    .option('--static', 'keep the entry, and do not let the station move')
    .action(async (mac: string, port: string, options: { static?: boolean }, command: Command) => {
      await callTarget(command, 'fdb_add', { mac, port, static: options.static === true });
    });
  fdb
    .command('del <mac>')
    .description('remove an entry of any kind')
    .action(async (mac: string, _options: object, command: Command) => {
      await callTarget(command, 'fdb_del', { mac });
    });
  fdb
    .command('flush')
    .description('forget what was learned')
    .option('--port <name>', 'on this port only')
    .action(async (options: { port?: string }, command: Command) => {
      await callTarget(command, 'fdb_flush', options.port === undefined ? {} : { port: options.port });
    });
}

/** The table of `weft fdb`. */
export function renderFdb(entries: readonly FdbJson[], terminal: boolean): string {
  if (entries.length === 0) return 'the FDB is empty';
  const columns: Column<FdbJson>[] = [
    { title: 'MAC', cell: (entry) => entry.mac },
    { title: 'PORT', cell: (entry) => entry.ifname },
    ...(entries.some((entry) => entry.vlan !== undefined)
      ? [{ title: 'VLAN', align: 'right' as const, cell: (entry: FdbJson) => entry.vlan ?? '-' }]
      : []),
    { title: 'STATE', cell: (entry) => entry.state },
    { title: 'AGE', align: 'right', cell: (entry) => (entry.state === 'dynamic' ? `${entry.age_s} s` : '-') },
    { title: 'FLAGS', cell: (entry) => entry.flags.join(' ') },
  ];
  return renderTable(entries, columns, terminal);
}
