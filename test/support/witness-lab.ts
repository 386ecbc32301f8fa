// A switch as seen from outside: one witness (libpcap, which shares no code with weft) at the far end
// of each of its ports, and a way to know when a frame has gone everywhere it goes, without waiting
// for a time to pass. Behind the frames a marker is sent, a broadcast that every other port must see;
// an Ethernet switch keeps the order of what enters one port and leaves another, so once the marker is
// there, whatever the frames before it became has been seen. Then a second port sends a marker, behind
// which the first one has seen what came back to it.
//
// Only for files that run inside sandbox.ts: a witness sees its own network namespace only.

import { type CapPackage, Witness } from './cap.ts';
import { testFrame } from './frames.ts';
import { until } from './netns.ts';

const BROADCAST = 'ffffffffffff';
const MARKER_LEN = 60;
const MARKER_TEXT = 'marker';

/** The address that the markers of port `k` come from, as 12 digits. */
function markerSource(k: number): string {
  return `0200000f000${k}`;
}

/** Whether a frame is a marker; its number, from the octets behind the text, when it is. */
function markerNumber(frame: Uint8Array): number | undefined {
  const octets = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  if (octets.length !== MARKER_LEN || octets.toString('latin1', 14, 14 + MARKER_TEXT.length) !== MARKER_TEXT) return undefined;
  return octets.readUInt32BE(14 + MARKER_TEXT.length);
}

/** Witnesses around one switch. Close it before its interfaces go down: libpcap would abort the process. */
export class WitnessLab {
  readonly #witnesses: Witness[];
  #markers = 0;

  /** One witness on each interface: the far ends of the switch's ports, up, and saying nothing of their own accord. */
  constructor(capPackage: CapPackage, ifnames: readonly string[]) {
    this.#witnesses = ifnames.map((ifname) => new Witness(capPackage, ifname));
  }

  /** Lets every port be heard of once, so that the switch forwards between all of them. */
  async begin(): Promise<void> {
    for (const k of this.#witnesses.keys()) await this.exchange(k, []);
  }

  /** Injects `frames` at port `from`; returns what was seen at each port, in order, markers left out. */
  async exchange(from: number, frames: readonly Uint8Array[]): Promise<Uint8Array[][]> {
    for (const { frames: seen } of this.#witnesses) seen.length = 0;
    for (const frame of frames) this.#at(from).send(frame);
    const others = [...this.#witnesses.keys()].filter((k) => k !== from);
    await this.#mark(from, others);
    await this.#mark(others[0] as number, [from]);
    return this.#witnesses.map(({ frames: seen }) => seen.filter((frame) => markerNumber(frame) === undefined));
  }

  /** Ends the captures. */
  close(): void {
    for (const witness of this.#witnesses) witness.close();
  }

  async #mark(from: number, seers: readonly number[]): Promise<void> {
    const number = ++this.#markers;
    const marker = testFrame(BROADCAST, markerSource(from), MARKER_LEN, 0);
    marker.write(MARKER_TEXT, 14, 'latin1');
    marker.writeUInt32BE(number, 14 + MARKER_TEXT.length);
    this.#at(from).send(marker);
    await until(`marker ${number} of port ${from} at ports ${seers.join(', ')}`, () =>
      seers.every((k) => this.#at(k).frames.some((frame) => markerNumber(frame) === number)),
    );
  }

  #at(k: number): Witness {
    return this.#witnesses[k] as Witness;
  }
}
