// The log: formats, levels, and the limit on repeated messages.

import test from 'ava';
import { type LogOptions, openLog } from '../../../src/control/log.ts';

function capture(options: Partial<LogOptions>): { lines: string[]; log: ReturnType<typeof openLog> } {
  const lines: string[] = [];
  const log = openLog({ level: 'info', json: false, terminal: false, write: (line) => lines.push(line), ...options });
  return { lines, log };
}

test('text for people is one line, whatever is in the message', (t) => {
  const { lines, log } = capture({});
  log.write('info', 'port tap0 is up');
  log.write('warn', 'a\nb\x1b[31m');
  log.write('debug', 'not at this level');
  log.close();
  t.is(lines.length, 2);
  t.regex(lines[0] ?? '', /^\d{4}-\d\d-\d\dT[\d:.]+Z info {2}port tap0 is up\n$/);
  t.regex(lines[1] ?? '', / warn {2}a\?b\?\[31m\n$/);
});

test('on a terminal times are short', (t) => {
  const { lines, log } = capture({ terminal: true });
  log.write('info', 'up');
  log.close();
  t.regex(lines[0] ?? '', /^\d\d:\d\d:\d\d info {2}up\n$/);
});

test('JSON lines', (t) => {
  const { lines, log } = capture({ json: true, name: 'br0' });
  log.write('error', 'it broke');
  log.close();
  const { time, ...rest } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  t.deepEqual(rest, { level: 'error', switch: 'br0', msg: 'it broke' });
  t.is(typeof time, 'string');
});

test('a message that comes again and again is written once and counted', (t) => {
  const { lines, log } = capture({});
  for (let i = 0; i < 1000; i++) log.write('warn', `flap ${i}`, 'flap');
  log.write('warn', 'something else');
  t.is(lines.length, 2);
  log.close();
  t.is(lines.length, 3);
  t.regex(lines[2] ?? '', /flap 999 \(999 more of these within 10 s\)/);
});

test('many keys are bounded, and nothing goes unsaid', (t) => {
  const { lines, log } = capture({});
  log.write('warn', 'first', 'first');
  log.write('warn', 'first', 'first');
  for (let i = 0; i < 1000; i++) log.write('warn', `other ${i}`);
  t.is(lines.length, 1002);
  t.is(lines.filter((line) => line.includes('first (1 more')).length, 1);
  log.close();
});
