// The log of a switch: on standard error, one line a message, for people or (JSON lines) for machines.
//
// What a device or a guest can bring about again and again must not fill a disk. So messages are
// limited by key: the first of a key is written, further ones within WINDOW_MS are counted, and the
// count is written when the window closes. Keys are remembered in a cache of bounded size; one that
// is pushed out has its count written too, so nothing goes unsaid.
//
// Writing is synchronous, so the last line before an end is there. Never per frame.

import { LRUCache } from 'lru-cache';
import { pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from '../loop/switch.ts';

const WINDOW_MS = 10_000;
const KEYS_MAX = 512;

/** How a log is written. */
export interface LogOptions {
  level: LogLevel;
  /** JSON lines instead of text. */
  json: boolean;
  /** Takes whole lines with their ends; standard error by default. */
  write?: (line: string) => void;
  /** Whether the lines go to a terminal: short times and colours. */
  terminal?: boolean;
  /** Name of the switch, in JSON lines. */
  name?: string;
}

/** A log. */
export interface Log {
  /** Writes a message, or counts it when its key (by default the message) was written a moment ago. */
  write(level: LogLevel, message: string, key?: string): void;
  /** Writes the counts that are still open. */
  close(): void;
}

interface Repeat {
  level: LogLevel;
  message: string;
  count: number;
}

/** Opens the log. */
export function openLog(options: LogOptions): Log {
  const { write = (line) => void process.stderr.write(line), terminal = process.stderr.isTTY } = options;
  const logger = pino(
    {
      level: options.level,
      base: options.name === undefined ? null : { switch: options.name },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: options.json ? write : (line: string) => write(textLine(line, terminal)) },
  );
  const recent = new LRUCache<string, Repeat>({
    max: KEYS_MAX,
    ttl: WINDOW_MS,
    noUpdateTTL: true,
    dispose: ({ level, message, count }) => {
      if (count > 0) logger[level](`${message} (${count} more of these within ${WINDOW_MS / 1000} s)`);
    },
  });
  const purge = setInterval(() => recent.purgeStale(), WINDOW_MS);
  purge.unref();
  return {
    write(level, message, key = message) {
      if (!logger.isLevelEnabled(level)) return;
      const repeat = recent.get(key);
      if (repeat !== undefined) {
        repeat.count++;
        repeat.message = message;
        return;
      }
      recent.set(key, { level, message, count: 0 });
      logger[level](message);
    },
    close() {
      clearInterval(purge);
      recent.clear();
    },
  };
}

const COLOURS: Readonly<Record<string, string>> = { debug: '\x1b[2m', info: '', warn: '\x1b[33m', error: '\x1b[31m' };

/** A line for people, made of pino's JSON. */
function textLine(line: string, terminal: boolean): string {
  const { level, time, msg } = JSON.parse(line) as { level: string; time: string; msg: string };
  const text = `${level.padEnd(5)} ${msg.replaceAll(/\p{Cc}/gu, '?')}`;
  if (!terminal) return `${time} ${text}\n`;
  const colour = COLOURS[level] ?? '';
  return `${time.slice(11, 19)} ${colour}${text}${colour === '' ? '' : '\x1b[0m'}\n`;
}
