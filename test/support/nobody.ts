// Running weft as a user without rights. The checkout may lie in a home that only root may enter, so
// that user gets to see it at another place. Only for files that run inside sandbox.ts: its private
// mounts are what makes this leave nothing behind.

import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from './netns.ts';

/** User and group `nobody` on Debian. */
export const NOBODY = 65534;

/** The words to put before a command so that it runs as nobody; takes root. */
export const AS_NOBODY: readonly string[] = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
const SHOWN = '/run/checkout';

/** The compiled program at a place that nobody can reach. */
export function mainForNobody(): string {
  const main = `${SHOWN}/build/src/cli/main.js`;
  if (!existsSync(main)) {
    mkdirSync(SHOWN);
    run('mount', '--rbind', CHECKOUT, SHOWN);
  }
  return main;
}
