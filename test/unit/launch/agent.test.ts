// The host's side of the agent against a guest's side that answers in awkward pieces.

import { Duplex } from 'node:stream';
import test from 'ava';
import { Agent, COMMAND_BYTES_MAX, OUTPUT_BYTES_MAX } from '../../../src/launch/agent.ts';

/** A serial line: what the host writes goes to `answer`, line by line; `say` reaches the host. */
class Line extends Duplex {
  answer: (id: string, seconds: string, command: string) => void = () => {};

  override _read(): void {}
  override _write(octets: Buffer, _encoding: string, done: () => void): void {
    const [id = '', seconds = '', ...words] = octets.toString().trimEnd().split(' ');
    this.answer(id, seconds, words.join(' '));
    done();
  }
  say(text: string): void {
    this.push(Buffer.from(text, 'latin1'));
  }
}

test('output and status, however the answer is cut', async (t) => {
  const line = new Line();
  const agent = new Agent(line, 'vm1');
  line.answer = (id, seconds, command) => {
    t.is(seconds, '10');
    for (const octet of `noise\x01begin ${id}\n\x01[${command}]\x01end nobody 3\n\x01end ${id} 7\n`) line.say(octet);
  };
  for (const octet of 'Linux\x01ready\n') line.say(octet);
  t.true(await agent.ready);
  t.deepEqual(await agent.run('uname -a'), { status: 7, output: '\x01[uname -a]\x01end nobody 3\n' });
});

test('one command after the other, each with its own output', async (t) => {
  const line = new Line();
  const agent = new Agent(line, 'vm1');
  let open = 0;
  line.answer = (id, _seconds, command) => {
    t.is(++open, 1);
    setImmediate(() => {
      open--;
      line.say(`late output of something else\x01begin ${id}\n${command}\x01end ${id} 0\n`);
    });
  };
  const results = ['one', 'two', 'three'].map((command) => agent.run(command));
  line.say('\x01ready\n');
  t.deepEqual(
    (await Promise.all(results)).map((result) => result.output),
    ['one', 'two', 'three'],
  );
});

test('output is bounded', async (t) => {
  const line = new Line();
  const agent = new Agent(line, 'vm1');
  line.answer = (id) => {
    line.say(`\x01begin ${id}\n`);
    for (let n = 0; n < 20; n++) line.say('x'.repeat(100_000));
    line.say(`\x01end ${id} 0\n`);
  };
  line.say('\x01ready\n');
  t.is((await agent.run('yes')).output.length, OUTPUT_BYTES_MAX);
});

test('a guest that ends answers every command with a sentence', async (t) => {
  const line = new Line();
  const agent = new Agent(line, 'vm1');
  line.answer = () => line.destroy();
  line.say('\x01ready\n');
  const first = agent.run('poweroff -f');
  const second = agent.run('true');
  await t.throwsAsync(first, { name: 'LaunchError', message: /Guest vm1: "poweroff -f" was cut off, because the guest ended/ });
  await t.throwsAsync(second, { name: 'LaunchError', message: /"true" was not run, because the guest has ended/ });
});

test('a guest that ends before it is ready keeps nobody waiting', async (t) => {
  const line = new Line();
  const agent = new Agent(line, 'vm1');
  const result = agent.run('true');
  line.destroy(new Error('reset'));
  t.false(await agent.ready);
  await t.throwsAsync(result, { message: /was not run/ });
});

for (const command of ['', '  ', 'echo a\necho b', 'echo a\0', 'x'.repeat(COMMAND_BYTES_MAX + 1)]) {
  test(`no command: ${JSON.stringify(command.slice(0, 20))}`, async (t) => {
    const agent = new Agent(new Line(), 'vm1');
    await t.throwsAsync(agent.run(command), { name: 'LaunchError', message: /is one line of 1 to 4000 octets/ });
  });
}
