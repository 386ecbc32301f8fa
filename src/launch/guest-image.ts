// The image of guests that nobody gave one: made by tools/guest-image.mjs of a checkout, which is plain
// JavaScript because `npm start` runs it before anything is compiled. A package that was installed has
// no tools, and its user has images.

import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { LaunchError } from './launch-error.ts';

/** Kernel and initramfs of a guest. */
export interface GuestImage {
  readonly kernel: string;
  readonly initrd: string;
  readonly kernelVersion: string;
}

interface GuestImageModule {
  ensureGuestImage(options: { readonly log: (line: string) => void }): Promise<GuestImage>;
}

/** What weft keeps between runs and can make again: guest images, and what was found out about this host. */
export function cacheDir(): string {
  return path.join(process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'), 'weft');
}

/**
 * weft's guest image; made now if there is none, with a line to `log` for each step that takes time.
 * Throws a LaunchError when it cannot be had.
 */
export async function provideGuestImage(log: (line: string) => void): Promise<GuestImage> {
  const tool = new URL('../../../tools/guest-image.mjs', import.meta.url);
  if (!existsSync(tool)) {
    throw new LaunchError(
      `weft's guest image is made by a tool of its source checkout, and ${fileURLToPath(tool)} is not there; run npm start in a checkout, or boot an image of your own with weft qemu.`,
    );
  }
  const { ensureGuestImage } = (await import(tool.href)) as GuestImageModule;
  try {
    return await ensureGuestImage({ log });
  } catch (error) {
    throw new LaunchError(error instanceof Error ? error.message : String(error));
  }
}
