// Ports that live as long as the connection that added them. `weft qemu` is such a client: when it ends,
// also by kill -9, its connection ends with it, and the port goes. No other sign of its life is needed.
//
// A port that was removed and added again by somebody else is theirs: whoever removes a port ends
// its lease first.

/** Which connection holds which ports. */
export class Leases {
  readonly #holders = new Map<string, object>();
  readonly #ports = new Map<object, Set<string>>();

  /** `holder` has added `port` and keeps it from now on. */
  take(port: string, holder: object): void {
    this.#holders.set(port, holder);
    const ports = this.#ports.get(holder) ?? new Set();
    this.#ports.set(holder, ports.add(port));
  }

  /** `port` is about to be removed, by whomever. */
  forget(port: string): void {
    const holder = this.#holders.get(port);
    if (holder === undefined) return;
    this.#holders.delete(port);
    const ports = this.#ports.get(holder);
    ports?.delete(port);
    if (ports?.size === 0) this.#ports.delete(holder);
  }

  /** Whether `holder` keeps a port. */
  has(holder: object): boolean {
    return this.#ports.has(holder);
  }

  /** How many keep a port. */
  get holderCount(): number {
    return this.#ports.size;
  }

  /** `holder` is gone: the ports it kept, which are nobody's now. */
  end(holder: object): string[] {
    const ports = [...(this.#ports.get(holder) ?? [])];
    for (const port of ports) this.forget(port);
    return ports;
  }

  /** All ports go another way: the switch is stopping. */
  clear(): void {
    this.#holders.clear();
    this.#ports.clear();
  }
}
