// `weft port`: ports of a running switch.

import type { Command } from 'commander';
import { callTarget, wantsJson } from './context.ts';
import { printJson } from './output.ts';

/** Adds the verb. */
export function addPort(program: Command): void {
  const port = program.command('port').description('add, remove and change ports of a running switch');
  port
    .command('add <spec>')
    .description('add a port, written KIND:TARGET[,name=NAME][,key=value]…')
    .action(async (text: string, _options: object, command: Command) => {
      const { parsePortSpec } = await import('../ports/spec.ts');
      const added = await callTarget(command, 'port_add', { spec: parsePortSpec(text) });
      if (wantsJson(command)) printJson(added);
    });
  port
    .command('del <name>')
    .description('remove a port')
    .action(async (name: string, _options: object, command: Command) => {
      await callTarget(command, 'port_del', { name });
    });
  port
    .command('set <name> <assignments...>')
    .usage('[options] <name> <key=value...>')
    .description('change settings: mtu, learning, flood, mcast_flood, bcast_flood, isolated, hairpin, group_fwd_mask')
    .action(async (name: string, assignments: string[], _options: object, command: Command) => {
      const { parsePortSettings } = await import('../ports/spec.ts');
      const changed = await callTarget(command, 'port_set', { name, settings: parsePortSettings(assignments) });
      if (wantsJson(command)) printJson(changed);
    });
}
