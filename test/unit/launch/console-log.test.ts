// A console's log stays within its bounds and shows nothing a terminal would obey.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import { ConsoleLog, LOG_LINE_LEN_MAX, LOG_LINES_MAX } from '../../../src/launch/console-log.ts';

function tempDir(t: { teardown: (f: () => void) => void }): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'weft-log-'));
  t.teardown(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('lines come together from any pieces', (t) => {
  const log = new ConsoleLog();
  for (const octet of Buffer.from('Grüße\r\n\r\nzweite\nunfinished')) log.write(Uint8Array.of(octet));
  t.deepEqual(log.tail(10), ['Grüße', 'zweite', 'unfinished']);
  t.deepEqual(log.tail(2), ['zweite', 'unfinished']);
});

test('memory keeps the last lines, and of each the beginning', (t) => {
  const log = new ConsoleLog();
  for (let n = 0; n < LOG_LINES_MAX + 50; n++) log.write(Buffer.from(`line ${n}\n`));
  const lines = log.tail(Number.MAX_SAFE_INTEGER);
  t.is(lines.length, LOG_LINES_MAX);
  t.is(lines.at(-1), `line ${LOG_LINES_MAX + 49}`);
  log.write(Buffer.from(`${'x'.repeat(5000)}\n`));
  t.is(log.tail(1)[0]?.length, LOG_LINE_LEN_MAX);
});

test('a line that never ends does not grow', (t) => {
  const log = new ConsoleLog();
  for (let n = 0; n < 100; n++) log.write(Buffer.alloc(65_536, 'x'));
  t.is(log.tail(1)[0]?.length, LOG_LINE_LEN_MAX);
});

test('escape sequences and control characters are left out of lines', (t) => {
  const log = new ConsoleLog();
  log.write(Buffer.from('\x1b[2J\x1b[1;31mred\x1b[0m \x07bell\x1b]0;title\x07 \x9b5n end\x00\n'));
  const [line] = log.tail(1);
  t.notRegex(line ?? '', /\p{Cc}/u);
  t.regex(line ?? '', /red bell.*end/);
});

test('the file keeps every octet and is turned over at its size', (t) => {
  const file = path.join(tempDir(t), 'vm1.log');
  const log = new ConsoleLog(file, 1000);
  const line = Buffer.from(`${'\x1b[31m'}${'y'.repeat(94)}\n`);
  for (let n = 0; n < 45; n++) log.write(line);
  log.close();
  const sizes = [`${file}.1`, file].map((each) => fs.statSync(each).size);
  t.deepEqual(sizes, [1000, 500]);
  t.true(fs.readFileSync(file).subarray(0, 100).equals(line));
  t.deepEqual(fs.readdirSync(path.dirname(file)).sort(), ['vm1.log', 'vm1.log.1']);
});

test('a file that cannot be written is a line of the log', (t) => {
  const log = new ConsoleLog(path.join(tempDir(t), 'missing', 'vm1.log'));
  log.write(Buffer.from('still here\n'));
  const lines = log.tail(10);
  t.regex(lines[0] ?? '', /log file .*missing\/vm1\.log cannot be written: ENOENT/);
  t.is(lines[1], 'still here');
});
