// A learning bridge as one would explain it, for comparing with the real one: a Map from address to
// port, and the rules one after the other, on the octets of one frame. It shares no code with src/.

const HEADER_LEN = 14;
const FRAME_LEN_MAX = 65_557;
const TAG_LEN = 4;
/** What may be longer than an MTU's frame: FCS-less header, and 4 octets as the kernel's bridge allows. */
const OVER_MTU = 18;

/** What becomes of a frame. */
export interface ModelVerdict {
  /** Traffic kind or drop reason, as weft names them. */
  readonly outcome: string;
  /** Ports it leaves on, ascending. */
  readonly to: readonly number[];
}

/** A bridge that never forgets, with every setting at its default. */
export class BridgeModel {
  /** MTU of each port, by number. */
  readonly #mtus: ReadonlyMap<number, number>;
  readonly #addresses = new Map<string, number>();

  constructor(mtus: ReadonlyMap<number, number>) {
    this.#mtus = mtus;
  }

  /** Relays one frame that came in on port `from`; `isCut` when the device delivered only a part of it. */
  relay(from: number, octets: Uint8Array, isCut = false): ModelVerdict {
    const frame = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
    if (isCut) return { outcome: 'truncated', to: [] };
    if (frame.length < HEADER_LEN) return { outcome: 'runt', to: [] };
    if (frame.length > FRAME_LEN_MAX) return { outcome: 'oversize', to: [] };
    const dst = frame.toString('hex', 0, 6);
    const src = frame.toString('hex', 6, 12);
    if (isGroup(src)) return { outcome: 'source_group', to: [] };
    if (src === '000000000000') return { outcome: 'source_zero', to: [] };
    this.#addresses.set(src, from);
    if (/^0180c200000[1-9a-f]$/.test(dst)) return { outcome: 'reserved_group', to: [] };
    const known = isGroup(dst) ? undefined : this.#addresses.get(dst);
    if (known === from) return { outcome: 'same_port', to: [] };
    const chosen = known === undefined ? [...this.#mtus.keys()].filter((port) => port !== from) : [known];
    const tag = /^(8100|88a8)$/.test(frame.toString('hex', 12, 14)) && frame.length >= HEADER_LEN + TAG_LEN ? TAG_LEN : 0;
    return {
      outcome: kindOf(dst, known),
      to: chosen.filter((port) => frame.length - tag <= (this.#mtus.get(port) as number) + OVER_MTU).sort((a, b) => a - b),
    };
  }
}

function isGroup(address: string): boolean {
  return (Number.parseInt(address.slice(0, 2), 16) & 1) === 1;
}

function kindOf(dst: string, known: number | undefined): string {
  if (dst === 'ffffffffffff') return 'broadcast';
  if (dst === '0180c2000000') return 'reserved';
  if (isGroup(dst)) return 'multicast';
  return known === undefined ? 'unknown_unicast' : 'known_unicast';
}
