// The control socket of a running switch. It is reached by its owner and root only (mode 0600), and
// still nothing that is written to it may harm the switch: every size has a bound.
//
//   clients            CLIENTS_MAX, besides those that keep a port; one more is told so and closed
//   a request line     REQUEST_LEN_MAX octets; a longer one is answered once, and closed
//   requests           one at a time for each client; meanwhile nothing more is read from it
//   an answer          the next request is read when the client has taken the answer
//   events             at most EVENTS_LEN_MAX octets wait for a slow reader; further ones are
//                      counted, and reported as lost when it reads again
//   silence            IDLE_MS, unless the client listens for events or keeps a port
//
// A port added with `lease` is removed when the connection that added it ends (leases.ts).
//
// Answering runs on the main thread; the worker that forwards never waits for it.

import { once } from 'node:events';
import { unlinkSync } from 'node:fs';
import net from 'node:net';
import type { LogLevel } from '../loop/switch.ts';
import type { SwitchEvent } from '../loop/view.ts';
import { PORT_NO_MAX } from '../relay/limits.ts';
import { ControlError, codeOf, messageOf } from './errors.ts';
import { Leases } from './leases.ts';
import { LineBuffer, LineTooLongError } from './line-buffer.ts';
import { callMethod, type MethodContext } from './methods.ts';
import { type ControlRequest, type EventJson, parseRequest, REQUEST_LEN_MAX, RequestError } from './protocol.ts';
import { probeSocket } from './run-dir.ts';

const CLIENTS_MAX = 64;
const EVENTS_LEN_MAX = 1 << 18;
const IDLE_MS = 60_000;
/** How long a client that is turned away may take to hang up. */
const LINGER_MS = 1000;

/** Errors of these classes are faults of weft, not answers of the switch. */
const FAULTS = [TypeError, RangeError, ReferenceError, SyntaxError];

/** The control socket of one switch. */
export class ControlServer {
  readonly socketPath: string;
  readonly #server: net.Server;
  readonly #clients = new Set<Client>();
  readonly #leases = new Leases();

  private constructor(socketPath: string, context: MethodContext, log: (level: LogLevel, message: string) => void) {
    this.socketPath = socketPath;
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      const client = new Client(socket, context, this.#leases, log);
      // There are never more holders than ports.
      if (this.#clients.size - this.#leases.holderCount >= CLIENTS_MAX) {
        client.refuse(`${context.switch.name} serves ${CLIENTS_MAX} clients already; close one of them`);
        return;
      }
      this.#clients.add(client);
      socket.once('close', () => this.#clients.delete(client));
      client.serve();
    });
    this.#server.maxConnections = PORT_NO_MAX + 2 * CLIENTS_MAX;
    // Accepting can fail for want of descriptors; the switch goes on, and so do its clients.
    this.#server.on('error', (error) => log('error', `the control socket: ${error.message}`));
  }

