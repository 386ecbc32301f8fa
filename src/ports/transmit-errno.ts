// What the error of a system call that sends a frame means for the frame and for the port.

import { DROP } from '../relay/drop-reason.ts';
import { ERRNO } from '../sys/errno.ts';

const {
  EAGAIN,
  ENOBUFS,
  ENOMEM,
  EIO,
  ENETDOWN,
  EMSGSIZE,
  EBADF,
  EBADFD,
  ENODEV,
  ENXIO,
  EPIPE,
  ECONNRESET,
  ENOTCONN,
  ECONNREFUSED,
  EPERM,
} = {
  ...ERRNO,
  // Node has no name for it: asm-generic/errno.h. A tap descriptor whose interface was deleted answers with it.
  EBADFD: 77,
};
const { TX_FULL, TX_DOWN, TX_ERROR, TOO_BIG } = DROP;

/** Whether the device behind the descriptor is no more. */
export function isGone(errno: number): boolean {
  return errno === EBADFD || errno === ENODEV || errno === ENXIO || errno === EBADF;
}

/** Whether the other end of a connection is no more. */
export function isClosed(errno: number): boolean {
  return errno === EPIPE || errno === ECONNRESET || errno === ENOTCONN || isGone(errno);
}

/** Whether the peer of a datagram socket is no more (ECONNREFUSED, once), or has another peer now (EPERM). */
export function isAway(errno: number): boolean {
  return errno === ECONNREFUSED || errno === EPERM || isClosed(errno);
}

/** Whether there was no room, and there will be. */
export function isFull(errno: number): boolean {
  return errno === EAGAIN || errno === ENOBUFS || errno === ENOMEM;
}

/** The drop reason of a frame that could not be sent because of `errno` (positive). */
export function dropReason(errno: number): number {
  if (isFull(errno)) return TX_FULL;
  // A tap whose interface is not up says EIO, a packet socket ENETDOWN.
  if (errno === EIO || errno === ENETDOWN || isClosed(errno)) return TX_DOWN;
  return errno === EMSGSIZE ? TOO_BIG : TX_ERROR;
}
