#!/usr/bin/env node
// weft's command line: reads the options all verbs share, finds the verb, and turns whatever goes
// wrong into an exit code and one line (failure.ts).

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { reportFailure } from './failure.ts';
import { print, tolerateClosedOutputs } from './output.ts';
import { VERBS } from './verbs.ts';

function weft(): Command {
  const program = new Command('weft')
    .description('a userspace Ethernet switch')
    .option('--switch <name>', 'the switch a verb is about (default: the only running one)')
    .option('--json', 'print JSON')
    .option(
      '--run-dir <dir>',
      'where control sockets are (default: /run/weft, or $XDG_RUNTIME_DIR/weft without root; env WEFT_RUN_DIR)',
    )
    .option('-V, --version', 'print the version')
    .on('option:version', () => {
      print(version());
      throw new CommanderError(0, 'commander.version', '');
    })
    // Verbs inherit both: errors are thrown, and printed in one place.
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  for (const add of VERBS) add(program);
  return program;
}

/** From package.json, which lies in the same place beside a build and in an installed package. */
function version(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

tolerateClosedOutputs();
try {
  await weft().parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error);
}
