// Where switches are found. The run directory holds, for each running switch of one user,
//
//   NAME.sock   its control socket
//   NAME.lock   locked by its process for as long as that lives (switch-lock.ts)
//   NAME.journal  what it has changed on the host (ports/journal.ts)
//
// Guests' sockets may lie there too. They have no lock beside them, and are never connected to: a
// connection would look like a guest.
//
// A switch that was killed leaves its socket behind. Nothing listens there any more, so a connection
// is refused: that is how a stale socket is told from a running switch.

import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { ControlError, codeOf, messageOf, UsageError } from './errors.ts';

/** Octets of a path that fit sockaddr_un (108) with the final zero. */
const SOCKET_PATH_LEN_MAX = 107;
/** Octets of a switch name: enough for people, and it leaves room for the directory. */
const NAME_LEN_MAX = 32;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** The run directory of root. */
const ROOT_RUN_DIR = '/run/weft';
/** How long a socket may take to accept before its switch counts as stuck. */
const PROBE_MS = 2000;
const JOURNAL_END = '.journal';

/** The run directory: as asked for, else WEFT_RUN_DIR, else by user. Throws UsageError when none can be told. */
export function resolveRunDir(asked: string | undefined): string {
  const dir = asked ?? process.env['WEFT_RUN_DIR'];
  if (dir !== undefined && dir !== '') return path.resolve(dir);
  if (process.getuid?.() === 0) return ROOT_RUN_DIR;
  const userDir = process.env['XDG_RUNTIME_DIR'];
  if (userDir !== undefined && userDir !== '') return path.join(userDir, 'weft');
  throw new UsageError(
    'no run directory: without root it lies in $XDG_RUNTIME_DIR, which is not set; name one with --run-dir or WEFT_RUN_DIR',
  );
}

/** Makes the run directory if it is missing. Throws ControlError. */
export function makeRunDir(runDir: string): void {
  try {
    mkdirSync(runDir, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new ControlError(`cannot make the run directory ${runDir}: ${reasonOf(error)}; name another with --run-dir`);
  }
  if (!statSync(runDir).isDirectory()) {
    throw new ControlError(`the run directory ${runDir} is not a directory; name another with --run-dir`);
  }
}

/** Refuses names that cannot be a switch's. Throws UsageError. */
export function checkSwitchName(name: string): void {
  if (name.length > NAME_LEN_MAX || !NAME.test(name)) {
    throw new UsageError(
      `'${printable(name)}' cannot be the name of a switch: use letters, digits, '.', '_' and '-', beginning with a letter or digit, ` +
        `${NAME_LEN_MAX} at the most`,
    );
  }
}

/** Path of a switch's control socket. Throws UsageError when the name is unfit or the path too long. */
export function socketPathOf(runDir: string, name: string): string {
  checkSwitchName(name);
  const file = path.join(runDir, `${name}.sock`);
  const len = Buffer.byteLength(file);
  if (len > SOCKET_PATH_LEN_MAX) {
    throw new UsageError(
      `the socket path ${file} has ${len} octets and a socket may have ${SOCKET_PATH_LEN_MAX}; choose a shorter --run-dir or name`,
    );
  }
  return file;
}

/** Path of the file that a running switch holds locked. */
export function lockPathOf(runDir: string, name: string): string {
  return path.join(runDir, `${name}.lock`);
}

/** Path of the file in which a switch notes what it changes on the host. */
export function journalPathOf(runDir: string, name: string): string {
  return path.join(runDir, `${name}${JOURNAL_END}`);
}

/** Names of the switches, running or dead, that have a journal in `runDir`. Throws ControlError. */
export function journalNames(runDir: string): string[] {
  return listRunDir(runDir)
    .filter((entry) => entry.endsWith(JOURNAL_END))
    .map((entry) => entry.slice(0, -JOURNAL_END.length))
    .sort();
}

/** What stands behind a socket. */
export type SocketState = 'running' | 'stale' | 'missing' | 'forbidden' | 'stuck';

/** Finds out what stands behind a control socket by connecting to it. */
export function probeSocket(file: string): Promise<SocketState> {
  return new Promise((resolve) => {
    const socket = net.connect(file);
    const settle = (state: SocketState) => {
      socket.destroy();
      resolve(state);
    };
    socket.setTimeout(PROBE_MS, () => settle('stuck'));
    socket.once('connect', () => settle('running'));
    socket.once('error', (error) => settle(stateOf(error)));
  });
}

function stateOf(error: unknown): SocketState {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'missing';
    case 'EACCES':
    case 'EPERM':
      return 'forbidden';
    case 'EAGAIN':
      return 'stuck';
    default:
      return 'stale';
  }
}

