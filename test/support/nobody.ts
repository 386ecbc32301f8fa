// Running a program as a user without rights. The checkout may lie in a home that only root may
// enter, so the user gets one right in addition: to read whatever there is (CAP_DAC_READ_SEARCH).
// Every right a switch asks for is still missing.

/** User and group `nobody` on Debian. */
export const NOBODY = 65534;

/** The words to put before a command so that it runs as nobody; takes root. */
export const AS_NOBODY: readonly string[] = [
  'setpriv',
  ...[`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'],
  ...['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'],
];
