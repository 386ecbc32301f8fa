// After a crash: undoes what switches of a run directory that are dead have left on the host. Each
// start of a switch does it, and `weft doctor --clean`. A switch is dead when the lock of its journal can be
// had; while we have it, a new switch of that name waits for us.

import { setTimeout as sleep } from 'node:timers/promises';
import { Journal } from '../ports/journal.ts';
import { type Undone, undoEntries } from '../ports/undo.ts';
import { ControlError, messageOf } from './errors.ts';
import { journalNames, journalPathOf } from './run-dir.ts';

/** How long a process that was killed may take to let go of a tap. */
const PATIENCE_MS = 2000;
/** How long others may take to clean up after us; a thousand taps take a second or two. */
const WAIT_MS = 10_000;
const POLL_MS = 10;

/** Something that was done after a switch, or is to be known about what it left. */
export interface Cleaned {
  /** The switch. */
  readonly name: string;
  /** The interface; undefined when it is about the journal itself. */
  readonly ifname: string | undefined;
  /** As of Undone; `failed` also for a journal that cannot be read. */
  readonly outcome: Undone['outcome'];
  /** A sentence. */
  readonly text: string;
}

/** Opens the journal of the switch `name`, whose lock we have. Rejects with SysError or ControlError. */
export async function openOwnJournal(runDir: string, name: string): Promise<Journal> {
  const file = journalPathOf(runDir, name);
  for (const deadline = performance.now() + WAIT_MS; performance.now() < deadline; await sleep(POLL_MS)) {
    const journal = Journal.open(file, true);
    if (journal !== undefined) return journal;
  }
  throw new ControlError(`another process has had ${file} locked for ${WAIT_MS / 1000} s; end it (\`fuser ${file}\` shows it)`);
}

/** Undoes what is in a journal; what cannot be undone yet stays in it. */
export async function cleanJournal(name: string, journal: Journal, patienceMs = PATIENCE_MS): Promise<Cleaned[]> {
  const complaints = journal.takeComplaints().map((text): Cleaned => ({ name, ifname: undefined, outcome: 'failed', text }));
  const undone = await undoEntries(journal.entries(), patienceMs);
  return [...complaints, ...undone.map((each) => ({ name, ...each }))];
}

/** Undoes what all dead switches of a run directory have left. Throws ControlError when it cannot be read. */
export async function cleanDeadSwitches(runDir: string): Promise<Cleaned[]> {
  const cleaned: Cleaned[] = [];
  for (const name of journalNames(runDir)) cleaned.push(...(await cleanDeadSwitch(runDir, name)));
  return cleaned;
}

/** Undoes what the switch `name` has left, if it is dead. */
export async function cleanDeadSwitch(runDir: string, name: string): Promise<Cleaned[]> {
  let journal: Journal | undefined;
  try {
    journal = Journal.open(journalPathOf(runDir, name), false);
    return journal === undefined ? [] : await cleanJournal(name, journal);
  } catch (error) {
    return [{ name, ifname: undefined, outcome: 'failed', text: messageOf(error) }];
  } finally {
    journal?.close();
  }
}
