// The turn: wait, receive, ingest, transmit, tick. Owns the bridge and the worker's side of every
// port; runs in the worker thread, and in tests wherever they like.
//
// One turn serves each ready port once, with one batch of bounded size, so that nobody waits for a
// busy port and a slow one costs nothing: what it does not take is queued within bounds or dropped
// and counted. Readiness is level-triggered, so what is left over is ready again next turn; epoll
// hands ready descriptors out in rotation. A port that has taken more from its device than one batch
// holds is served again next turn without an event, and the loop does not sleep before that.
//
// A port whose device fails is taken out at once: no more events, link down, addresses flushed. Main
// is told, and later asks to detach it, which gives the descriptor back.

import type { Bridge } from '../bridge/bridge.ts';
import { CommandError } from '../bridge/command.ts';
import { assert } from '../lib/assert.ts';
import type { Attachment } from '../ports/device.ts';
import type { Port, PortFault } from '../ports/port.ts';
import { BATCH_FRAMES_MAX, Batch } from '../relay/batch.ts';
import { DROP, DROP_BASE } from '../relay/drop-reason.ts';
import { TransmitResult } from '../relay/egress.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from '../sys/epoll.ts';
import type { Readiness } from '../sys/readiness.ts';
import { nowMs } from './clock.ts';
import type { LoopSnapshot } from './message.ts';

/** Tag of the descriptor that wakes the loop; no port has this number. */
export const WAKE_TAG = 0;
const TICK_MS = 1000;
const TX_DOWN = DROP.TX_DOWN - DROP_BASE;

/** Makes the worker's side of a port. */
export type OpenPort = (portNo: number, attachment: Attachment) => Port;

/** The loop around one bridge. */
export class SwitchLoop {
  readonly bridge: Bridge;
  readonly #readiness: Readiness;
  readonly #openPort: OpenPort;
  readonly #onFault: (portNo: number, fault: PortFault) => void;
  readonly #ports: (Port | undefined)[] = [];
  /** Ports whose device failed, until main detaches them. */
  readonly #failed: (Port | undefined)[] = [];
  readonly #waitsForRoom: boolean[] = [];
  /** Numbers of the ports that hold received frames, in no order. */
  readonly #backlogged: number[] = [];
  /** Turn in which each port received last. */
  readonly #receivedTurn: number[] = [];
  readonly #batch = new Batch();
  readonly #result = new TransmitResult();
  #nextTick: number;
  #turns = 0;
  #wakeups = 0;

  /** `onFault` hears of a failed device once. */
  constructor(bridge: Bridge, readiness: Readiness, openPort: OpenPort, onFault: (portNo: number, fault: PortFault) => void) {
    this.bridge = bridge;
    this.#readiness = readiness;
    this.#openPort = openPort;
    this.#onFault = onFault;
    this.#nextTick = nowMs() + TICK_MS;
  }

  /** Waits until something is ready, at most until the next tick, and serves it; whether the wake descriptor was signalled. */
  turn(): boolean {
    const before = nowMs();
    const sleepMs = this.#backlogged.length > 0 ? 0 : Math.max(0, Math.min(TICK_MS, Math.ceil(this.#nextTick - before)));
    const ready = this.#readiness.wait(sleepMs);
    const now = nowMs();
    let isWoken = false;
    this.#turns++;
    if (ready > 0) this.#wakeups++;
    for (let k = 0; k < ready; k++) {
      const portNo = this.#readiness.tag(k);
      if (portNo === WAKE_TAG) isWoken = true;
      else this.serve(portNo, this.#readiness.events(k), now);
    }
    // Downwards, because a port whose backlog is served leaves the list.
    for (let k = this.#backlogged.length - 1; k >= 0; k--) {
      const portNo = this.#backlogged[k] as number;
      if (this.#receivedTurn[portNo] !== this.#turns) this.serve(portNo, EPOLLIN, now);
    }
    if (now >= this.#nextTick) {
      this.bridge.tick(now);
      // A process that was stopped for long makes up for it with one tick, not with many.
      this.#nextTick = Math.max(this.#nextTick + TICK_MS, now);
    }
    return isWoken;
  }

  /** Serves one port that has `events` (EPOLL bits). */
  serve(portNo: number, events: number, now: number): void {
    const port = this.#ports[portNo];
    // The port may have failed earlier in this turn, while its event was already in the list.
    if (port === undefined) return;
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) !== 0) {
      const batch = this.#batch;
      this.#receivedTurn[portNo] = this.#turns;
      batch.reset(portNo);
      port.receive(batch);
      if (batch.count > 0) {
        this.bridge.ingest(batch, now);
        this.#deliver(batch);
      }
      port.release(batch);
    }
    if ((events & EPOLLOUT) !== 0 && port.wantsWrite) {
      const result = this.#result;
      result.clear();
      port.drain(result);
      this.bridge.transmitted(portNo, result);
    }
    this.#settle(port);
  }

