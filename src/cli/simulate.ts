// `weft simulate FILE…`: runs scenario files through the production bridge in virtual time.
//
// For people one line a step and one a scenario; with --json one line of JSON a scenario:
//
//   {"file", "id", "ok", "steps": [{"op", "ok", "got", "expected", "note"?}], "faults": []}
//
// A checklist (an entry without steps) has `"ok": null, "skipped": "no steps"`; an entry that cannot
// be run has `"ok": false, "error": "…"`. Everything that can be run is run, whatever else was wrong.
//
// Exit code: 0 when every expectation held, 1 when one failed, 2 when a file could not be read or an
// entry not be run; a sentence on standard error names file, entry and operation.

import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { readTextFile, TextFileError } from '../control/text-file.ts';
import type { ScenarioResult, StepResult } from '../sim/frame-scenario.ts';
import type { Entry } from '../sim/scenario.ts';
import { harmless } from './failure.ts';

/** Octets of a scenario file. */
const FILE_LEN_MAX = 1 << 26;

/** Where `simulateCommand` prints; process.stdout and process.stderr unless a test listens. */
export interface SimulateOptions {
  json?: boolean;
  print?: (line: string) => void;
  complain?: (line: string) => void;
}

/** Adds the verb. */
export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .description('run scenario files through the bridge in virtual time')
    .argument('<file...>', 'scenario file, or FILE#ID for one scenario of it')
    .action(async (files: string[], _options: object, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      process.exitCode = await simulateCommand(files, { json: json === true });
    });
}

/** Runs `files`, each a path or `PATH#ID`; returns the exit code. */
export async function simulateCommand(files: readonly string[], options: SimulateOptions = {}): Promise<number> {
  const report = new Report(options);
  const simulator = await loadSimulator();
  for (const file of files) simulateFile(file, simulator, report);
  report.end();
  return report.exitCode;
}

type Simulator = Awaited<ReturnType<typeof loadSimulator>>;

/** The bridge and the simulator, which no other verb has to load. */
async function loadSimulator() {
  const [{ runEntry }, { entriesOf }, { ScenarioError }] = await Promise.all([
    import('../sim/run-entry.ts'),
    import('../sim/scenario.ts'),
    import('../sim/step.ts'),
  ]);
  return { runEntry, entriesOf, ScenarioError };
}

function simulateFile(argument: string, simulator: Simulator, report: Report): void {
  // A path may have a # of its own.
  const hash = existsSync(argument) ? -1 : argument.lastIndexOf('#');
  const path = hash < 0 ? argument : argument.slice(0, hash);
  const wanted = hash < 0 ? undefined : argument.slice(hash + 1);
  const entries = readEntries(path, simulator, report);
  if (entries === undefined) return;
  const chosen = wanted === undefined ? entries : entries.filter(({ id }) => id === wanted);
  if (wanted !== undefined) {
    const [entry] = chosen;
    if (entry === undefined)
      report.refuse(`${path} has no scenario '${wanted}'; it has ${entries.map(({ id }) => id).join(', ')}`);
    if (entry?.hasSteps !== true) {
      if (entry !== undefined) report.refuse(`${path}: '${wanted}' is a checklist without steps, so there is nothing to run`);
      return;
    }
  }
  for (const entry of chosen) simulateEntry(path, entry, simulator, report);
}

function readEntries(path: string, { entriesOf, ScenarioError }: Simulator, report: Report): Entry[] | undefined {
  let text: string;
  try {
    text = readTextFile(path, FILE_LEN_MAX);
  } catch (error) {
    if (!(error instanceof TextFileError)) throw error;
    report.refuse(error.message === 'ENOENT' ? `there is no file ${path}` : `cannot read ${path} (${error.message})`);
    return undefined;
  }
  try {
    return entriesOf(JSON.parse(text));
  } catch (error) {
    if (error instanceof ScenarioError) report.refuse(`${path} ${error.message}`);
    else if (error instanceof SyntaxError) report.refuse(`${path} is not JSON: ${error.message.replaceAll(/\s+/g, ' ')}`);
    else throw error;
    return undefined;
  }
}

