// Which folder of src may import which: architecture.md's arrows as one table, written out
// transitively. An arrow points down, and what is reached through a folder may be named directly
// too, because a type should be imported from where it is declared and not be re-exported on the way:
// cli prints the bridge's snapshot, control carries it. What no chain of arrows reaches stays refused:
// relay and stp do not know each other, sys knows no frame, wire no port, and only cli sees sim.
//
// ports stands beside the bridge, not above it. It speaks the relay's vocabulary (a batch, egress
// results, drop reasons, the limits in their sizes, the header a batch's snapshot writes on egress) and
// knows none of its decisions.
//
// launch stands beside cli, above control: both drive a switch from the main thread; cli starts
// guests through it, and it knows nothing of the command line.

import path from 'node:path';
import { type Fault, faultAt, importsOf, type Source } from './source.ts';

/** Folders without Node, clock, randomness and output. */
export const PURE_FOLDERS: readonly string[] = ['lib', 'wire', 'relay', 'stp', 'bridge', 'sim'];

const RELAY_VOCABULARY = ['relay/batch', 'relay/egress', 'relay/drop-reason', 'relay/limits', 'relay/snapshot'];
const BRIDGE = ['bridge', 'relay', 'stp', 'wire', 'lib'];
const LOOP = ['loop', 'ports', 'sys', ...BRIDGE];

/** Folders (`relay`) or single files (`relay/batch`) each folder may import, besides its own. */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  wire: ['lib'],
  relay: ['wire', 'lib'],
  stp: ['wire', 'lib'],
  bridge: BRIDGE,
  sim: BRIDGE,
  sys: ['lib'],
  ports: ['sys', 'wire', 'lib', ...RELAY_VOCABULARY],
  loop: LOOP,
  control: ['control', ...LOOP],
  launch: ['control', ...LOOP],
  cli: ['control', 'launch', 'sim', ...LOOP],
};

/** Folders that may import a package; packages not named here may be imported outside the pure folders. */
const PACKAGE_FOLDERS: Readonly<Record<string, readonly string[]>> = { koffi: ['sys'], commander: ['cli'] };

/** What is wrong with the imports of one file of src. */
export function importFaults(source: Source): Fault[] {
  const [, folder = ''] = source.name.split('/');
  const allowed = ARROWS[folder];
  if (allowed === undefined) return [`${source.name}: folder ${folder} has no row in the table of arrows`];
  const faults: Fault[] = [];
  for (const { specifier, node } of importsOf(source)) {
    const what = specifier.startsWith('.')
      ? relativeFault(source.name, folder, specifier, allowed)
      : packageFault(folder, specifier);
    if (what !== undefined) faults.push(faultAt(source, node, what));
  }
  return faults;
}

function relativeFault(name: string, folder: string, specifier: string, allowed: readonly string[]): string | undefined {
  const target = path.posix.join(path.posix.dirname(name), specifier);
  // Compiled code finds these from build/, one folder deeper than the source.
  if (!target.startsWith('src/'))
    return /^(\.\.\/)?(package\.json|tools\/guest-image\.mjs)$/.test(target)
      ? undefined
      : `imports ${target}, which is outside src`;
  const file = target.slice('src/'.length).replace(/\.(ts|js)$/, '');
  const [targetFolder = ''] = file.split('/');
  if (targetFolder === folder || allowed.includes(targetFolder) || allowed.includes(file)) return undefined;
  return `${folder} may not import ${file}: no arrow leads there`;
}

function packageFault(folder: string, specifier: string): string | undefined {
  if (PURE_FOLDERS.includes(folder)) return `${folder} is pure and may not import ${specifier}`;
  const folders = PACKAGE_FOLDERS[specifier];
  if (folders === undefined || folders.includes(folder)) return undefined;
  return `only ${folders.join(' and ')} may import ${specifier}`;
}
