// The npm packages: installs exactly what package-lock.json names, and only when something else is
// there. npm leaves a list of what it installed in node_modules/.package-lock.json, written last, so
// comparing the two files needs no stamp of our own and notices an install that was cut short.
//
// cap and raw-socket are compiled during the install. They are optional, so npm passes over a failed
// compilation in silence; tests need them, so the set-up of tests loads them to see.

import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { outputOf, runLogged, which } from './run.mjs';
import { ToolError } from './say.mjs';

/** Whether node_modules holds what package-lock.json names. Optional packages of other systems may be absent. */
export function isInstalled(root) {
  const wanted = readPackages(path.join(root, 'package-lock.json'));
  const found = readPackages(path.join(root, 'node_modules', '.package-lock.json'));
  if (wanted === undefined)
    throw new ToolError(`${path.join(root, 'package-lock.json')} is missing or damaged: check it out again`);
  if (found === undefined) return false;
  return Object.entries(wanted).every(([place, { version, optional }]) => {
    if (place === '') return true;
    return found[place] === undefined ? optional === true : found[place].version === version;
  });
}

function readPackages(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Runs npm ci. */
export async function installNpmPackages(root, log) {
  // npm names itself to the scripts it runs; called by hand, it is on the PATH.
  const own = process.env.npm_execpath;
  const npm = own?.endsWith('.js') ? [process.execPath, own] : [which('npm')];
  if (npm[0] === undefined) throw new ToolError('npm is missing, and weft is set up with it: install it beside Node.js', 2);
  // node-gyp would download Node's headers; where they came with Node it is told so.
  const prefix = path.dirname(path.dirname(process.execPath));
  const hasHeaders = fs.existsSync(path.join(prefix, 'include', 'node', 'node.h'));
  const env = hasHeaders ? { ...process.env, npm_config_nodedir: prefix } : process.env;
  const args = [...npm.slice(1), 'ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  await runLogged('installing the npm packages of package-lock.json', npm[0], args, { cwd: root, env, log });
}

/** The packages among `names` that do not load, each tried in a process of its own, since a bad addon can end one. */
export async function unloadable(root, names) {
  const outcomes = await Promise.all(
    names.map((name) => outputOf(process.execPath, ['-e', `require('${name}')`], { cwd: root })),
  );
  return names.filter((_, k) => outcomes[k] === undefined);
}
