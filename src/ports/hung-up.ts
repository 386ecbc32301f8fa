// Whether a connection is still one, asked without reading from it.

import { Arena } from '../sys/arena.ts';
import { EPOLLHUP, EPOLLRDHUP, Epoll } from '../sys/epoll.ts';

let probe: Epoll | undefined;

/** Whether the stream socket `fd` was closed by the other side, or was never connected. */
export function hasHungUp(fd: number): boolean {
  probe ??= new Epoll(new Arena(4096), 1);
  if (probe.add(fd, 0, EPOLLRDHUP) < 0) return true;
  const hung = probe.wait(0) > 0 && (probe.events(0) & (EPOLLRDHUP | EPOLLHUP)) !== 0;
  probe.remove(fd);
  return hung;
}
