// The options every verb has, and the way from them to a running switch.

import type { Command } from 'commander';
import { callSwitch } from '../control/client.ts';
import type { MethodName, Params, Results } from '../control/protocol.ts';
import { resolveRunDir, selectSwitch } from '../control/run-dir.ts';

/** Options of the program, valid before and after a verb. */
export interface GlobalOptions {
  switch?: string;
  json?: boolean;
  runDir?: string;
}

/** Whether a verb prints JSON. */
export function wantsJson(command: Command): boolean {
  return command.optsWithGlobals<GlobalOptions>().json === true;
}

/** The control socket of the switch that a verb is about. Throws a sentence when there is none, or no single one. */
export function targetSwitch(command: Command): Promise<string> {
  const options = command.optsWithGlobals<GlobalOptions>();
  return selectSwitch(resolveRunDir(options.runDir), options.switch);
}

/** Calls a method of the switch that a verb is about. */
export async function callTarget<M extends MethodName>(command: Command, method: M, params: Params<M>): Promise<Results[M]> {
  return callSwitch(await targetSwitch(command), method, params);
}
