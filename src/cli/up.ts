// `weft up`: a whole lab from one YAML file, the switch and its guests (lab-process.ts), in the
// foreground until Ctrl-C or `weft down`. With --detach it is left running in the background once
// all is ready (detach.ts).

import { type Command, Option } from 'commander';
import { resolveRunDir, socketPathOf } from '../control/run-dir.ts';
import type { LogLevel } from '../loop/switch.ts';
import type { GlobalOptions } from './context.ts';
import { NAME_DEFAULT, parseLogLevel } from './run.ts';

interface UpOptions extends GlobalOptions {
  detach?: boolean;
  /** Set by --detach for the process it leaves behind. */
  detached?: boolean;
  logLevel: LogLevel;
  logJson?: boolean;
}

/** Adds the verb. */
export function addUp(program: Command): void {
  program
    .command('up')
    .description('start a lab, a switch and its guests, in the foreground')
    .argument('<file>', 'switch, host, uplink, ports and guests in YAML')
    .option('--detach', 'leave it running in the background, and return when all guests are ready')
    .option('--log-level <level>', 'debug, info, warn or error', parseLogLevel, 'info')
    .option('--log-json', 'write the log as JSON lines (--json does, too)')
    .addOption(new Option('--detached').hideHelp())
    .action(async (file: string, _options: object, command: Command) => {
      await up(file, command.optsWithGlobals<UpOptions>());
    });
}

async function up(file: string, options: UpOptions): Promise<void> {
  const runDir = resolveRunDir(options.runDir);
  const { readConfigFile } = await import('../control/config.ts');
  const read = readConfigFile(file);
  const config = { ...read, name: options.switch ?? read.name ?? NAME_DEFAULT };
  socketPathOf(runDir, config.name);
  const json = options.json === true;
  const logJson = json || options.logJson === true;
  if (options.detach) {
    const { leaveRunning } = await import('./detach.ts');
    const args = ['up', file, '--detached', '--switch', config.name, '--run-dir', runDir, '--log-level', options.logLevel];
    process.exitCode = await leaveRunning({ args: logJson ? [...args, '--log-json'] : args, runDir, name: config.name, json });
    return;
  }
  const { runLab } = await import('./lab-process.ts');
  await runLab(config, { runDir, json, logJson, logLevel: options.logLevel, detached: options.detached === true });
}
