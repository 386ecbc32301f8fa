// `weft doctor`: looks after the host that switches run on. With --clean it undoes what switches that were
// killed have left behind, as the next start of any switch of the run directory would.

import type { Command } from 'commander';
import { resolveRunDir } from '../control/run-dir.ts';
import type { GlobalOptions } from './context.ts';
import { print, printJson } from './output.ts';

/** Adds the verb. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('remove what switches that were killed have left on this host')
    .requiredOption('--clean', 'undo what dead switches of the run directory changed, and say what that was')
    .action(async (_options: object, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { cleanDeadSwitches } = await import('../control/recovery.ts');
      const cleaned = await cleanDeadSwitches(resolveRunDir(options.runDir));
      if (options.json === true) {
        printJson(cleaned.map(({ name, ifname, outcome, text }) => ({ switch: name, ifname: ifname ?? null, outcome, text })));
      } else {
        print(cleaned.length === 0 ? 'nothing to clean' : cleaned.map(({ name, text }) => `${name}: ${text}`).join('\n'));
      }
      if (cleaned.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1;
    });
}
