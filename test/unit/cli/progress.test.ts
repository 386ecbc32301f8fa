// Progress in a log and on a terminal.

import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import test from 'ava';
import { Progress } from '../../../src/cli/progress.ts';

function recorder(isTTY: boolean): {
  stream: { isTTY: boolean; columns: number; write: (text: string) => boolean };
  text: () => string;
} {
  let all = '';
  const write = (text: string) => {
    all += text;
    return true;
  };
  return { stream: { isTTY, columns: 40, write }, text: () => all };
}

test('in a log a step is one line when it is done', async (t) => {
  const { stream, text } = recorder(false);
  const progress = new Progress(stream);
  t.is(await progress.step('counting to three', async () => 3), 3);
  t.regex(text(), /^counting to three: done in \d+\.\d s\n$/);
});

test('in a log a step that takes long is announced', async (t) => {
  const { stream, text } = recorder(false);
  await new Progress(stream).step('waiting', async () => {
    while (!text().includes('…')) await sleep(10);
  });
  t.regex(text(), /^waiting …\nwaiting: done in \d+\.\d s\n$/);
});

test('a step that fails says so and rejects as its work does', async (t) => {
  const { stream, text } = recorder(false);
  const failing = new Progress(stream).step('failing', async () => {
    throw new Error('no luck');
  });
  await t.throwsAsync(failing, { message: 'no luck' });
  t.regex(text(), /^failing: failed after \d+\.\d s\n$/);
});

test('on a terminal one line moves, others appear above it, and nothing of it is left', async (t) => {
  const { stream, text } = recorder(true);
  const progress = new Progress(stream);
  await progress.step('booting', async (note) => {
    note(`a console\x1b[2J that says ${'very '.repeat(20)}much`);
    while (!text().includes('console')) await sleep(10);
    progress.say('something happened');
  });
  const lines = shown(text());
  t.is(lines[0], 'something happened');
  t.regex(lines[1] ?? '', /^✔ booting {2}\d+\.\d s$/);
  t.is(lines.length, 2);
  const drawn = stripVTControlCharacters(text()).split(/[\r\n]/);
  t.true(drawn.every((line) => line.length < 40));
});

/** The lines a terminal shows: a carriage return with an erasure takes back what stands in the line. */
function shown(text: string): string[] {
  const lines = text.split('\n').map((line) => line.split('\r\x1b[K').at(-1) ?? '');
  return lines.map((line) => stripVTControlCharacters(line)).filter((line) => line !== '');
}
