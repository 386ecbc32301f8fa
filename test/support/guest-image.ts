// The guest image for tests: the one tools/guest-image.mjs makes, which is plain JavaScript because it
// also runs before anything is compiled.

/** What tools/guest-image.mjs answers. */
export interface GuestImage {
  readonly kernel: string;
  readonly initrd: string;
  readonly kernelVersion: string;
}

interface GuestImageModule {
  ensureGuestImage(options: { readonly log: (line: string) => void }): Promise<GuestImage>;
}

/** The guest image; made now if there is none, which needs the network and takes some ten seconds. */
export async function guestImage(log: (line: string) => void): Promise<GuestImage> {
  const url = new URL('../../../tools/guest-image.mjs', import.meta.url);
  const module = (await import(url.href)) as GuestImageModule;
  return module.ensureGuestImage({ log });
}
