// A file system for the length of one function, seen by nobody else: mounted, but nowhere (fsopen(2),
// fsmount(2), Linux 5.2), and reached through the descriptor of the mount. It goes with that
// descriptor, so nothing is left behind by a process that is killed.
//
// Two have a use here. A new sysfs shows the network namespace the thread is in, where /sys shows
// that of whoever mounted it. A new tmpfs takes device nodes, which /run and /tmp often do not
// (`nodev`).

import { closeFd } from './fd.ts';
import { declare } from './ffi.ts';
import { check } from './sys-error.ts';

// The C library has had no functions of these names for long. Numbers of asm-generic/unistd.h, the same on x86-64 and arm64.
const SYS_FSOPEN = 430;
const SYS_FSCONFIG = 431;
const SYS_FSMOUNT = 432;
const fsopen = declare('long syscall(long number, const char* type, uint flags)');
const fsconfig = declare('long syscall(long number, int fd, uint command, void* key, void* value, int aux)');
const fsmount = declare('long syscall(long number, int fd, uint flags, uint attributes)');

// linux/mount.h
const FSOPEN_CLOEXEC = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;

/** Mounts a file system and returns what `fn` returns for the path of its root. Throws SysError. */
export function withPrivateMount<T>(type: 'sysfs' | 'tmpfs', fn: (root: string) => T): T {
  const context = check(fsopen(SYS_FSOPEN, type, FSOPEN_CLOEXEC), `mount a private ${type}`);
  let mount = -1;
  try {
    check(fsconfig(SYS_FSCONFIG, context, FSCONFIG_CMD_CREATE, null, null, 0), `mount a private ${type}`);
    mount = check(fsmount(SYS_FSMOUNT, context, FSMOUNT_CLOEXEC, 0), `mount a private ${type}`);
    return fn(`/proc/thread-self/fd/${mount}`);
  } finally {
    if (mount >= 0) closeFd(mount);
    closeFd(context);
  }
}
