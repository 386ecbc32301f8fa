// `weft run`: a switch in the foreground.

import type { Command } from 'commander';
import type { SwitchConfig } from '../control/config.ts';
import { UsageError } from '../control/errors.ts';
import { resolveRunDir, socketPathOf } from '../control/run-dir.ts';
import type { LogLevel } from '../loop/switch.ts';
import type { GlobalOptions } from './context.ts';
import { print, printJson } from './output.ts';

/** Name of a switch that nobody gave one. */
export const NAME_DEFAULT = 'weft0';

interface RunOptions extends GlobalOptions {
  config?: string;
  port: string[];
  host?: string;
  uplink?: string;
  stp?: string;
  fdbSize?: string;
  io?: string;
  logLevel: LogLevel;
  logJson?: boolean;
}

/** Adds the verb. */
export function addRun(program: Command): void {
  program
    .command('run')
    .description('run a switch in the foreground')
    .option('--config <file>', 'read switch, host, uplink, ports and settings from YAML')
    .option(
      '--port <spec>',
      'add a port, KIND:TARGET[,key=value]…; may be repeated',
      (spec: string, all: string[]) => [...all, spec],
      [],
    )
    .option('--host <ifname[,addr/len]>', "the host's own port: an interface, with an address")
    .option('--uplink <ifname>', 'the port that leads outside')
    .option('--stp <mode>', 'spanning tree: off, stp or rstp')
    .option('--fdb-size <entries>', 'addresses the FDB has room for')
    .option('--io <backend>', 'what to forward with: auto, io_uring or epoll (WEFT_IO does, too)')
    .option('--log-level <level>', 'debug, info, warn or error', parseLogLevel, 'info')
    .option('--log-json', 'write the log as JSON lines (--json does, too)')
    .action(async (_options: object, command: Command) => {
      await run(command.optsWithGlobals<RunOptions>());
    });
}

const LOG_LEVELS: readonly string[] = ['debug', 'info', 'warn', 'error'];

/** Reads a level of the log. Throws UsageError. */
export function parseLogLevel(text: string): string {
  if (LOG_LEVELS.includes(text)) return text;
  throw new UsageError(`--log-level ${text}: it is ${LOG_LEVELS.join(', ')}`);
}

async function run(options: RunOptions): Promise<void> {
  const runDir = resolveRunDir(options.runDir);
  const config = await configOf(options);
  socketPathOf(runDir, config.name);
  const [{ startDaemon }, { openLog }, { runToEnd }] = await Promise.all([
    import('../control/daemon.ts'),
    import('../control/log.ts'),
    import('./lifetime.ts'),
  ]);
  const json = options.json === true;
  const log = openLog({ level: options.logLevel, json: json || options.logJson === true, name: config.name });
  if (config.guests.length > 0) {
    log.write(
      'warn',
      `the ${config.guests.length} guests of ${options.config} are not started: weft run starts a switch only, weft up its guests too`,
    );
  }
  await runToEnd(
    async (ending) => {
      const daemon = await startDaemon(config, { runDir, log, onStopRequest: ending.request, onFailure: ending.fail });
      return {
        daemon,
        stop: async () => {
          await daemon.stop();
          log.close();
        },
      };
    },
    ({ daemon }) => {
      if (json) printJson({ name: config.name, ready: true, pid: process.pid, socket: daemon.socketPath });
      else print(`${config.name} ready`);
    },
  );
}

/** The file, then the command line over it; ports of both. Throws UsageError, ConfigError or SpecError. */
async function configOf(options: RunOptions): Promise<SwitchConfig & { name: string }> {
  const [{ parseFdbSize, parseHostOption, parseIo, parseUplinkOption, stpComplaint }, { parsePortSpec }] = await Promise.all([
    import('../control/config-options.ts'),
    import('../ports/spec.ts'),
  ]);
  if (options.stp !== undefined) {
    const complaint = stpComplaint(options.stp);
    if (complaint !== undefined) throw new UsageError(`--stp ${options.stp}: ${complaint}`);
  }
  let file: SwitchConfig = { ports: [], settings: {}, guests: [] };
  if (options.config !== undefined) file = (await import('../control/config.ts')).readConfigFile(options.config);
  return {
    ...file,
    name: options.switch ?? file.name ?? NAME_DEFAULT,
    ports: [...file.ports, ...options.port.map(parsePortSpec)],
    ...(options.host !== undefined && { host: parseHostOption(options.host) }),
    ...(options.uplink !== undefined && { uplink: parseUplinkOption(options.uplink) }),
    ...(options.fdbSize !== undefined && { fdbSize: parseFdbSize(options.fdbSize) }),
    ...(options.io !== undefined && { io: parseIo(options.io) }),
  };
}
