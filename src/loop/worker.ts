// The worker thread: everything that decides forwarding. It has no event loop of its own: it calls
// turn after turn until it is told to stop, so no promise, timer or finaliser ever runs here.
// Messages are polled, and their sender wakes us through an eventfd. Every sleep is bounded by the
// tick, and each turn is one function call, because V8 notices termination only between calls.

import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Bridge } from '../bridge/bridge.ts';
import { CommandError } from '../bridge/command.ts';
import { openPort, PORT_RESOURCES_SIZE, portResources } from '../ports/open-port.ts';
import { Arena } from '../sys/arena.ts';
import { EPOLLIN } from '../sys/epoll.ts';
import { clearEventFd } from '../sys/event-fd.ts';
import { IoUringRefused } from '../sys/io-uring.ts';
import { BACKEND_SIZE, type Backend, closeBackend, openBackend } from './backend.ts';
import { nowMs } from './clock.ts';
import type { Envelope, Replies, Request, WorkerConfig, WorkerMessage } from './message.ts';
import { SwitchLoop, WAKE_TAG } from './switch-loop.ts';

/** Requests answered between two turns at the most, so that control never holds up frames. */
const REQUESTS_MAX = 64;

const config = workerData as WorkerConfig & { port: MessagePort };
run(config);

function run({ bridge: bridgeConfig, io, wakeFd, stopWord, port }: WorkerConfig & { port: MessagePort }): void {
  const post = (message: WorkerMessage) => port.postMessage(message);
  const stop = new Int32Array(stopWord);
  const arena = new Arena(BACKEND_SIZE + PORT_RESOURCES_SIZE);
  let backend: Backend;
  try {
    backend = openBackend(io, arena);
  } catch (error) {
    if (!(error instanceof IoUringRefused)) throw error;
    // The start is answered with it.
    post({ type: 'refusal', id: 0, message: `${error.message}; --io epoll does without` });
    return;
  }
  const resources = portResources(arena, backend.ring);
  const loop = new SwitchLoop(
    new Bridge(bridgeConfig),
    backend.readiness,
    (portNo, attachment) => openPort(portNo, attachment, resources),
    (portNo, fault) => post({ type: 'fault', portNo, fault }),
  );
  backend.readiness.add(wakeFd, WAKE_TAG, EPOLLIN);
  post({ type: 'ready', refusal: backend.refusal });
  try {
    while (Atomics.load(stop, 0) === 0) {
      if (loop.turn()) clearEventFd(wakeFd);
      for (let n = 0; n < REQUESTS_MAX; n++) {
        const received = receiveMessageOnPort(port) as { message: Envelope } | undefined;
        if (received === undefined) break;
        post(answer(loop, received.message));
      }
    }
  } finally {
    // Also when something throws: left to the end of the thread, the kernel would let go of descriptors some time later.
    closeBackend(backend);
  }
  port.close();
  parentPort?.close();
}

function answer(loop: SwitchLoop, { id, request }: Envelope): WorkerMessage {
  try {
    return { type: 'reply', id, value: obey(loop, request) };
  } catch (error) {
    // A refused command is an answer. Anything else is a fault of ours and ends the worker, loudly.
    if (error instanceof CommandError) return { type: 'refusal', id, message: error.message };
    throw error;
  }
}

function obey(loop: SwitchLoop, request: Request): Replies[keyof Replies] {
  const now = nowMs();
  switch (request.type) {
    case 'apply':
      return loop.bridge.apply(request.command, now);
    case 'attach':
      loop.attach(request.portNo, request.attachment);
      if (request.up) loop.bridge.apply({ type: 'port_link', portNo: request.portNo, up: true }, now);
      return null;
    case 'detach':
      loop.detach(request.portNo);
      return null;
    case 'snapshot':
      return { bridge: loop.bridge.snapshot(), loop: loop.snapshot(), now_ms: now };
    case 'fdb':
      return loop.bridge.copyFdb(now);
    case 'save':
      return loop.bridge.save();
  }
}
