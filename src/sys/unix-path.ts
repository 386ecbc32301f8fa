// The path of an AF_UNIX socket as the kernel takes it.

import { ERRNO } from './errno.ts';
import { AF_UNIX } from './socket.ts';
import { SysError } from './sys-error.ts';

/** struct sockaddr_un: family (u16), path with its final zero (108 octets); linux/un.h. */
const SOCKADDR_PATH = 2;
const PATH_SIZE = 108;

/** The sockaddr_un of `path`. Throws SysError for a path that cannot be one. */
export function unixAddress(path: string): Buffer {
  const len = Buffer.byteLength(path);
  if (len === 0 || len >= PATH_SIZE || path.includes('\0')) {
    throw new SysError(
      `${JSON.stringify(path)} cannot be a socket's path: 1 to ${PATH_SIZE - 1} octets, none of them zero`,
      ERRNO.EINVAL,
    );
  }
  const address = Buffer.alloc(SOCKADDR_PATH + PATH_SIZE);
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(path, SOCKADDR_PATH);
  return address;
}
