// Why a frame was not relayed, or a chosen copy not sent. One table: the relay counts by number,
// and every text a user sees (drops, explain, documentation) is printed from here.
//
// `ingress` reasons end a whole frame before any egress is chosen; `egress` reasons end one copy
// on one egress port. A frame has at most one ingress reason, a copy at most one egress reason.

/** One reason: its name in JSON, the side it is counted on, and a sentence for people. */
export interface DropReason {
  readonly name: string;
  readonly side: 'ingress' | 'egress';
  readonly text: string;
}

/** Lowest number of a reason in the verdict word; smaller numbers are traffic kinds. */
export const DROP_BASE = 16;

// Numbers are positions from DROP_BASE on: append, never reorder (recordings hold them).
const TABLE = [
  ['RUNT', 'ingress', 'shorter than an Ethernet header (14 octets)'],
  ['OVERSIZE', 'ingress', 'longer than the longest frame weft carries (65,557 octets)'],
  ['TRUNCATED', 'ingress', 'cut off by the device or its framing before the whole frame was received'],
  ['SOURCE_GROUP', 'ingress', 'the source address is a group address'],
  ['SOURCE_ZERO', 'ingress', 'the source address is all zero'],
  ['RESERVED_GROUP', 'ingress', 'a reserved group address (01-80-C2-00-00-0X) that the policy does not forward'],
  ['BAD_OFFLOAD', 'ingress', 'the offload facts beside the frame contradict the frame'],
  ['PORT_DOWN', 'ingress', 'the ingress port or the switch is down'],
  ['NOT_FORWARDING', 'ingress', 'the spanning tree state of the ingress port does not forward'],
  ['SAME_PORT', 'ingress', 'the destination is on the port the frame came from'],
  ['ISOLATED', 'ingress', 'the destination is on an isolated port and so is the source'],
  ['EGRESS_BLOCKED', 'ingress', 'the port of the destination is down or not forwarding'],
  ['NO_EGRESS', 'ingress', 'no port may carry it (flooding off, isolated, down, or no other port)'],
  ['TOO_BIG', 'egress', 'longer than the MTU of the egress port allows'],
  ['TX_FULL', 'egress', 'the egress queue was full: the receiver reads too slowly'],
  ['TX_DOWN', 'egress', 'the egress port was down when the copy was to be sent'],
  ['TX_ERROR', 'egress', 'the egress device refused the frame'],
  ['UNSEGMENTABLE', 'egress', 'the egress needs segments or a finished checksum that cannot be made from this frame'],
] as const;

/** The name of a reason in code; its JSON name is the same in lower case. */
export type DropName = (typeof TABLE)[number][0];

/** Every reason, by number minus DROP_BASE. */
export const DROP_REASONS: readonly DropReason[] = TABLE.map(([name, side, text]) => ({
  name: name.toLowerCase(),
  side,
  text,
}));

/** Count of reasons. */
export const DROP_COUNT = TABLE.length;

/** Reason numbers by name, as they stand in a verdict word. */
export const DROP = Object.fromEntries(TABLE.map(([name], i) => [name, DROP_BASE + i])) as Record<DropName, number>;
