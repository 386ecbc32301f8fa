// A small seeded generator (xorshift32) for salts, simulation and tests. Not for secrets.

/** Numbers that follow from a seed. */
export class Prng {
  #state: number;

  /** `seed` is any 32-bit number. */
  constructor(seed: number) {
    this.#state = (seed | 0) === 0 ? 0x9e3779b9 : seed | 0;
  }

  /** The next number, 0 .. 2^32 - 1. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** A number in 0 .. bound - 1. */
  below(bound: number): number {
    return Math.floor((this.next() / 2 ** 32) * bound);
  }
}
