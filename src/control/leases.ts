// Ports that live as long as the connection that added them. `weft qemu` is such a client: when it ends,
// also by kill -9, its connection ends with it, and the port goes. No other sign of its life is needed.
//
// A port that was removed and added again by somebody else is theirs: whoever removes a port ends
// its lease first.

/** Which connection holds which port. */
export class Leases {
  readonly #holders = new Map<string, object>();

  /** `holder` has added `port` and keeps it from now on. */
  take(port: string, holder: object): void {
    this.#holders.set(port, holder);
  }

  /** `port` is about to be removed, by whomever. */
  forget(port: string): void {
    this.#holders.delete(port);
  }

  /** Whether `holder` keeps a port. */
  has(holder: object): boolean {
    for (const each of this.#holders.values()) if (each === holder) return true;
    return false;
  }

  /** `holder` is gone: the ports it kept, which are nobody's now. */
  end(holder: object): string[] {
    const ports = [...this.#holders].filter(([, each]) => each === holder).map(([port]) => port);
    for (const port of ports) this.#holders.delete(port);
    return ports;
  }

  /** All ports go another way: the switch is stopping. */
  clear(): void {
    this.#holders.clear();
  }
}
