// Tells people how far something long has come: plain lines in a log, and on a terminal one line that
// moves while a step goes on and becomes the record of it.
//
//   terminal   ⠹ booting vm1 and vm2  3 s  Run /init as init process
//              ✔ booting vm1 and vm2  4.1 s
//   log        booting vm1 and vm2 …                 (once the step takes longer than a second)
//              booting vm1 and vm2: done in 4.1 s
//
// One step at a time; lines said meanwhile appear above the moving one.

import { styleText } from 'node:util';

/** Where progress is shown; standard output, or standard error beside JSON. */
export type ProgressStream = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>;

/** Tells more about a step that goes on; seen on a terminal only. */
export type Note = (text: string) => void;

const FRAMES = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const FRAME_MS = 120;
/** A step in a log that takes longer than this is announced before it is done. */
const PATIENCE_MS = 1000;
const COLUMNS_DEFAULT = 80;

/** Steps and lines on one stream. */
export class Progress {
  readonly #stream: ProgressStream;
  #line = '';

  constructor(stream: ProgressStream = process.stdout) {
    this.#stream = stream;
  }

  /** Writes lines, with an end of line where there is none. */
  say(text = ''): void {
    this.#erase();
    this.#stream.write(text.endsWith('\n') ? text : `${text}\n`);
    if (this.#line !== '') this.#stream.write(this.#line);
  }

  /** Runs `work` as a step called `what` ("booting vm1"), and resolves or rejects as it does. */
  async step<T>(what: string, work: (note: Note) => Promise<T>): Promise<T> {
    const startMs = performance.now();
    const stop = this.#stream.isTTY ? this.#spin(what, startMs) : this.#announceLate(what);
    try {
      const result = await work(stop.note);
      stop.end();
      this.#record(what, '✔', 'green', `done in ${elapsed(startMs)}`);
      return result;
    } catch (error) {
      stop.end();
      this.#record(what, '✘', 'red', `failed after ${elapsed(startMs)}`);
      throw error;
    }
  }

  #announceLate(what: string): { note: Note; end: () => void } {
    const timer = setTimeout(() => this.say(`${what} …`), PATIENCE_MS);
    return { note: () => {}, end: () => clearTimeout(timer) };
  }

  #spin(what: string, startMs: number): { note: Note; end: () => void } {
    let frame = 0;
    let note = '';
    const draw = () => {
      const text = `${FRAMES[frame++ % FRAMES.length]} ${what}  ${Math.floor((performance.now() - startMs) / 1000)} s  ${note}`;
      this.#erase();
      this.#line = text.slice(0, (this.#stream.columns || COLUMNS_DEFAULT) - 1);
      this.#stream.write(this.#line);
    };
    draw();
    const timer = setInterval(draw, FRAME_MS);
    return {
      note: (text) => {
        note = text.replaceAll(/\p{Cc}/gu, ' ').trim();
      },
      end: () => {
        clearInterval(timer);
        this.#erase();
        this.#line = '';
      },
    };
  }

  #record(what: string, mark: string, colour: 'green' | 'red', outcome: string): void {
    if (!this.#stream.isTTY) {
      this.say(`${what}: ${outcome}`);
      return;
    }
    const paint = (style: 'green' | 'red' | 'dim', text: string) =>
      process.env['NO_COLOR'] ? text : styleText(style, text, { validateStream: false });
    this.say(`${paint(colour, mark)} ${what}  ${paint('dim', outcome.replace('done in ', ''))}`);
  }

  #erase(): void {
    if (this.#line !== '') this.#stream.write('\r\x1b[K');
  }
}

/** Time since `startMs` of performance.now(), as people write it. */
function elapsed(startMs: number): string {
  const seconds = (performance.now() - startMs) / 1000;
  return seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
}
