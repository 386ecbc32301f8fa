// The names of what a switch can be told to wait with. They stand apart from what they name
// (backend.ts), so that reading a configuration loads no native calls.

/** What can be asked for; `auto` is io_uring where it works, else epoll. */
export const IO_CHOICES = ['auto', 'io_uring', 'epoll'] as const;
/** One of them. */
export type IoChoice = (typeof IO_CHOICES)[number];