function simulateEntry(file: string, entry: Entry, simulator: Simulator, report: Report): void {
  const { runEntry, ScenarioError } = simulator;
  if (!entry.hasSteps) {
    report.skip(file, entry.id);
    return;
  }
  try {
    report.scenario(file, runEntry(entry));
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    report.refuseEntry(file, entry.id, error.message);
  }
}

/** Prints as it goes, and counts. */
class Report {
  exitCode = 0;
  readonly #isJson: boolean;
  readonly #print: (line: string) => void;
  readonly #complain: (line: string) => void;
  readonly #counts = { ok: 0, failed: 0, skipped: 0, refused: 0 };

  constructor({ json = false, print = (line) => process.stdout.write(`${line}\n`), complain }: SimulateOptions) {
    this.#isJson = json;
    this.#print = print;
    this.#complain = complain ?? ((line) => process.stderr.write(`${line}\n`));
  }

  /** A file or a choice that cannot be run. */
  refuse(sentence: string): void {
    this.exitCode = 2;
    this.#complain(`weft: ${harmless(sentence)}`);
  }

  /** An entry that cannot be run. */
  refuseEntry(file: string, id: string, sentence: string): void {
    this.#counts.refused++;
    this.refuse(`${file}#${id}: ${sentence}`);
    if (this.#isJson) this.#printJson({ file, id, ok: false, error: sentence, steps: [] });
    else this.#print(`${id}: cannot be run`);
  }

  skip(file: string, id: string): void {
    this.#counts.skipped++;
    if (this.#isJson) this.#printJson({ file, id, ok: null, skipped: 'no steps', steps: [] });
    else this.#print(`${id}: skipped, no steps`);
  }

  scenario(file: string, { id, ok, steps, faults }: ScenarioResult): void {
    if (ok) this.#counts.ok++;
    else this.#counts.failed++;
    if (!ok && this.exitCode === 0) this.exitCode = 1;
    if (this.#isJson) {
      const shown = steps.map(({ op, ok: isOk, got, expected, note }) => ({
        op,
        ok: isOk,
        got,
        expected,
        ...(note !== undefined && { note }),
      }));
      this.#printJson({ file, id, ok, steps: shown, faults });
      return;
    }
    this.#print(id);
    for (const [n, step] of steps.entries()) {
      const number = `${n + 1}`.padStart(4);
      this.#print(`  ${step.ok ? 'ok  ' : 'FAIL'} ${number}  ${step.text}${step.ok ? outText(step) : ''}`);
      if (step.ok) continue;
      this.#print(`             got ${JSON.stringify(step.got)}, expected ${JSON.stringify(step.expected)}`);
      if (step.note !== undefined) this.#print(`             note: ${step.note}`);
    }
    for (const fault of faults) this.#print(`  FAIL       ${fault}`);
    this.#print(`${id}: ${ok ? 'ok' : 'FAILED'}`);
  }

  /** The last line. */
  end(): void {
    const { ok, failed, skipped, refused } = this.#counts;
    if (this.#isJson || ok + failed + skipped + refused === 0) return;
    const parts = [`${ok} ok`, `${failed} failed`];
    if (refused > 0) parts.push(`${refused} cannot be run`);
    if (skipped > 0) parts.push(`${skipped} skipped`);
    this.#print(`scenarios: ${parts.join(', ')}`);
  }

  #printJson(value: unknown): void {
    this.#print(JSON.stringify(value));
  }
}

/** Where a checked frame went. */
function outText({ op, got, expected }: StepResult): string {
  if (op !== 'frame' || expected === null || !Array.isArray(got)) return '';
  return got.length === 0 ? '; out nowhere' : `; out ${got.join(', ')}`;
}
