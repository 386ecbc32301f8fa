// The device of a stream port: a guest's connection over a unix socket, as QEMU's `-netdev stream`
// makes it.
//
//   listening (server):  waiting ──a guest connects──> up ──it goes──> waiting …
//   connect (client):    dialling, again and again ──someone listens──> up ──it goes──> dialling …
//
// One guest at a time: a second connection is closed at once, unless the first one has hung up
// already and only the worker has not said so yet, which happens when a guest is started anew.
// Dialling is tried again for ever, every five seconds in the end: a guest may be started at any time.
//
// A connection does not say how large a frame its guest takes, so the port's MTU is 65,535 unless it
// is set. What the guest cannot take, it drops.

import path from 'node:path';
import { ERRNO } from '../sys/errno.ts';
import { closeFd } from '../sys/fd.ts';
import { setSendBufferSize } from '../sys/socket.ts';
import { errnoText } from '../sys/sys-error.ts';
import { acceptUnix, closeUnixListener, connectUnix, listenUnix, type UnixListener } from '../sys/unix-socket.ts';
import { watchReadable } from '../sys/watch.ts';
import type { Attachment, Device, DeviceStatus } from './device.ts';
import { type DeviceContext, DeviceState } from './device-state.ts';
import { hasHungUp } from './hung-up.ts';
import type { PortFault } from './port.ts';
import { Retry } from './retry.ts';
import type { PortSpec } from './spec.ts';

const RETRY_FIRST_MS = 50;
const RETRY_LAST_MS = 5000;

/** MTU of a port whose guest does not say. */
export const STREAM_MTU_DEFAULT = 65_535;

/** Room for a turn's frames to one guest; the default holds some sixty of 1,500 octets. */
const SEND_BUFFER_SIZE = 1 << 20;

/** A guest's connection under a port. */
export class StreamDevice implements Device {
  readonly #spec: PortSpec;
  readonly #context: DeviceContext;
  readonly #path: string;
  /** Why it is down when nobody is connected. */
  readonly #waiting: string;
  readonly #state = new DeviceState();
  readonly #retry = new Retry(RETRY_FIRST_MS, RETRY_LAST_MS, () => (this.#spec.connect ? this.#dial() : this.#watch()));
  #listener: UnixListener | undefined;
  #stopWatch: (() => void) | undefined;
  #connectedAtMs = 0;

  constructor(spec: PortSpec, context: DeviceContext) {
    this.#spec = spec;
    this.#context = context;
    this.#path = path.resolve(context.runDir, spec.target);
    this.#waiting = spec.connect ? `waiting for a guest to listen at ${this.#path}` : 'waiting for a guest to connect';
  }

  get status(): DeviceStatus {
    return this.#state.status;
  }

  /** Listens, or begins to dial. */
  open(onChange: () => void): void {
    const begin = () => {
      this.#state.set({ mtu: this.#spec.settings.mtu ?? STREAM_MTU_DEFAULT, reason: this.#waiting });
      if (this.#spec.connect) {
        this.#dial();
      } else {
        this.#listener = listenUnix(this.#path, this.#spec.mode);
        this.#watch();
      }
    };
    this.#state.open(onChange, begin, () => this.close());
  }

  release(attachment: Attachment): void {
    this.#state.release(attachment);
  }

  failed(attachment: Attachment, fault: PortFault): void {
    if (this.status.attachment !== attachment) return;
    if (fault === 'garbage') this.#log('warn', 'the guest sent something that is not a frame; its connection is closed');
    this.#state.set({ up: false, attachment: undefined, reason: this.#waiting });
    if (!this.#spec.connect) return;
    // Who accepts and hangs up at once is dialled less and less often, like one who does not accept.
    if (performance.now() - this.#connectedAtMs > RETRY_LAST_MS) this.#retry.reset();
    this.#retry.schedule();
  }

  close(): void {
    this.#retry.cancel();
    this.#stopWatch?.();
    this.#stopWatch = undefined;
    this.#state.close();
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener === undefined) return;
    try {
      closeUnixListener(listener);
    } catch (error) {
      this.#log('warn', `cannot remove ${this.#path}: ${error instanceof Error ? error.message : error}`);
    }
  }

  #watch(): void {
    const listener = this.#listener;
    if (listener !== undefined) this.#stopWatch = watchReadable(listener.fd, () => this.#accept(listener.fd));
  }

  #accept(listening: number): void {
    const fd = acceptUnix(listening);
    if (fd >= 0) {
      this.#retry.reset();
      const { attachment } = this.status;
      if (attachment === undefined || hasHungUp(attachment.fd)) {
        this.#connected(fd);
      } else {
        closeFd(fd);
        this.#log('warn', `a second guest was turned away at ${this.#path}: another one is connected`);
      }
    } else if (fd !== -ERRNO.EAGAIN && fd !== -ERRNO.EINTR && fd !== -ERRNO.ECONNABORTED) {
      // Out of descriptors, or of memory. The connection stays ready, so we would be called without end.
      this.#log('warn', `cannot take a connection at ${this.#path}: ${errnoText(fd)}`);
      this.#stopWatch?.();
      this.#retry.schedule();
    }
  }

  #dial(): void {
    const fd = connectUnix(this.#path);
    if (fd >= 0) {
      this.#connected(fd);
    } else {
      this.#state.set({ reason: `${this.#waiting}: ${errnoText(fd)}` });
      this.#retry.schedule();
    }
  }

  #connected(fd: number): void {
    this.#connectedAtMs = performance.now();
    setSendBufferSize(fd, SEND_BUFFER_SIZE);
    this.#state.set({ up: true, attachment: this.#state.handOut('stream', fd, 0) });
  }

  #log(level: 'warn', message: string): void {
    this.#context.log(level, `port ${this.#spec.name}: ${message}`);
  }
}