/** A switch of which a socket was found. */
export interface FoundSwitch {
  name: string;
  socketPath: string;
  state: SocketState;
}

/** Every switch with a socket in `runDir`, sorted by name, stale ones too. */
export async function findSwitches(runDir: string): Promise<FoundSwitch[]> {
  const entries = listRunDir(runDir);
  const present = new Set(entries);
  const names = entries
    .filter((entry) => entry.endsWith('.sock'))
    .map((entry) => entry.slice(0, -'.sock'.length))
    .filter((name) => present.has(`${name}.lock`));
  const found = names.sort().map(async (name) => {
    const socketPath = path.join(runDir, `${name}.sock`);
    return { name, socketPath, state: await probeSocket(socketPath) };
  });
  return Promise.all(found);
}

/**
 * The control socket a verb talks to: of the switch asked for, or of the only running one. Throws
 * ControlError (none runs, several run) or UsageError (unfit name).
 */
export async function selectSwitch(runDir: string, asked: string | undefined): Promise<string> {
  if (asked !== undefined) {
    const socketPath = socketPathOf(runDir, asked);
    const state = existsSync(lockPathOf(runDir, asked)) ? await probeSocket(socketPath) : 'missing';
    if (state === 'running' || state === 'stuck') return socketPath;
    if (state === 'forbidden') throw new ControlError(forbidden(asked, socketPath));
    const others = (await findSwitches(runDir)).filter((found) => found.state === 'running').map((found) => found.name);
    const rest = others.length === 0 ? `start it with weft run --switch ${asked}` : `running there: ${others.join(', ')}`;
    throw new ControlError(`no switch named ${asked} runs in ${runDir}; ${rest}`);
  }
  const found = await findSwitches(runDir);
  const running = found.filter(({ state }) => state === 'running' || state === 'stuck');
  if (running.length > 1) {
    throw new ControlError(`several switches run: ${running.map(({ name }) => name).join(', ')}; say which with --switch NAME`);
  }
  const [only] = running;
  if (only !== undefined) return only.socketPath;
  const [locked] = found.filter(({ state }) => state === 'forbidden');
  if (locked !== undefined) throw new ControlError(forbidden(locked.name, locked.socketPath));
  throw new ControlError(`no switch runs in ${runDir}; start one with weft run${elsewhere(runDir)}`);
}

function listRunDir(runDir: string): string[] {
  try {
    return readdirSync(runDir);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw new ControlError(`cannot look for switches in ${runDir}: ${reasonOf(error)}; name another directory with --run-dir`);
  }
}

function forbidden(name: string, socketPath: string): string {
  return `no permission to control switch ${name}: ${socketPath} belongs to another user; run this as that user or as root`;
}

/** A hint for users without root who look past root's switches. */
function elsewhere(runDir: string): string {
  if (runDir === ROOT_RUN_DIR || process.getuid?.() === 0) return '';
  return `, or reach those of root with --run-dir ${ROOT_RUN_DIR}`;
}

/** The reason in a message of the file system, without its repetition of call and path. */
function reasonOf(error: unknown): string {
  return messageOf(error).replace(/^([A-Z0-9]+): ([^,]*),.*$/s, '$2 ($1)');
}

function printable(text: string): string {
  return text.slice(0, 64).replaceAll(/[^\x20-\x7e]/g, '?');
}
