// A private /24 for the demo that nothing on this host uses: not as an address, not as a route, not by
// another demo. A wrong choice would take somebody's network away while the demo runs.

import { ControlError } from '../../control/errors.ts';
import { parseIp } from '../../sys/ip-text.ts';

/** The first three octets of each /24 that may be used, in the order of preference: private ones, then the one for measurements (RFC 2544). */
const CANDIDATES: readonly string[] = ['10.76', '10.67', '172.27', '192.168', '198.18'].flatMap((start) =>
  Array.from({ length: 256 }, (_, octet) => `${start}.${octet}`),
);

/** Routes this short are somebody's way to everything (a default route, or one in two halves), not a network beside us. */
const PREFIX_LEN_MIN = 2;

/** An IPv4 network: its first address as a number, and its size as one. */
interface Range {
  readonly first: number;
  readonly size: number;
}

/**
 * The first three octets (`10.76.1`) of a /24 that touches none of `taken` (IPv4 networks or addresses,
 * `10.0.0.0/8` or `10.0.0.1`; other words, such as `default`, are passed over). `start` says where to begin
 * looking, so that demos started together choose differently. Throws ControlError when there is none.
 */
export function chooseSubnet(taken: readonly string[], start: number): string {
  const ranges = taken.map(rangeOf).filter((range) => range !== undefined);
  // Within the first block `start` counts; the others are for hosts that use the first as a whole.
  const order = [...CANDIDATES.slice(start % 256, 256), ...CANDIDATES.slice(0, start % 256), ...CANDIDATES.slice(256)];
  const free = order.find((candidate) => {
    const own = rangeOf(`${candidate}.0/24`) as Range;
    return ranges.every(({ first, size }) => own.first + own.size <= first || first + size <= own.first);
  });
  if (free !== undefined) return free;
  throw new ControlError(
    'no private network is left for the demo: the routes of this host (ip route) cover all that it may use; try weft demo --rootless, which needs none',
  );
}

function rangeOf(text: string): Range | undefined {
  const [address = '', lenText = '32'] = text.split('/');
  const octets = parseIp(address);
  const len = Number(lenText);
  if (octets?.length !== 4 || !(len >= PREFIX_LEN_MIN && len <= 32)) return undefined;
  const size = 2 ** (32 - len);
  const value = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  return { first: value - (value % size), size };
}