  /**
   * Listens on `socketPath`; the caller holds the lock of the switch's name, so a socket that is
   * there and refuses connections is left over, and replaced. Rejects with ControlError.
   */
  static async listen(
    socketPath: string,
    context: MethodContext,
    log: (level: LogLevel, message: string) => void,
  ): Promise<ControlServer> {
    const state = await probeSocket(socketPath);
    if (state === 'running' || state === 'stuck') {
      throw new ControlError(`something else already listens on ${socketPath}; end it, or choose another name with --switch`);
    }
    try {
      if (state !== 'missing') unlinkSync(socketPath);
      const self = new ControlServer(socketPath, context, log);
      const umask = process.umask(0o177);
      try {
        self.#server.listen(socketPath);
      } finally {
        process.umask(umask);
      }
      await once(self.#server, 'listening');
      return self;
    } catch (error) {
      throw new ControlError(
        `cannot make the control socket ${socketPath} (${codeOf(error) ?? messageOf(error)}); name another --run-dir`,
      );
    }
  }

  /** Closes every connection and removes the socket. Ports that a client keeps are the caller's to close. */
  async close(): Promise<void> {
    this.#leases.clear();
    for (const client of this.#clients) client.close();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** One connection. */
class Client {
  readonly #socket: net.Socket;
  readonly #context: MethodContext;
  readonly #leases: Leases;
  readonly #log: (level: LogLevel, message: string) => void;
  #unsubscribe: (() => void) | undefined;
  #lostEvents = 0;

  constructor(socket: net.Socket, context: MethodContext, leases: Leases, log: (level: LogLevel, message: string) => void) {
    this.#socket = socket;
    this.#context = context;
    this.#leases = leases;
    this.#log = log;
    socket.on('error', () => socket.destroy());
  }

  /** Turns the client away. */
  refuse(message: string): void {
    this.#finish(new RequestError('busy', message));
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Answers until the client goes. */
  serve(): void {
    const socket = this.#socket;
    socket.setTimeout(IDLE_MS, () => {
      const mayBeSilent = this.#unsubscribe !== undefined || this.#leases.has(this);
      if (!mayBeSilent || socket.writableLength > 0) socket.destroy();
    });
    socket.on('drain', () => this.#reportLostEvents());
    socket.once('close', () => {
      this.#unsubscribe?.();
      this.#endLeases();
    });
    // A stream flows only when its iteration is over: then what is left is thrown away (see #finish).
    this.#readAll().then(
      () => socket.resume(),
      (error) => {
        socket.destroy();
        if (codeOf(error) === undefined) this.#log('error', `a client of the control socket: ${messageOf(error)}`);
      },
    );
  }

  async #readAll(): Promise<void> {
    const lines = new LineBuffer(REQUEST_LEN_MAX);
    // Iterating pauses the socket while a request is under way: that bounds what waits on our side.
    for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
      try {
        for (const line of lines.push(chunk as Buffer)) if (!(await this.#answer(line))) return;
      } catch (error) {
        if (!(error instanceof LineTooLongError)) throw error;
        return this.#finish(new RequestError('bad_request', `the request is longer than ${REQUEST_LEN_MAX} octets`));
      }
    }
    this.#socket.end();
  }

  /** Answers one line; false when the conversation is over. */
  async #answer(line: Buffer): Promise<boolean> {
    let request: ControlRequest;
    try {
      request = parseRequest(line);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (error.id === null) {
        this.#finish(error);
        return false;
      }
      await this.#send({ id: error.id, error: { message: error.message, code: error.code } });
      return true;
    }
    const { id, method } = request;
    if (request.method === 'port_del') this.#leases.forget(request.params.name);
    try {
      const result = await callMethod(this.#context, request);
      if (request.method === 'port_add' && request.params.lease) this.#lease(request.params.spec.name);
      await this.#send({ id, result });
    } catch (error) {
      await this.#send({ id, error: this.#errorAnswer(method, error) });
      return true;
    }
    if (method === 'events') this.#unsubscribe ??= this.#context.switch.subscribe((event) => this.#event(event));
    if (method === 'stop') this.#context.onStop();
    return true;
  }

  #lease(port: string): void {
    this.#leases.take(port, this);
    // It may have gone while the port was being added.
    if (this.#socket.destroyed) this.#endLeases();
  }

  /** Removes the ports that went with the client. */
  #endLeases(): void {
    for (const port of this.#leases.end(this)) {
      this.#log('info', `port ${port} goes with the client that added it`);
      this.#context.switch.removePort(port).catch((error: unknown) => {
        this.#log('warn', `cannot remove port ${port}: ${messageOf(error)}`);
      });
    }
  }

  #errorAnswer(method: string, error: unknown): { message: string; code: string } {
    if (error instanceof RequestError) return { message: error.message, code: error.code };
    if (!FAULTS.some((fault) => error instanceof fault)) return { message: messageOf(error), code: 'refused' };
    this.#log('error', `${method} failed, which is a fault of weft: ${(error as Error).stack}`);
    return { message: `${method} failed, which is a fault of weft (${messageOf(error)}); its log says more`, code: 'internal' };
  }

  #event(event: SwitchEvent): void {
    if (this.#lostEvents > 0 || this.#socket.writableLength > EVENTS_LEN_MAX) this.#lostEvents++;
    else this.#writeEvent(event);
  }

  #reportLostEvents(): void {
    if (this.#lostEvents === 0) return;
    this.#writeEvent({ type: 'lost', count: this.#lostEvents });
    this.#lostEvents = 0;
  }

  #writeEvent(event: EventJson): void {
    this.#socket.write(`${JSON.stringify({ event })}\n`);
  }

  /** Writes a line and waits until the client has taken it. */
  async #send(answer: object): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed || socket.write(`${JSON.stringify(answer)}\n`)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.off('drain', done).off('close', done);
        resolve();
      };
      socket.on('drain', done).on('close', done);
    });
  }

  /** Says what is wrong and closes; what the client still sends is thrown away, for a moment, so that it can read why. */
  #finish(error: RequestError): void {
    const socket = this.#socket;
    socket.end(`${JSON.stringify({ id: error.id, error: { message: error.message, code: error.code } })}\n`);
    socket.once('end', () => socket.destroy()).resume();
    const linger = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(linger));
  }
}
