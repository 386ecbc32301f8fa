// Lines out of a stream of chunks, for both ends of the control socket. The octets of a line that
// is not complete yet lie in one buffer that grows by doubling, so a peer that writes octet by octet
// costs no more than one that writes all at once.

const NEWLINE = 0x0a;
const SIZE_MIN = 4096;

/** A peer sent a longer line than is allowed. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';
}

/** Cuts chunks into lines. */
export class LineBuffer {
  readonly #lenMax: number;
  #buffer = Buffer.alloc(0);
  #len = 0;

  /** `lenMax` octets a line may have, its end not counted. */
  constructor(lenMax: number) {
    this.#lenMax = lenMax;
  }

  /**
   * The lines that `chunk` completes, without their ends; empty lines are left out. A line is valid
   * until the next call. Throws LineTooLongError.
   */
  *push(chunk: Buffer): IterableIterator<Buffer> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const rest = chunk.subarray(start, end);
      start = end + 1;
      this.#check(rest.length);
      let line = rest;
      if (this.#len > 0) {
        this.#append(rest);
        line = this.#buffer.subarray(0, this.#len);
        this.#len = 0;
      }
      if (line.length > 0) yield line;
    }
    this.#check(chunk.length - start);
    this.#append(chunk.subarray(start));
  }

  #check(more: number): void {
    if (this.#len + more > this.#lenMax) throw new LineTooLongError(`a line is longer than ${this.#lenMax} octets`);
  }

  #append(octets: Buffer): void {
    const needed = this.#len + octets.length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(SIZE_MIN, needed, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, this.#len);
      this.#buffer = grown;
    }
    octets.copy(this.#buffer, this.#len);
    this.#len = needed;
  }
}