  /** Runs `attachment` as port `portNo` from now on. Throws CommandError when the descriptor cannot be waited for. */
  attach(portNo: number, attachment: Attachment): void {
    assert(this.#ports[portNo] === undefined && this.#failed[portNo] === undefined, `port ${portNo} is attached already`);
    const port = this.#openPort(portNo, attachment);
    const error = port.fd < 0 ? 0 : this.#readiness.add(port.fd, portNo, EPOLLIN);
    if (error !== 0) {
      this.#closePort(port);
      throw new CommandError(`cannot wait for descriptor ${port.fd} of port ${portNo} (errno ${-error})`);
    }
    this.#ports[portNo] = port;
    this.#waitsForRoom[portNo] = false;
    this.#receivedTurn[portNo] = 0;
  }

  /** Lets go of the descriptor of port `portNo`; what it had queued is dropped and counted. */
  detach(portNo: number): void {
    const port = this.#ports[portNo];
    if (port !== undefined) {
      if (port.fd >= 0) this.#readiness.remove(port.fd);
      this.#ports[portNo] = undefined;
      this.#noteBacklog(portNo, false);
      this.#closePort(port);
    }
    this.#failed[portNo] = undefined;
  }

  /** What the loop counts of itself. */
  snapshot(): LoopSnapshot {
    return { backend: this.#readiness.backend, turns: this.#turns, wakeups: this.#wakeups, imbalances: this.bridge.imbalances() };
  }

  #deliver(batch: Batch): void {
    const { egress } = this.bridge;
    const result = this.#result;
    for (let k = 0; k < egress.portCount; k++) {
      const portNo = egress.ports[k] as number;
      const count = egress.count[portNo] as number;
      if (count === 0) continue;
      const port = this.#ports[portNo];
      result.clear();
      if (port === undefined) result.drops[TX_DOWN] = count;
      else port.transmit(batch, egress.frames, portNo * BATCH_FRAMES_MAX, count, result);
      this.bridge.transmitted(portNo, result);
      // The ingress port still lends its memory: it is settled when it has been released.
      if (port !== undefined && portNo !== batch.ingressPort) this.#settle(port);
    }
  }

  /** After a port did something: take it out if its device failed, wait for room if it queued, come back for its backlog. */
  #settle(port: Port): void {
    const { portNo, fault } = port;
    if (fault !== undefined) {
      if (port.fd >= 0) this.#readiness.remove(port.fd);
      this.#ports[portNo] = undefined;
      this.#failed[portNo] = port;
      this.#noteBacklog(portNo, false);
      this.#closePort(port);
      this.bridge.apply({ type: 'port_link', portNo, up: false }, nowMs());
      this.#onFault(portNo, fault);
      return;
    }
    this.#noteBacklog(portNo, port.hasBacklog);
    if (port.wantsWrite !== this.#waitsForRoom[portNo] && port.fd >= 0) {
      this.#waitsForRoom[portNo] = port.wantsWrite;
      this.#readiness.modify(port.fd, portNo, port.wantsWrite ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
  }

  #noteBacklog(portNo: number, hasBacklog: boolean): void {
    if (!hasBacklog && this.#backlogged.length === 0) return;
    const k = this.#backlogged.indexOf(portNo);
    if (hasBacklog && k < 0) this.#backlogged.push(portNo);
    else if (!hasBacklog && k >= 0) {
      this.#backlogged[k] = this.#backlogged[this.#backlogged.length - 1] as number;
      this.#backlogged.pop();
    }
  }

  #closePort(port: Port): void {
    this.#result.clear();
    port.close(this.#result);
    this.bridge.transmitted(port.portNo, this.#result);
  }
}
