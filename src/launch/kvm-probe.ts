// Whether a guest boots under KVM here. That /dev/kvm can be opened does not say so: on nested and
// otherwise restricted hosts the firmware runs, and then the kernel hangs without a word. So a kernel is
// booted, and its console must show that it got through its own start.
//
// The probe is bounded (a few seconds), its QEMU is killed in any case, and the answer is kept in a file
// named by everything it depends on: the host's kernel and processor, QEMU's version and the guest kernel.
// A "no" is asked again after a day, because a host that was merely busy also gives it.
//
// Which kernel: weft's guest image if there is one; otherwise the host's own kernel without an
// initramfs, whose sign of life is its complaint that it has no root file system.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spawnGuarded } from './guarded-child.ts';
import type { Accelerator } from './qemu-args.ts';
import type { QemuProgram } from './qemu-probe.ts';

/** How guests are to be run, and why. */
export interface AccelAnswer {
  readonly accel: Accelerator;
  /** A sentence for the user. */
  readonly reason: string;
}

/** A kernel to try, with or without an initramfs. */
export interface ProbeKernel {
  readonly kernel: string;
  readonly initrd?: string;
}

/** How long a probe may take. */
export interface ProbeLimits {
  /** A console that is silent for so long belongs to a guest that hangs. */
  readonly silenceMs: number;
  /** Limit of the whole probe. */
  readonly totalMs: number;
}

/** Limits for KVM, under which a guest says something within half a second and is done in two. */
export const KVM_PROBE_LIMITS: ProbeLimits = { silenceMs: 4000, totalMs: 10_000 };

const KVM_DEVICE = '/dev/kvm';
const NO_MAX_AGE_MS = 86_400_000;
const MEMORY_MB = 256;
const SIGN_OF_LIFE = /weft-guest \S+ ready|Kernel panic - not syncing: VFS/;
/** The end of the console that is searched for a sign of life. */
const CONSOLE_LEN_MAX = 4096;

/**
 * The accelerator for guests on this host. `image` is weft's guest image, `cacheDir` keeps the answer
 * (made if it is missing; an unwritable one only means probing again).
 */
export async function probeAccel(qemu: QemuProgram, image: ProbeKernel | undefined, cacheDir: string): Promise<AccelAnswer> {
  try {
    fs.accessSync(KVM_DEVICE, fs.constants.R_OK | fs.constants.W_OK);
  } catch {
    const why = fs.existsSync(KVM_DEVICE) ? `${KVM_DEVICE} may not be opened by this user` : `this host has no ${KVM_DEVICE}`;
    return { accel: 'tcg', reason: `Guests run under TCG (emulation), because ${why}.` };
  }
  const kernel = image ?? hostKernel();
  if (kernel === undefined) {
    return { accel: 'tcg', reason: 'Guests run under TCG (emulation), because there is no kernel to try KVM with.' };
  }
  const file = path.join(cacheDir, `kvm-${probeKey(qemu, kernel)}`);
  const boots = cachedAnswer(file) ?? (await bootsUnder('kvm', qemu, kernel, KVM_PROBE_LIMITS));
  storeAnswer(file, boots);
  return boots
    ? { accel: 'kvm', reason: 'Guests run under KVM.' }
    : {
        accel: 'tcg',
        reason: `Guests run under TCG (emulation): ${KVM_DEVICE} is there, but a guest kernel does not boot under it.`,
      };
}

/** Boots `kernel` under `accel` and says whether its console showed a sign of life within `limits`. Its QEMU is gone afterwards. */
export async function bootsUnder(
  accel: Accelerator,
  qemu: QemuProgram,
  kernel: ProbeKernel,
  limits: ProbeLimits,
): Promise<boolean> {
  const args = ['-accel', accel, '-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-m', String(MEMORY_MB)];
  args.push('-serial', 'stdio', '-kernel', kernel.kernel, '-append', 'console=ttyS0 earlyprintk=ttyS0 panic=-1');
  if (kernel.initrd !== undefined) args.push('-initrd', kernel.initrd);
  const child = await spawnGuarded(qemu.path, args, { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
  const closed = once(child, 'close');
  let silence: NodeJS.Timeout | undefined;
  let total: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve) => {
      let text = '';
      const no = () => resolve(false);
      silence = setTimeout(no, limits.silenceMs);
      total = setTimeout(no, limits.totalMs);
      child.stdout?.on('data', (octets: Buffer) => {
        silence?.refresh();
        text = (text + octets.toString('latin1')).slice(-CONSOLE_LEN_MAX);
        if (SIGN_OF_LIFE.test(text)) resolve(true);
      });
      closed.then(no, no);
    });
  } finally {
    clearTimeout(silence);
    clearTimeout(total);
    child.kill('SIGKILL');
    await closed;
  }
}

function hostKernel(): ProbeKernel | undefined {
  const kernel = `/boot/vmlinuz-${os.release()}`;
  try {
    fs.accessSync(kernel, fs.constants.R_OK);
    return { kernel };
  } catch {
    return undefined;
  }
}

function probeKey(qemu: QemuProgram, kernel: ProbeKernel): string {
  const facts = [os.release(), os.cpus()[0]?.model ?? '', qemu.version.text, kernel.kernel, fs.statSync(kernel.kernel).size];
  return createHash('sha256').update(facts.join('\0')).digest('hex').slice(0, 16);
}

function cachedAnswer(file: string): boolean | undefined {
  try {
    const text = fs.readFileSync(file, 'utf8').trim();
    if (text === 'boots') return true;
    return text === 'hangs' && Date.now() - fs.statSync(file).mtimeMs < NO_MAX_AGE_MS ? false : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps an answer that is not there yet; by rename, so that nobody reads half of one. */
function storeAnswer(file: string, boots: boolean): void {
  if (cachedAnswer(file) === boots) return;
  const temp = `${file}.tmp-${process.pid}`;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(temp, boots ? 'boots\n' : 'hangs\n');
    fs.renameSync(temp, file);
  } catch {
    fs.rmSync(temp, { force: true });
  }
}
