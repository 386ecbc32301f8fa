// `npm start`: sets up what is missing, then runs `weft demo` with the arguments behind `--`.
// The demo runs in this process, so the terminal, signals and the exit status are its own.

import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { bootstrap, isRoot, ROOT } from './bootstrap.mjs';
import { say, ToolError } from './lib/say.mjs';

async function prepare(args) {
  const rootless = args.includes('--rootless');
  if (!rootless && !isRoot() && !args.includes('--help')) {
    throw new ToolError(
      'npm start makes network interfaces, which takes root: run it as root, or without as npm start -- --rootless',
      2,
    );
  }
  const complaints = await bootstrap({ purpose: 'run', rootless });
  if (complaints !== undefined) throw new ToolError(`weft does not compile:\n${complaints}`);
  const { ensureGuestImage } = await import('./guest-image.mjs');
  await ensureGuestImage({ log: say });
}

const args = process.argv.slice(2);
try {
  await prepare(args);
} catch (error) {
  console.error(error instanceof ToolError ? error.message : `weft cannot be set up: ${error.message}`);
  process.exit(error.exitCode ?? 1);
}
const main = path.join(ROOT, 'build', 'src', 'cli', 'main.js');
if (!fs.existsSync(main)) {
  console.error(`${main} is missing after the build: check that src/cli/main.ts is in the checkout`);
  process.exit(1);
}
process.argv = [process.argv[0], main, 'demo', ...args];
await import(pathToFileURL(main).href);
