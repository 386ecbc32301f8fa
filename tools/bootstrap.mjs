// Sets a checkout up for `npm start` (tools/start.mjs) and `npm test` (tools/test.mjs): Node's
// version, Debian packages, npm packages, the build, in this order, because cap and raw-socket are
// compiled by what the Debian packages bring. Each step first looks whether it is needed, says what
// it is about to do, and does nothing twice. Two set-ups at once wait for each other.
//
// Only root on a system with apt installs Debian packages. Elsewhere what is missing is listed: for
// running that ends the set-up with exit status 2; for tests without root it does not, because what
// needs those packages needs root too and is skipped.
//
// This file and tools/lib import nothing but Node, because they run before anything is installed.

import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildProject } from './lib/build.mjs';
import { describePackages, hasApt, installPackages, missingPackages } from './lib/debian-packages.mjs';
import { lock } from './lib/lock.mjs';
import { installNpmPackages, isInstalled, unloadable } from './lib/npm-packages.mjs';
import { Log } from './lib/run.mjs';
import { say, ToolError } from './lib/say.mjs';

/** The oldest Node.js weft runs on. */
const NODE_VERSION_MIN = [20, 19];
/** Native packages the tests use; a failed compilation of them is silent. */
const TEST_ADDONS = ['cap', 'raw-socket'];

/** The top of the checkout. */
export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Whether we are root. */
export function isRoot() {
  return process.getuid() === 0;
}

/**
 * Makes everything ready for `purpose`, 'run' or 'test'; `rootless` leaves out what only root uses.
 * Resolves to what the compiler complained about, or undefined. Throws ToolError when something needed cannot be had.
 */
export async function bootstrap({ purpose, rootless = false }) {
  checkNodeVersion();
  const release = await lock(path.join(ROOT, 'build', 'setup', 'lock'));
  try {
    const log = new Log(path.join(ROOT, 'build', 'setup', 'setup.log'));
    await provideDebianPackages(purpose, rootless, log);
    await provideNpmPackages(purpose, log);
    return await buildProject(ROOT, log);
  } finally {
    await release();
  }
}

function checkNodeVersion() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > NODE_VERSION_MIN[0] || (major === NODE_VERSION_MIN[0] && minor >= NODE_VERSION_MIN[1])) return;
  throw new ToolError(
    `weft needs Node.js ${NODE_VERSION_MIN.join('.')} or newer and this is ${process.versions.node}: install a newer one.`,
    2,
  );
}

async function provideDebianPackages(purpose, rootless, log) {
  const missing = missingPackages(purpose, { rootless });
  if (isRoot() && hasApt()) return installPackages(missing, log);
  if (missing.length === 0) return;
  say('Missing on this system (by their names in Debian):');
  for (const line of describePackages(missing)) say(line);
  if (purpose === 'test' && !isRoot()) {
    say('Tests that need them are skipped.');
    return;
  }
  const how = hasApt()
    ? 'run this command as root once, or install them yourself'
    : 'install them with the package manager of this system';
  throw new ToolError(`weft cannot ${purpose === 'test' ? 'be tested' : 'run'} without them: ${how}, then try again.`, 2);
}

async function provideNpmPackages(purpose, log) {
  const wasInstalled = isInstalled(ROOT);
  if (!wasInstalled) await installNpmPackages(ROOT, log);
  if (purpose !== 'test') return;
  let bad = await unloadable(ROOT, TEST_ADDONS);
  // A set-up for running compiled without a compiler. Now it is there, unless we may not install it.
  if (bad.length > 0 && wasInstalled && missingPackages('test').length === 0) {
    say(`${bad.join(' and ')} could not be compiled before: once more`);
    await installNpmPackages(ROOT, log);
    bad = await unloadable(ROOT, TEST_ADDONS);
  }
  if (bad.length === 0) return;
  const text = `the npm package ${bad.join(' and ')} did not compile`;
  if (isRoot() && hasApt()) throw new ToolError(`${text}, though all it needs is installed: see ${log.file}`);
  say(`${text}: tests that need it are skipped.`);
}
