// Which QEMU there is and what it can do: its version decides arguments, its list of network cards lets
// a wrong model be refused with a sentence before anything starts.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { LaunchError } from './launch-error.ts';

/** A version of QEMU. */
export interface QemuVersion {
  readonly major: number;
  readonly minor: number;
  /** As QEMU prints it, with the distribution's part: `7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)`. */
  readonly text: string;
}

/** The QEMU on this host. */
export interface QemuProgram {
  /** Path, or name to be found along PATH. */
  readonly path: string;
  readonly version: QemuVersion;
  /** Names of the network cards it emulates. */
  readonly models: ReadonlySet<string>;
}

/** The program that runs x86-64 guests. */
export const QEMU_PROGRAM = 'qemu-system-x86_64';
/** What QEMU gets for answering a question about itself. */
const QUESTION_TIMEOUT_MS = 20_000;

const execute = promisify(execFile);

/** Finds QEMU and asks it for version and network cards. Throws a LaunchError if it is missing or cannot be understood. */
export async function findQemu(path: string = QEMU_PROGRAM): Promise<QemuProgram> {
  const [versionText, deviceText] = await Promise.all([ask(path, ['--version']), ask(path, ['-device', 'help'])]);
  const version = parseQemuVersion(versionText);
  if (version === undefined) {
    throw new LaunchError(
      `${path} --version prints "${versionText.split('\n')[0]}", which names no version of QEMU; is it QEMU?`,
    );
  }
  return { path, version, models: parseNetworkModels(deviceText) };
}

/** Refuses a network card this QEMU does not have, naming some that it has. */
export function checkModel(qemu: QemuProgram, guestName: string, model: string): void {
  if (qemu.models.has(model)) return;
  const usual = ['virtio-net-pci', 'e1000', 'e1000e', 'rtl8139', 'vmxnet3'].filter((each) => qemu.models.has(each));
  throw new LaunchError(
    `Guest ${guestName}: QEMU ${qemu.version.text} has no network card "${model}"; it has ${usual.join(', ')} and others ("${qemu.path} -device help" lists them).`,
  );
}

/** The version in the first line of `qemu --version`, or undefined. */
export function parseQemuVersion(text: string): QemuVersion | undefined {
  const match = /version ((\d+)\.(\d+)[^\n]*)/.exec(text);
  if (match === null) return undefined;
  return { major: Number(match[2]), minor: Number(match[3]), text: (match[1] ?? '').trim() };
}

/** The names in the section "Network devices:" of `qemu -device help`, aliases among them. */
export function parseNetworkModels(text: string): Set<string> {
  const models = new Set<string>();
  let isNetwork = false;
  for (const line of text.split('\n')) {
    if (!line.startsWith('name "')) {
      if (line.trim() !== '') isNetwork = line.trim() === 'Network devices:';
    } else if (isNetwork) {
      for (const [, name] of line.matchAll(/(?:^name|alias) "([^"]+)"/g)) if (name !== undefined) models.add(name);
    }
  }
  return models;
}

async function ask(path: string, args: readonly string[]): Promise<string> {
  try {
    return (await execute(path, args, { timeout: QUESTION_TIMEOUT_MS, killSignal: 'SIGKILL' })).stdout;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new LaunchError(`${path} is not installed, and guests run in it. On Debian: apt-get install qemu-system-x86.`);
    }
    throw new LaunchError(`${path} ${args.join(' ')} failed: ${error instanceof Error ? error.message.trim() : error}`);
  }
}
