// Counts the points of a TAP stream while it runs. ava writes one flat list (depth 0: its tests).
// tap nests file > test > assertion; there the tests are counted (depth 1). So:
//
// - a point above that depth counts itself only if nothing below it did: a file that was skipped as a
//   whole, or one that failed although its tests passed (a crash, a time-out: one failure);
// - a missing plan, fewer points than planned, no points and a bail-out are failures; the runners' own totals are not
//   read, because ava's disagree with its lines after a crash;
// - a point that is to do counts as skipped.
//
// Failures are reported from the innermost failed point, with its diagnostics.

import { Parser } from 'tap-parser';

/** One counted stream. Write it with `write`, close it with `end`, then read `passed`, `failed` and `skipped`. */
export class TapCount {
  passed = 0;
  failed = 0;
  skipped = 0;
  #depth;
  #on;
  #parser;

  /**
   * `depth` of the points counted. `on.start(name)` and `on.done(name, ok)` tell of subtests at the top (tap's files),
   * `on.point(name)` of each point counted, `on.failure(names, diagnostics)` of each failed point, outermost name first.
   */
  constructor(depth, on) {
    this.#depth = depth;
    this.#on = on;
    this.#parser = new Parser((results) => this.#finish(results));
    this.#walk(this.#parser, 0, []);
  }

  write(text) {
    this.#parser.write(text);
  }

  end() {
    this.#parser.end();
  }

  /** Listens to `parser`, whose points stand at `depth` below the subtests `names`. */
  #walk(parser, depth, names) {
    const tally = { seen: 0, failed: 0, reported: 0 };
    let inner;
    parser.on('child', (child) => {
      if (depth === 0) this.#on.start?.(child.name);
      inner = this.#walk(child, depth + 1, [...names, child.name]);
    });
    parser.on('assert', (point) => {
      const below = inner;
      inner = undefined;
      tally.seen++;
      const kind = point.todo || point.skip ? 'skipped' : point.ok ? 'passed' : 'failed';
      if (depth <= this.#depth) this.#count(kind, below, depth, tally, point);
      if (kind === 'failed' && (below === undefined || below.reported === 0)) {
        this.#on.failure?.([...names, point.name], point.diag);
        tally.reported++;
      }
      tally.reported += below?.reported ?? 0;
      if (depth === 0 && below !== undefined) this.#on.done?.(point.name, point.ok);
    });
    return tally;
  }

  #count(kind, below, depth, tally, point) {
    const isLeaf = depth === this.#depth || below === undefined || below.seen === 0;
    if (!isLeaf && (kind !== 'failed' || below.failed > 0)) {
      tally.failed += below.failed;
      return;
    }
    this[kind]++;
    if (kind === 'failed') tally.failed++;
    this.#on.point?.(point.name);
  }

  #finish(results) {
    if (results.bailout) {
      this.failed++;
      this.#on.failure?.(['the test run'], { message: `bailed out: ${results.bailout}` });
    } else if (this.passed + this.failed + this.skipped === 0) {
      this.failed++;
      this.#on.failure?.(['the test run'], { message: 'ended without a result' });
    } else {
      const planned = results.plan.end ?? Number.POSITIVE_INFINITY;
      // After a crash ava plans fewer points than it wrote; the crash itself was counted.
      if (planned === results.count || (planned < results.count && this.failed > 0)) return;
      this.failed += results.plan.end === null ? 1 : Math.max(1, planned - results.count);
      const plan = results.plan.end === null ? 'no plan' : `a plan of ${planned}`;
      this.#on.failure?.(['the test run'], { message: `ended with ${plan} after ${results.count} results` });
    }
  }
}
