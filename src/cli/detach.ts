// Leaving a lab in the background. `weft up --detach` starts itself again, in a session of its own, and
// waits on a channel for one word (lab-channel.ts). Until then the two belong together, so that an
// impatient Ctrl-C leaves nothing running; after it the lab is on its own.

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { ControlError, codeOf, messageOf } from '../control/errors.ts';
import { makeRunDir } from '../control/run-dir.ts';
import { type LabWord, labDir, labLogPath, readySentence } from './lab-channel.ts';
import { print, printJson } from './output.ts';

/** Starts weft with `args` in the background; resolves to the exit status when it is ready or has failed. */
export async function leaveRunning({
  args,
  runDir,
  name,
  json,
}: {
  args: readonly string[];
  runDir: string;
  name: string;
  json: boolean;
}): Promise<number> {
  const log = labLogPath(runDir, name);
  const child = startDetached(args, runDir, log, name);
  const word = await wordOf(child);
  if (typeof word === 'string') {
    console.error(`weft: the lab ended (${word}) before it was ready; ${log} says more`);
    return 1;
  }
  if (word.type === 'failed') {
    if (word.line !== undefined) console.error(`weft: ${word.line}`);
    return word.exitCode;
  }
  child.disconnect();
  child.unref();
  if (json) printJson(word.lab);
  else print(readySentence(word.lab));
  if (word.lab.ready) return 0;
  console.error(`weft: not every guest of ${name} came up; ${log} says why, and the others run until weft down`);
  return 1;
}

function startDetached(args: readonly string[], runDir: string, log: string, name: string): ChildProcess {
  makeRunDir(runDir);
  let fd: number;
  try {
    fs.mkdirSync(labDir(runDir, name), { recursive: true });
    fd = fs.openSync(log, 'a', 0o640);
  } catch (error) {
    throw new ControlError(`cannot write the log ${log} (${codeOf(error) ?? messageOf(error)}); name another --run-dir`);
  }
  try {
    const program = process.argv[1] as string;
    return spawn(process.execPath, [program, ...args], { detached: true, stdio: ['ignore', 'ignore', fd, 'ipc'] });
  } finally {
    fs.closeSync(fd);
  }
}

/** The lab's word, or how it ended without one. A signal to us is passed on to it. */
function wordOf(child: ChildProcess): Promise<LabWord | string> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill('SIGTERM'));
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(message as LabWord));
    child.once('error', (error) => resolve(error.message));
    // Its word may still be on the way when the end is known.
    child.once('close', (status, signal) => resolve(signal ?? `exit status ${status}`));
  });
}
