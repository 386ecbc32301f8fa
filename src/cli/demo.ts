// `weft demo`, which is what `npm start` runs: a switch with the host, a "physical PC" behind an uplink
// and two QEMU guests on it; it shows that all of them reach each other.
//
// On a terminal the network stays up afterwards, for trying the other verbs; otherwise it is taken
// down. Nothing of it is left in any case: what a killed demo leaves, the next one removes.

import type { Command } from 'commander';
import { UsageError } from '../control/errors.ts';
import { resolveRunDir, socketPathOf } from '../control/run-dir.ts';
import type { GlobalOptions } from './context.ts';
import type { DemoOutcome } from './demo/demo-run.ts';
import { isTerminal, print, printJson } from './output.ts';

/** Two guests, a switch and a network are taken down in half a second; on a machine that is busy with other things, in this. */
const END_MS = 10_000;

interface DemoCommandOptions extends GlobalOptions {
  once?: boolean;
  rootless?: boolean;
}

/** Adds the verb. */
export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('start a switch with two guests, the host and a PC on it, and show that they reach each other')
    .option('--once', 'take everything down after the tries, on a terminal too')
    .option('--rootless', 'two guests only, on unix sockets: needs no root')
    .action(async (_options: object, command: Command) => {
      await demo(command.optsWithGlobals<DemoCommandOptions>());
    });
}

async function demo(options: DemoCommandOptions): Promise<void> {
  const { json = false, rootless = false } = options;
  if (!rootless && process.getuid?.() !== 0) {
    throw new UsageError(
      'weft demo makes network interfaces, which takes root: run it as root, or without as weft demo --rootless',
    );
  }
  const runDir = resolveRunDir(options.runDir);
  if (options.switch !== undefined) socketPathOf(runDir, options.switch);
  const [{ Demo }, { renderResult }, { Progress }, { runToEnd }] = await Promise.all([
    import('./demo/demo-run.ts'),
    import('./demo/report.ts'),
    import('./progress.ts'),
    import('./lifetime.ts'),
  ]);
  // JSON is alone on standard output.
  const progress = new Progress(json ? process.stderr : process.stdout);
  const terminal = isTerminal() && !json;
  const stays = process.stdout.isTTY === true && options.once !== true;
  const running = new Demo({ runDir, name: options.switch, rootless, terminal, progress });
  const startMs = performance.now();
  await runToEnd(
    async (ending) => {
      running.begin(ending, (outcome) => {
        const { result } = outcome;
        if (json) printJson(result);
        else print(renderResult(result, terminal));
        if (!result.ok) return;
        const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
        progress.say(`\nall ${result.pings.length} pairs reached each other, and TCP works (${seconds} s)`);
        if (!stays) return ending.request();
        void invite(options, runDir, outcome).then((text) => progress.say(`\n${text}`), ending.fail);
      });
      return running;
    },
    () => {},
    END_MS,
  );
}

/** What to do while the demo stays up. */
async function invite(options: DemoCommandOptions, runDir: string, { result, logDir, guests }: DemoOutcome): Promise<string> {
  const [{ findSwitches }, { renderInvitation }] = await Promise.all([
    import('../control/run-dir.ts'),
    import('./demo/report.ts'),
  ]);
  const others = (await findSwitches(runDir)).filter(({ name, state }) => state === 'running' && name !== result.switch);
  const isInstalled = process.argv[1]?.endsWith('/weft') === true;
  const words = [isInstalled ? 'weft' : 'npx weft'];
  if (options.runDir !== undefined) words.push('--run-dir', options.runDir);
  if (others.length > 0) words.push('--switch', result.switch);
  const where = isInstalled ? '' : `, in ${process.cwd()}`;
  const text = renderInvitation({ weft: words.join(' '), logDir, network: result.network, guests });
  return `It stays up until Ctrl-C. To try in another terminal${where}:\n\n${text}`;
}
