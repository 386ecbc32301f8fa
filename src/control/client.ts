// The other end of the control socket, for every verb that talks to a running switch. It knows the
// protocol by its types alone: the schemas, and what they load, stay on the server's side.

import net from 'node:net';
import path from 'node:path';
import { ControlError, codeOf } from './errors.ts';
import { LineBuffer, LineTooLongError } from './line-buffer.ts';
import type { EventJson, MethodName, Params, Results } from './protocol.ts';

/** How long a switch may take to answer. Opening and closing devices takes tens of milliseconds each. */
const TIMEOUT_MS = 10_000;
/** Octets of an answer: an FDB of a million addresses is a tenth of it. */
const ANSWER_LEN_MAX = 1 << 30;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

/** A connection to one switch. */
export class ControlClient {
  readonly #socket: net.Socket;
  readonly #name: string;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #failure: ControlError | undefined;
  #onEvent: ((event: EventJson) => void) | undefined;

  private constructor(socket: net.Socket, socketPath: string) {
    this.#socket = socket;
    this.#name = path.basename(socketPath, '.sock');
    const lines = new LineBuffer(ANSWER_LEN_MAX);
    socket.on('data', (chunk) => {
      try {
        for (const line of lines.push(chunk)) this.#receive(line);
      } catch (error) {
        if (!(error instanceof LineTooLongError) && !(error instanceof SyntaxError)) throw error;
        this.#fail(`${socketPath} does not speak weft's protocol; is another program listening there?`);
      }
    });
    socket.on('error', (error) =>
      this.#fail(`lost the connection to switch ${this.#name} (${codeOf(error)}); look whether it still runs`),
    );
    socket.on('close', () => this.#fail(`switch ${this.#name} closed the connection; look whether it still runs`));
  }

  /** Connects to a control socket. Rejects with ControlError. */
  static connect(socketPath: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(socketPath);
      const refused = (error: Error) => {
        const name = path.basename(socketPath, '.sock');
        reject(new ControlError(`cannot reach switch ${name} at ${socketPath} (${codeOf(error)}); look whether it runs`));
      };
      socket.once('error', refused);
      socket.once('connect', () => {
        socket.off('error', refused);
        resolve(new ControlClient(socket, socketPath));
      });
    });
  }

  /** Calls a method. Rejects with ControlError: the switch's own sentence, or that it does not answer. */
  call<M extends MethodName>(method: M, params: Params<M>, timeoutMs = TIMEOUT_MS): Promise<Results[M]> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      const id = this.#nextId++;
      const timer = setTimeout(() => {
        this.#fail(
          `switch ${this.#name} did not answer within ${timeoutMs / 1000} s; it hangs or is overloaded: look at its log`,
        );
      }, timeoutMs);
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, timer });
      this.#socket.write(`${JSON.stringify({ id, method, params })}\n`);
    });
  }

  /** Calls `listener` for every event from now on. */
  async events(listener: (event: EventJson) => void): Promise<void> {
    this.#onEvent = listener;
    await this.call('events', {});
  }

  /** Resolves when the connection has ended. */
  closed(): Promise<void> {
    return new Promise((resolve) => (this.#socket.closed ? resolve() : this.#socket.once('close', () => resolve())));
  }

  /** Hangs up. */
  close(): void {
    this.#fail('the connection was closed');
  }

  #receive(line: Buffer): void {
    const answer = JSON.parse(line.toString('utf8')) as {
      id?: number | null;
      result?: unknown;
      error?: { message: string };
      event?: EventJson;
    };
    if (answer.event !== undefined) {
      this.#onEvent?.(answer.event);
      return;
    }
    if (typeof answer.id !== 'number') {
      this.#fail(answer.error?.message ?? `switch ${this.#name} gave an answer without an id`);
      return;
    }
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.id);
    clearTimeout(waiting.timer);
    if (answer.error === undefined) waiting.resolve(answer.result);
    else waiting.reject(new ControlError(answer.error.message));
  }

  /** Ends the connection and everything that waits for an answer. The first reason stands. */
  #fail(message: string): void {
    this.#failure ??= new ControlError(message);
    this.#socket.destroy();
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(this.#failure);
    }
    this.#waiting.clear();
  }
}

/** One call on a connection of its own. */
export async function callSwitch<M extends MethodName>(socketPath: string, method: M, params: Params<M>): Promise<Results[M]> {
  const client = await ControlClient.connect(socketPath);
  try {
    return await client.call(method, params);
  } finally {
    client.close();
  }
}
