// Trying again later: at first soon, then after twice as long each time, up to a bound, for ever.

/** One thing that is tried again. Its timer does not keep the process alive. */
export class Retry {
  readonly #firstMs: number;
  readonly #lastMs: number;
  readonly #action: () => void;
  #delayMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(firstMs: number, lastMs: number, action: () => void) {
    this.#firstMs = firstMs;
    this.#lastMs = lastMs;
    this.#delayMs = firstMs;
    this.#action = action;
  }

  /** Plans the next try, unless one is planned already. */
  schedule(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#action();
    }, this.#delayMs).unref();
    this.#delayMs = Math.min(this.#delayMs * 2, this.#lastMs);
  }

  /** It worked: the next try, if one is ever needed, is soon again. Takes back a planned one. */
  reset(): void {
    this.cancel();
    this.#delayMs = this.#firstMs;
  }

  /** Takes back a planned try. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
