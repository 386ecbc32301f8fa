// `weft down`: ends a lab, or any switch, from another terminal. It returns when all is gone: a switch
// gives its name back last. A lab that does not run is no error, so that a script may call it twice.

import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { callSwitch } from '../control/client.ts';
import { ControlError, UsageError } from '../control/errors.ts';
import { lockPathOf, probeSocket, resolveRunDir, socketPathOf } from '../control/run-dir.ts';
import type { GlobalOptions } from './context.ts';
import { print, printJson } from './output.ts';

/** Longer than a lab may take to end. */
const END_MS = 15_000;
const POLL_MS = 20;

/** Adds the verb. */
export function addDown(program: Command): void {
  program
    .command('down')
    .description('stop the switch and the guests that weft up started')
    .argument('[file]', 'the YAML file given to weft up; or name the switch with --switch')
    .action(async (file: string | undefined, _options: object, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const runDir = resolveRunDir(options.runDir);
      const name = options.switch ?? (await nameOf(file));
      const stopped = await stopSwitch(runDir, name);
      if (options.json) printJson({ name, stopped });
      else print(stopped ? `${name} is stopped` : `${name} does not run, so there is nothing to stop`);
    });
}

async function nameOf(file: string | undefined): Promise<string> {
  if (file === undefined) throw new UsageError('weft down: give the YAML file of the lab, or name its switch with --switch');
  const [{ readConfigFile }, { NAME_DEFAULT }] = await Promise.all([import('../control/config.ts'), import('./run.ts')]);
  return readConfigFile(file).name ?? NAME_DEFAULT;
}

/** Stops a switch and waits until it is gone; false when none of that name runs. */
async function stopSwitch(runDir: string, name: string): Promise<boolean> {
  const socketPath = socketPathOf(runDir, name);
  const lockPath = lockPathOf(runDir, name);
  const state = existsSync(lockPath) ? await probeSocket(socketPath) : 'missing';
  if (state === 'missing' || state === 'stale') return false;
  await callSwitch(socketPath, 'stop', {});
  for (const deadline = performance.now() + END_MS; existsSync(lockPath); await sleep(POLL_MS)) {
    if (performance.now() > deadline) {
      throw new ControlError(`${name} was told to stop and still runs after ${END_MS / 1000} s; look at its log`);
    }
  }
  return true;
}
