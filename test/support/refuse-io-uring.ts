// Makes the kernel refuse system calls of io_uring to this thread, and to every thread and process it
// starts from now on, with an errno of choice: a seccomp filter, as containers have one. It cannot be taken
// away again, but a later filter's errno goes before an earlier one's.

import { addressOf, declare } from '../../src/sys/ffi.ts';
import { check } from '../../src/sys/sys-error.ts';

const prctl = declare('int prctl(int option, ulong a, uintptr_t b, ulong c, ulong d)');
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;
const PR_SET_NO_NEW_PRIVS = 38;

const LOAD_NUMBER = { code: 0x20, jf: 0, k: 0 };
const JUMP_UNLESS_EQUAL = 0x15;
const RETURN = 0x06;
const RET_ERRNO = 0x00050000;
const RET_ALLOW = 0x7fff0000;

/** io_uring_setup(2). */
export const SETUP = 425;
/** io_uring_register(2). */
export const REGISTER = 427;

/** From now on the system call `number` fails with `errno`. */
export function refuse(number: number, errno: number): void {
  const program = [
    LOAD_NUMBER,
    { code: JUMP_UNLESS_EQUAL, jf: 1, k: number },
    { code: RETURN, jf: 0, k: RET_ERRNO | errno },
    { code: RETURN, jf: 0, k: RET_ALLOW },
  ];
  const instructions = Buffer.alloc(program.length * 8);
  for (const [i, { code, jf, k }] of program.entries()) {
    instructions.writeUInt16LE(code, i * 8);
    instructions.writeUInt8(jf, i * 8 + 3);
    instructions.writeUInt32LE(k, i * 8 + 4);
  }
  const header = Buffer.alloc(16);
  header.writeUInt16LE(program.length);
  header.writeBigUInt64LE(BigInt(addressOf(instructions)), 8);
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'give up new privileges');
  check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, addressOf(header), 0, 0), 'install a seccomp filter');
}
