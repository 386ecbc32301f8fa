// The life of a process that runs a switch: it ends by a signal, by request, or by a failure, and each
// way takes everything down in order and within END_MS, or longer where guests may take their time.
//
// A second signal changes nothing: a terminal and whoever started us often both send one, and taking
// down is bounded anyway. SIGHUP ends us as well; Node would die of it without taking down anything.

import { reportFailure } from './failure.ts';
import { outliveClosedOutputs } from './output.ts';

/** From the first signal to the end of the process at the latest; the promise made to users is 2 s. */
export const END_MS = 1800;

/** How a running thing asks for the end. */
export interface Ending {
  /** Everything is well, and over. */
  request(): void;
  /** Nothing can go on. */
  fail(error: Error): void;
}

/** Something that runs until it is stopped. */
export interface Running {
  /** Status of the process when no failure ends it; 0 by default. Asked for after the stop. */
  readonly exitCode?: number;
  stop(): Promise<void>;
}

/**
 * Runs what `start` starts until it ends, and ends the process: its own status after a signal or request, else
 * that of the failure. `start` leaves nothing behind when it fails. Taking down may last `endMs`.
 */
export async function runToEnd<R extends Running>(
  start: (ending: Ending) => Promise<R>,
  onReady: (running: R) => void,
  endMs: number = END_MS,
): Promise<never> {
  outliveClosedOutputs();
  let isOver = false;
  let settle: (error: Error | undefined) => void = () => {};
  const ended = new Promise<Error | undefined>((resolve) => {
    settle = resolve;
  });
  const end = (error?: Error) => {
    if (isOver) return;
    isOver = true;
    setTimeout(() => {
      console.error(
        `weft: not everything could be taken down within ${endMs} ms; interfaces may be left as the switch used them`,
      );
      process.exit(1);
    }, endMs);
    settle(error);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end());
  process.on('uncaughtException', (error) => end(faultOf(error)));
  let running: R;
  try {
    running = await start({ request: () => end(), fail: end });
  } catch (error) {
    process.exit(reportFailure(error));
  }
  if (!isOver) onReady(running);
  const error = await ended;
  const failure = error === undefined ? undefined : reportFailure(error);
  await running.stop();
  process.exit(failure ?? running.exitCode ?? 0);
}

/** What was thrown past everything, with its place: it is not for the user to mend. */
function faultOf(thrown: unknown): Error {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const place = /^\s*at .*$/m.exec(error.stack ?? '')?.[0].trim() ?? 'at an unknown place';
  return new Error(`a fault of weft ended the switch: ${error.message} (${place}); please report it`, { cause: error });
}
