// What a demo made is written down before it is made, so that the next demo can remove what one left
// that was killed. Each demo has a name (its switch's) and
//
//   RUN_DIR/demos/NAME.lock      locked for as long as the demo lives
//   RUN_DIR/demos/NAME/          its journal, the guests' sockets and the logs of their consoles
//
// A demo is dead when its lock can be had. Whoever has the lock may remove what the journal names, and nothing
// else. A journal of another network namespace is left alone: its names mean nothing here.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { ControlError, codeOf } from '../../control/errors.ts';
import { cleanDeadSwitch } from '../../control/recovery.ts';
import { makeRunDir, probeSocket, socketPathOf } from '../../control/run-dir.ts';
import { lockSwitchName, type SwitchLock } from '../../control/switch-lock.ts';
import { type DemoNetwork, removeNetwork } from './network.ts';

/** Demos at once; each has two guests. */
const DEMOS_MAX = 64;
const NAME_DEFAULT = 'demo';
const JOURNAL = 'journal.json';

interface Journal {
  /** The network namespace it is about, as /proc/self/ns/net shows it. */
  readonly netns: string;
  readonly network?: DemoNetwork;
}

/** A name that is ours until it is released, and the folder that goes with it. */
export interface DemoClaim {
  readonly name: string;
  readonly dir: string;
  /** Notes what is about to be made. */
  record(network: DemoNetwork): void;
  /** Removes what is noted, then the folder, and gives the name back. Rejects, and keeps the note, if something cannot be removed. */
  release(): Promise<void>;
}

/** Takes `asked`, or else the first of demo, demo2, … that no demo and no switch has. Throws ControlError or UsageError. */
export async function claimDemo(runDir: string, asked: string | undefined): Promise<DemoClaim> {
  makeRunDir(demosDir(runDir));
  if (asked !== undefined) return claim(runDir, asked, lockSwitchName(demosDir(runDir), asked));
  for (let n = 1; n <= DEMOS_MAX; n++) {
    const name = n === 1 ? NAME_DEFAULT : `${NAME_DEFAULT}${n}`;
    const state = await probeSocket(socketPathOf(runDir, name));
    const lock = state === 'running' || state === 'stuck' ? undefined : tryLock(demosDir(runDir), name);
    if (lock !== undefined) return claim(runDir, name, lock);
  }
  throw new ControlError(`${DEMOS_MAX} demos run already; end some, or choose a name with --switch`);
}

/** Removes what dead demos left behind; resolves to their names. Throws ControlError when something cannot be removed. */
export async function removeDeadDemos(runDir: string): Promise<string[]> {
  const removed: string[] = [];
  for (const name of demoNames(runDir)) {
    const { netns } = readJournal(runDir, name);
    if (netns !== undefined && netns !== ownNetns()) continue;
    const lock = tryLock(demosDir(runDir), name);
    if (lock === undefined) continue;
    try {
      await removeLeftovers(runDir, name);
      await removeStaleSwitch(runDir, name);
      removed.push(name);
    } finally {
      lock.release();
    }
  }
  return removed;
}

/** Subnets (`10.76.1`) of all demos of this run directory. */
export function demoSubnets(runDir: string): string[] {
  return demoNames(runDir).flatMap((name) => readJournal(runDir, name).network?.subnet ?? []);
}

async function claim(runDir: string, name: string, lock: SwitchLock): Promise<DemoClaim> {
  const dir = path.join(demosDir(runDir), name);
  try {
    await removeLeftovers(runDir, name);
    mkdirSync(dir, { recursive: true, mode: 0o755 });
  } catch (error) {
    lock.release();
    throw error;
  }
  return {
    name,
    dir,
    record: (network) => writeJournal(dir, { netns: ownNetns(), network }),
    release: async () => {
      try {
        await removeLeftovers(runDir, name);
      } finally {
        lock.release();
      }
      removeEmpty(demosDir(runDir));
    },
  };
}

/** Everything of one demo, whose lock we have. */
async function removeLeftovers(runDir: string, name: string): Promise<void> {
  const { network } = readJournal(runDir, name);
  if (network !== undefined) await removeNetwork(network);
  rmSync(path.join(demosDir(runDir), name), { recursive: true, force: true });
}

/** What a switch that was killed with its demo has left: interfaces, journal, control socket and lock file. */
async function removeStaleSwitch(runDir: string, name: string): Promise<void> {
  await cleanDeadSwitch(runDir, name);
  const lock = tryLock(runDir, name);
  if (lock === undefined) return;
  rmSync(socketPathOf(runDir, name), { force: true });
  lock.release();
}

function tryLock(dir: string, name: string): SwitchLock | undefined {
  try {
    return lockSwitchName(dir, name);
  } catch (error) {
    if (error instanceof ControlError) return undefined;
    throw error;
  }
}

function demosDir(runDir: string): string {
  return path.join(runDir, 'demos');
}

function demoNames(runDir: string): string[] {
  const dir = demosDir(runDir);
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

/** The journal of a demo; an empty one for a demo that made nothing. A broken file means that: it is renamed into place when complete. */
function readJournal(runDir: string, name: string): Partial<Journal> {
  try {
    return JSON.parse(readFileSync(path.join(demosDir(runDir), name, JOURNAL), 'utf8')) as Journal;
  } catch {
    return {};
  }
}

function writeJournal(dir: string, journal: Journal): void {
  const file = path.join(dir, JOURNAL);
  writeFileSync(`${file}.tmp`, `${JSON.stringify(journal)}\n`);
  renameSync(`${file}.tmp`, file);
}

/** Another demo may be making its lock in there right now; then it stays. */
function removeEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch (error) {
    if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'ENOENT') throw error;
  }
}

function ownNetns(): string {
  return readlinkSync('/proc/self/ns/net');
}
