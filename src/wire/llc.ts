// The 802.2 LLC header that BPDUs are carried in: a length field below ETHERTYPE_MIN, then three
// octets. All other LLC traffic is relayed like any frame; nobody here looks into it.
//
//   payload + 0   DSAP     0x42 for the spanning tree protocols [802.1D-2004 Table 7-10]
//   payload + 1   SSAP     0x42
//   payload + 2   control  0x03, unnumbered information
//   payload + 3   the BPDU

import { ETHERTYPE_MIN } from './ethernet.ts';

/** Octet offsets in an LLC header, from the start of the payload. */
export const LLC = { DSAP: 0, SSAP: 1, CONTROL: 2 } as const;
/** Octets of the LLC header of an unnumbered information frame. */
export const LLC_HEADER_LEN = 3;
/** The LLC address of the spanning tree protocols, destination and source. */
export const LLC_SAP_STP = 0x42;
/** The control octet of an unnumbered information frame. */
export const LLC_CONTROL_UI = 0x03;

/**
 * Whether the payload at `offset`, of which octets up to `limit` are readable, has the LLC header of a BPDU
 * and a length field (`type`) that covers it.
 */
export function isBpduLlc(view: DataView, offset: number, limit: number, type: number): boolean {
  return (
    type < ETHERTYPE_MIN &&
    type >= LLC_HEADER_LEN &&
    offset + LLC_HEADER_LEN <= limit &&
    view.getUint16(offset + LLC.DSAP) === ((LLC_SAP_STP << 8) | LLC_SAP_STP) &&
    view.getUint8(offset + LLC.CONTROL) === LLC_CONTROL_UI
  );
}

/** Writes the LLC header of a BPDU at `offset`. */
export function writeBpduLlc(view: DataView, offset: number): void {
  view.setUint8(offset + LLC.DSAP, LLC_SAP_STP);
  view.setUint8(offset + LLC.SSAP, LLC_SAP_STP);
  view.setUint8(offset + LLC.CONTROL, LLC_CONTROL_UI);
}
