// `npm test`: sets up what is missing, then runs every test and ends with one line,
// `N passed, N failed` or `N passed, N failed, N skipped`; the exit status is 0 only if none failed.
//
//   npm test                     everything; without root, system and guest tests are skipped
//   npm test -- fdb relay        the test files whose path contains one of the words, nothing else
//   npm test -- --unit           no system and guest tests
//
// In order: the linter and the compilers (each counts as one test), ava for unit, property, simulation and golden
// tests, tap for system and guest tests, one file after the other. Output: build/test-logs/.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { bootstrap, isRoot, ROOT } from './bootstrap.mjs';
import { listFiles } from './lib/build.mjs';
import { waitFor } from './lib/run.mjs';
import { say, ToolError } from './lib/say.mjs';

const AVA_FOLDERS = ['unit', 'property', 'sim', 'golden'];
const TAP_FOLDERS = ['system', 'guest'];
const LOG_DIR = path.join(ROOT, 'build', 'test-logs');

const total = { passed: 0, failed: 0, skipped: 0 };

function add({ passed = 0, failed = 0, skipped = 0 }) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}

/** The compiled test files below `folders` that one of `words` chooses. */
function testFiles(folders, words) {
  return folders
    .flatMap((folder) => listFiles(ROOT, path.join('build', 'test', folder), ['.test.js']))
    .filter((name) => words.length === 0 || words.some((word) => name.replace(/\.js$/, '.ts').includes(word)));
}

/** Prints one check's line, with its complaints when there are any, and counts it. */
function report(name, complaints) {
  say(`${complaints === undefined ? 'ok     ' : 'FAILED '} ${name}`);
  if (complaints !== undefined) say(complaints);
  add(complaints === undefined ? { passed: 1 } : { failed: 1 });
}

/** Runs a program of node_modules as a check. */
async function check(name, bin, args) {
  const program = path.join(ROOT, 'node_modules', '.bin', bin);
  const child = spawn(process.execPath, [program, ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
  }
  report(name, (await waitFor(child, bin)) === 0 ? undefined : text.trimEnd());
}

/** System and guest tests, which need root and boot the guest image. */
async function runSystemTests(runRunner, files) {
  if (files.length === 0) return;
  if (!isRoot()) {
    say(`not root: ${files.length} system and guest test files are skipped; they make namespaces, interfaces and guests`);
    add({ skipped: files.length });
    return;
  }
  try {
    const { ensureGuestImage } = await import('./guest-image.mjs');
    await ensureGuestImage({ log: say });
  } catch (error) {
    report('the guest image', error.message);
  }
  say(`${files.length} system and guest test files, one after the other:`);
  add(await runRunner({ root: ROOT, name: 'tap', args: ['--reporter=tap', ...files], depth: 1, logDir: LOG_DIR }));
}

async function main(args) {
  const words = args.filter((arg) => !arg.startsWith('-'));
  const unknown = args.find((arg) => arg.startsWith('-') && arg !== '--unit');
  if (unknown !== undefined)
    throw new ToolError(`npm test knows no option ${unknown}; it takes --unit and parts of file names`, 2);

  const complaints = await bootstrap({ purpose: 'test' });
  fs.mkdirSync(LOG_DIR, { recursive: true });
  const avaFiles = testFiles(AVA_FOLDERS, words);
  const tapFiles = args.includes('--unit') ? [] : testFiles(TAP_FOLDERS, words);
  if (words.length > 0 && avaFiles.length + tapFiles.length === 0) {
    throw new ToolError(`no test file has ${words.join(' or ')} in its path`, 2);
  }
  if (complaints !== undefined || words.length === 0) report('tsc: the whole project compiles', complaints);
  if (words.length === 0) {
    await check('tsc: the pure folders compile without Node', 'tsc', ['-p', 'src/tsconfig.pure.json', '--pretty', 'false']);
    await check('biome: lint and format', 'biome', ['check', '--colors=off', '--max-diagnostics=100', '.']);
  }
  // Only now: it imports a package.
  const { runRunner } = await import('./lib/runner.mjs');
  if (avaFiles.length > 0) {
    say(`${avaFiles.length} unit, property, simulation and golden test files:`);
    add(await runRunner({ root: ROOT, name: 'ava', args: ['--tap', ...avaFiles], depth: 0, logDir: LOG_DIR }));
  }
  await runSystemTests(runRunner, tapFiles);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof ToolError ? error.message : error);
  if (!(error instanceof ToolError) || error.exitCode !== 1) process.exit(error.exitCode ?? 1);
  add({ failed: 1 });
}
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exitCode = total.failed === 0 ? 0 : 1;
