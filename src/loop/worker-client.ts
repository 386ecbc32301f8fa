// Main's end of the line to the worker: requests with replies, faults, and an end that always comes.
//
// The worker may be asleep in a system call, which neither `process.exit` nor a signal interrupts.
// So whatever ends this process, the exit handler below sets the shared stop word and signals the
// eventfd the worker waits on.

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { BridgeConfig } from '../bridge/bridge.ts';
import { CommandError } from '../bridge/command.ts';
import type { PortFault } from '../ports/port.ts';
import { createEventFd, signalEventFd } from '../sys/event-fd.ts';
import { closeFd } from '../sys/fd.ts';
import type { IoChoice } from './io-choice.ts';
import type { Envelope, Replies, Request, WorkerConfig, WorkerMessage } from './message.ts';

// This file runs compiled and, under a loader, as source; the worker's file is its neighbour either way.
const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

interface Pending {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

/** What the worker reports unasked. */
export interface WorkerEvents {
  fault(portNo: number, fault: PortFault): void;
  /** The worker ended although nobody asked it to. */
  died(error: Error): void;
}

/** A running worker. */
export class WorkerClient {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #wakeFd: number;
  readonly #stop: Int32Array;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<void>;
  readonly #onProcessExit = () => this.#signalStop();
  #nextId = 1;
  #refusal: string | undefined;
  #isStopping = false;
  #death: Error | undefined;

  private constructor(bridge: BridgeConfig, io: IoChoice, events: WorkerEvents) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#wakeFd = createEventFd();
    const stopWord = new SharedArrayBuffer(4);
    this.#stop = new Int32Array(stopWord);
    const workerData: WorkerConfig & { port: MessagePort } = { bridge, io, wakeFd: this.#wakeFd, stopWord, port: port2 };
    this.#worker = new Worker(WORKER_URL, { workerData, transferList: [port2] });
    process.on('exit', this.#onProcessExit);
    this.#worker.on('error', (error) => {
      this.#death = error instanceof Error ? error : new Error(String(error));
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        process.off('exit', this.#onProcessExit);
        closeFd(this.#wakeFd);
        this.#port.close();
        const death = this.#death ?? new Error('the forwarding thread has ended');
        for (const { reject } of this.#pending.values()) reject(death);
        this.#pending.clear();
        if (!this.#isStopping) events.died(death);
        resolve();
      });
    });
    this.#port.on('message', (message: WorkerMessage) => this.#receive(message, events));
  }

  /** Starts a worker around a new bridge; resolves when it forwards, rejects with CommandError when `io` cannot be had. */
  static async start(bridge: BridgeConfig, io: IoChoice, events: WorkerEvents): Promise<WorkerClient> {
    let failed: ((error: Error) => void) | undefined;
    const client = new WorkerClient(bridge, io, {
      fault: events.fault,
      died: (error) => (failed === undefined ? events.died(error) : failed(error)),
    });
    await new Promise<void>((resolve, reject) => {
      failed = reject;
      client.#pending.set(0, { resolve: resolve as (value: never) => void, reject });
    });
    failed = undefined;
    return client;
  }

  /** Why epoll took over from io_uring; undefined where nothing was refused. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Sends a request; resolves with its reply, rejects with CommandError when the bridge refuses it. */
  request<R extends Request>(request: R): Promise<Replies[R['type']]> {
    if (this.#isStopping) return Promise.reject(new Error('the switch is stopping'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (value: never) => void, reject });
      this.#port.postMessage({ id, request } satisfies Envelope);
      signalEventFd(this.#wakeFd);
    });
  }

  /** Ends the worker; resolves when it has ended and refers to no descriptor any more. */
  async stop(): Promise<void> {
    if (!this.#isStopping) this.#signalStop();
    await this.#exited;
  }

  #signalStop(): void {
    this.#isStopping = true;
    Atomics.store(this.#stop, 0, 1);
    signalEventFd(this.#wakeFd);
  }

  #receive(message: WorkerMessage, events: WorkerEvents): void {
    switch (message.type) {
      case 'fault':
        events.fault(message.portNo, message.fault);
        return;
      case 'ready':
        this.#refusal = message.refusal;
        this.#take(0)?.resolve(undefined as never);
        return;
      case 'reply':
        this.#take(message.id)?.resolve(message.value as never);
        return;
      case 'refusal':
        this.#take(message.id)?.reject(new CommandError(message.message));
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}
