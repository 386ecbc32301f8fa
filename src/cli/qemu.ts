// `weft qemu`: QEMU in the foreground, with a card on a running switch (qemu-process.ts).

import { type Command, InvalidArgumentError } from 'commander';
import type { GuestVia } from '../control/config.ts';
import { targetSwitch } from './context.ts';
import type { QemuOptions } from './qemu-process.ts';

/** Adds the verb. */
export function addQemu(program: Command): void {
  program
    .command('qemu')
    .description('run QEMU with a network card on the switch; the port goes when QEMU ends')
    .usage("[options] -- <QEMU's arguments...>")
    .argument('[arguments...]', "QEMU's own arguments, after --")
    .option('--port <name>', 'name of the port and of the guest (default: the first free one of vm1, vm2, …)')
    .option('--model <card>', 'virtio-net-pci, e1000, rtl8139 or any other card QEMU has (default: virtio-net-pci)')
    .option('--mac <address>', 'address of the card (default: made from the names of switch and port)')
    .option('--via <way>', 'stream or dgram (QEMU 7.2 and later), tap, or auto', parseVia, 'auto')
    .action(async (args: string[], options: QemuOptions, command: Command) => {
      const socketPath = await targetSwitch(command);
      const { runQemu } = await import('./qemu-process.ts');
      process.exitCode = await runQemu(socketPath, args, options);
    });
}

function parseVia(text: string): GuestVia {
  if (text === 'auto' || text === 'stream' || text === 'dgram' || text === 'tap') return text;
  if (text === 'vhost-user') throw new InvalidArgumentError('weft has no vhost-user ports yet; use stream, dgram or tap.');
  throw new InvalidArgumentError('It is auto, stream, dgram or tap.');
}
