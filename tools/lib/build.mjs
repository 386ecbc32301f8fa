// Compiles the TypeScript sources into build/, only when they changed since it was done last. Output
// whose source is gone is removed, because a test runner would still find it.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { runLogged } from './run.mjs';

const FOLDERS = ['src', 'test', 'bench'];

/** Every file under `folder` of `root` that ends in one of `endings`, as paths relative to `root`, sorted. */
export function listFiles(root, folder, endings) {
  const start = path.join(root, folder);
  if (!fs.existsSync(start)) return [];
  return fs
    .readdirSync(start, { recursive: true })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .map((name) => path.join(folder, name))
    .sort();
}

/**
 * Brings build/ up to date. Resolves to undefined, or to the compiler's complaints; what it could compile
 * is there in both cases.
 */
export async function buildProject(root, log) {
  const sources = FOLDERS.flatMap((folder) => listFiles(root, folder, ['.ts'])).filter((name) => !name.endsWith('.d.ts'));
  removeStale(root, sources);
  const stamp = path.join(root, 'build', 'setup', 'sources.sha256');
  const isComplete = sources.every((name) => fs.existsSync(path.join(root, 'build', name.replace(/\.ts$/, '.js'))));
  const digest = digestOf(root, [...sources, 'tsconfig.json', 'package-lock.json']);
  if (isComplete && fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === digest) return undefined;
  // tsc trusts its own notes and would not write again what somebody removed.
  if (!isComplete) fs.rmSync(path.join(root, 'build', '.tsbuildinfo'), { force: true });
  fs.rmSync(stamp, { force: true });

  const tsc = path.join(root, 'node_modules', '.bin', 'tsc');
  const args = [tsc, '-p', 'tsconfig.json', '--pretty', 'false'];
  const before = log.size();
  if (!(await runLogged('compiling', process.execPath, args, { cwd: root, log, mayFail: true }))) return log.since(before);
  fs.mkdirSync(path.dirname(stamp), { recursive: true });
  fs.writeFileSync(stamp, digest);
  return undefined;
}

function digestOf(root, names) {
  const hash = createHash('sha256');
  for (const name of names)
    hash
      .update(`${name}\0`)
      .update(fs.readFileSync(path.join(root, name)))
      .update('\0');
  return hash.digest('hex');
}

function removeStale(root, sources) {
  const wanted = new Set(sources.flatMap((name) => [name.replace(/\.ts$/, '.js'), name.replace(/\.ts$/, '.js.map')]));
  for (const folder of FOLDERS) {
    for (const name of listFiles(path.join(root, 'build'), folder, ['.js', '.js.map'])) {
      if (!wanted.has(name)) fs.rmSync(path.join(root, 'build', name));
    }
  }
}
