// The device of a dgram port: a guest's datagram socket at a path of its own, as QEMU's `-netdev dgram`
// makes it. Ours is bound as long as the port is there; it is connected to the guest's, so that nobody
// else's frames come in (unix-datagram.ts).
//
//   dialling ──a socket has the guest's path──> up ──sending says it has gone──> dialling …
//                                               up ──another one has the path──> dialling …
//
// Neither side tells the other when it ends. So the folder of the guest's path is watched: what appears
// there is dialled at once, and a guest that was started anew is noticed before anything is sent to it,
// which matters because the kernel refuses its frames until we are connected to it. Dialling is tried
// again for ever, every five seconds in the end, in case the watch misses something. A guest that is
// killed leaves its path, and its port is up until a frame is sent there.
//
// A guest needs to do nothing when the switch is started again: it sends to our path, whoever has it.
//
// Each connection is a duplicate of the one socket, so that the worker lets go of it like any other.
// There is no receive buffer to size: what waits for us is counted against its sender's send buffer.

import { type FSWatcher, statSync, watch } from 'node:fs';
import path from 'node:path';
import { duplicateFd } from '../sys/fd.ts';
import { setSendBufferSize } from '../sys/socket.ts';
import { errnoText, SysError } from '../sys/sys-error.ts';
import {
  bindUnixDatagram,
  closeUnixDatagram,
  connectUnixDatagram,
  discardDatagrams,
  type UnixDatagram,
} from '../sys/unix-datagram.ts';
import { type Attachment, type Device, DeviceError, type DeviceStatus } from './device.ts';
import { type DeviceContext, DeviceState } from './device-state.ts';
import { parseDgramPaths } from './dgram-paths.ts';
import type { PortFault } from './port.ts';
import { Retry } from './retry.ts';
import type { PortSpec } from './spec.ts';
import { STREAM_MTU_DEFAULT } from './stream-device.ts';

const RETRY_FIRST_MS = 50;
const RETRY_LAST_MS = 5000;
/** Room for a turn's frames to one guest. */
const SEND_BUFFER_SIZE = 1 << 20;
/** Datagrams from anybody that may wait on a socket while it is not connected; the kernel allows far fewer. */
const STRAY_MAX = 4096;

/** A guest's datagram socket under a port. */
export class DgramDevice implements Device {
  readonly #spec: PortSpec;
  readonly #context: DeviceContext;
  readonly #local: string;
  readonly #remote: string;
  /** Why it is down when nobody is there. */
  readonly #waiting: string;
  readonly #state = new DeviceState();
  readonly #retry = new Retry(RETRY_FIRST_MS, RETRY_LAST_MS, () => this.#dial());
  #socket: UnixDatagram | undefined;
  #watcher: FSWatcher | undefined;
  /** What had the guest's path when it was dialled. */
  #peer: string | undefined;

  constructor(spec: PortSpec, context: DeviceContext) {
    this.#spec = spec;
    this.#context = context;
    const paths = parseDgramPaths(spec.target);
    if (paths === undefined) throw new DeviceError(`'${spec.target}' is not LOCAL:REMOTE, the paths of two sockets`);
    this.#local = path.resolve(context.runDir, paths.local);
    this.#remote = path.resolve(context.runDir, paths.remote);
    this.#waiting = `waiting for a guest at ${this.#remote}`;
  }

  get status(): DeviceStatus {
    return this.#state.status;
  }

  /** Binds the port's own path, and begins to dial. */
  open(onChange: () => void): void {
    const begin = () => {
      this.#state.set({ mtu: this.#spec.settings.mtu ?? STREAM_MTU_DEFAULT, reason: this.#waiting });
      this.#socket = bindUnixDatagram(this.#local, this.#spec.mode);
      setSendBufferSize(this.#socket.fd, SEND_BUFFER_SIZE);
      this.#watch();
      this.#dial();
    };
    this.#state.open(onChange, begin, () => this.close());
  }

  release(attachment: Attachment): void {
    this.#state.release(attachment);
  }

  failed(attachment: Attachment, _fault: PortFault): void {
    if (this.status.attachment !== attachment) return;
    this.#down(this.#waiting);
    this.#retry.schedule();
  }

  close(): void {
    this.#retry.cancel();
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#state.close();
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    try {
      closeUnixDatagram(socket);
    } catch (error) {
      this.#log(`cannot remove ${this.#local}: ${error instanceof Error ? error.message : error}`);
    }
  }

  #watch(): void {
    const folder = path.dirname(this.#remote);
    try {
      // Without `persistent` it does not keep the process alive.
      this.#watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === path.basename(this.#remote)) this.#look();
      });
      this.#watcher.on('error', (error) => this.#log(`cannot watch ${folder} any more: ${error.message}`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        throw new DeviceError(`there is no directory ${folder} for the guest's socket; make it first`);
      }
      this.#log(`cannot watch ${folder}, so a guest that is started anew is noticed late: ${(error as Error).message}`);
    }
  }

  /** Something happened to the guest's path. One that was removed may still be the guest's. */
  #look(): void {
    const found = identityOf(this.#remote);
    if (found === undefined || (this.status.up && found === this.#peer)) return;
    this.#retry.reset();
    this.#dial();
  }

  #dial(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#peer = identityOf(this.#remote);
    const result = connectUnixDatagram(socket.fd, this.#remote);
    if (result < 0) {
      this.#down(`${this.#waiting}: ${errnoText(result)}`);
      this.#retry.schedule();
      return;
    }
    discardDatagrams(socket.fd, STRAY_MAX);
    try {
      this.#state.set({ up: true, attachment: this.#state.handOut('dgram', duplicateFd(socket.fd), 0) });
      this.#retry.reset();
    } catch (error) {
      // Out of descriptors: there may be one later.
      if (!(error instanceof SysError)) throw error;
      this.#down(`${this.#waiting}: ${error.message}`);
      this.#retry.schedule();
    }
  }

  #down(reason: string): void {
    this.#state.set({ up: false, attachment: undefined, reason });
  }

  #log(message: string): void {
    this.#context.log('warn', `port ${this.#spec.name}: ${message}`);
  }
}

/** Tells a file from another one that has had the same path, as inode numbers are used again; undefined when there is none to see. */
function identityOf(file: string): string | undefined {
  try {
    const { dev, ino, birthtimeNs } = statSync(file, { bigint: true });
    return `${dev} ${ino} ${birthtimeNs}`;
  } catch {
    return undefined;
  }
}
