// Running weft as a user without rights. The checkout, and Node.js itself, may lie in a home that only
// root may enter, so that user gets to see them at another place. Only for files that run inside sandbox.ts: its private
// mounts are what makes this leave nothing behind.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from './netns.ts';

/** User and group `nobody` on Debian. */
export const NOBODY = 65534;

/** The words to put before a command so that it runs as nobody; takes root. */
export const AS_NOBODY: readonly string[] = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
const SHOWN = '/run/checkout';
const NODE_SHOWN = '/run/node';

/** The words that run the compiled program, from places that nobody can reach. */
export function weftForNobody(): [node: string, main: string] {
  if (!existsSync(NODE_SHOWN)) {
    mkdirSync(SHOWN);
    run('mount', '--rbind', CHECKOUT, SHOWN);
    writeFileSync(NODE_SHOWN, '');
    run('mount', '--bind', process.execPath, NODE_SHOWN);
  }
  return [NODE_SHOWN, `${SHOWN}/build/src/cli/main.js`];
}
