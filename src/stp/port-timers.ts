// Port Timers machine [17.22].
//
// Takes one second from every timer that runs. The standard sets `tick` once a second and has the
// machine answer it; here the tick is the call.

import type { StpBridge, StpPort } from './state.ts';

/** TICK: one second has passed. */
export function tickPort({ effects }: StpBridge, port: StpPort): void {
  port.helloWhen = dec(port.helloWhen);
  port.tcWhile = dec(port.tcWhile);
  port.fdWhile = dec(port.fdWhile);
  port.rcvdInfoWhile = dec(port.rcvdInfoWhile);
  port.rrWhile = dec(port.rrWhile);
  port.rbWhile = dec(port.rbWhile);
  port.mdelayWhile = dec(port.mdelayWhile);
  port.edgeDelayWhile = dec(port.edgeDelayWhile);
  port.txCount = dec(port.txCount);
  if (port.ageingWhile === 0) return;
  port.ageingWhile = dec(port.ageingWhile);
  if (port.ageingWhile === 0) effects.setRapidAgeing(port.portNo, 0);
}

function dec(timer: number): number {
  return timer === 0 ? 0 : timer - 1;
}
