// Port Information [17.27] and what it makes of each kind of message [17.21.8 to 17.21.17].

import { stepPim } from '../../../src/stp/port-information.ts';
import type { StpPort } from '../../../src/stp/state.ts';
import { bpduOf, vector } from '../../support/stp.ts';
import { type TransitionRow, testTransitions } from '../../support/stp-transitions.ts';

const CONFIG = { ...bpduOf(1, 0, 1, 1, { flags: 0 }), kind: 'config', version: 0 } as const;
const TCN = { kind: 'tcn', version: 0 } as const;
/** What the port of the rows of Port Information has heard before: bridge 2, port 1, says the root is bridge 1. */
const HEARD: Partial<StpPort> = {
  infoIs: 'Received',
  portPriority: vector(1, 100, 2, 1),
  portTimes: { messageAge: 1, maxAge: 20, helloTime: 2, forwardDelay: 15 },
  rcvdInfoWhile: 4,
  rcvdMsg: true,
};
const again = (changes = {}) => bpduOf(1, 100, 2, 1, { messageAge: 1, ...changes });

const ROWS: readonly TransitionRow[] = [
  {
    from: 'CURRENT',
    vars: { portEnabled: false, proposing: true, proposed: true, agree: true, agreed: true, rcvdInfoWhile: 3, rcvdMsg: true },
    to: 'DISABLED',
    after: {
      rcvdMsg: false,
      proposing: false,
      proposed: false,
      agree: false,
      agreed: false,
      rcvdInfoWhile: 0,
      infoIs: 'Disabled',
      reselect: true,
      selected: false,
    },
    unless: [
      { portEnabled: true, rcvdMsg: false },
      { infoIs: 'Disabled', rcvdMsg: false },
    ],
  },
  { from: 'DISABLED', vars: { infoIs: 'Disabled', rcvdMsg: true }, to: 'DISABLED', after: { rcvdMsg: false } },
  {
    from: 'DISABLED',
    vars: { infoIs: 'Disabled' },
    to: 'AGED',
    after: { infoIs: 'Aged', reselect: true, selected: false },
    unless: [{ portEnabled: false }],
  },
  {
    from: 'AGED',
    vars: { infoIs: 'Aged', updtInfo: true, agreed: true, synced: true, proposing: true, proposed: true },
    to: 'CURRENT',
    // Aged information is not Mine, so nobody has agreed to what is said now.
    after: { infoIs: 'Mine', updtInfo: false, agreed: false, synced: false, proposing: false, proposed: false, newInfo: true },
    unless: [{ selected: false }, { updtInfo: false }],
  },
  {
    from: 'CURRENT',
    vars: { updtInfo: true, agreed: true, synced: true, designatedPriority: vector(4, 1, 5, 1) },
    to: 'CURRENT',
    after: { agreed: true, synced: true, portPriority: vector(4, 1, 5, 1), newInfo: true },
    unless: [{ selected: false }, { updtInfo: false }],
  },
  {
    from: 'CURRENT',
    vars: { updtInfo: true, agreed: true, synced: true, designatedPriority: vector(6, 1, 5, 1) },
    to: 'CURRENT',
    after: { agreed: false, synced: false },
  },
  {
    from: 'CURRENT',
    vars: { infoIs: 'Received', rcvdInfoWhile: 0 },
    to: 'AGED',
    after: { infoIs: 'Aged', reselect: true, selected: false },
    unless: [{ infoIs: 'Mine' }, { rcvdInfoWhile: 1 }, { updtInfo: true, selected: false }],
  },
  {
    from: 'CURRENT',
    vars: { ...HEARD, msg: again({ rootPathCost: 99, flags: 0x0e }), agree: true, agreed: true, proposing: true },
    to: 'CURRENT',
    after: {
      rcvdInfo: 'SuperiorDesignatedInfo',
      agree: true,
      agreed: false,
      proposing: false,
      proposed: true,
      portPriority: vector(1, 99, 2, 1),
      rcvdInfoWhile: 6,
      reselect: true,
      selected: false,
      rcvdMsg: false,
    },
    unless: [{ rcvdMsg: false }, { updtInfo: true, selected: false }],
  },
  {
    from: 'CURRENT',
    vars: { ...HEARD, msg: again({ rootPathCost: 101 }), agree: true },
    to: 'CURRENT',
    after: { rcvdInfo: 'SuperiorDesignatedInfo', agree: false, portPriority: vector(1, 101, 2, 1) },
  },
  {
    from: 'CURRENT',
    vars: { ...HEARD, msg: again({ messageAge: 2.6, helloTime: 0 }) },
    to: 'CURRENT',
    after: {
      rcvdInfo: 'SuperiorDesignatedInfo',
      portTimes: { messageAge: 3, maxAge: 20, helloTime: 1, forwardDelay: 15 },
      rcvdInfoWhile: 3,
    },
  },
  {
    from: 'CURRENT',
    vars: { ...HEARD, msg: again({ messageAge: 19 }) },
    to: 'CURRENT',
    after: { rcvdInfoWhile: 6 },
  },
  {
    from: 'CURRENT',
    vars: { ...HEARD, msg: again({ messageAge: 19.5 }) },
    to: 'CURRENT',
    after: { rcvdInfoWhile: 0 },
  },
  {
    from: 'CURRENT',
    vars: { ...HEARD, msg: again({ flags: 0x0f }) },
    to: 'CURRENT',
    after: {
      rcvdInfo: 'RepeatedDesignatedInfo',
      proposed: true,
      rcvdTc: true,
      rcvdInfoWhile: 6,
      reselect: false,
      rcvdMsg: false,
    },
  },
  {
    from: 'CURRENT',
    vars: { rcvdMsg: true, agreed: true, msg: bpduOf(7, 0, 7, 1, { flags: 0x1d }) },
    to: 'CURRENT',
    after: { rcvdInfo: 'InferiorDesignatedInfo', disputed: true, agreed: false, rcvdTc: false, rcvdMsg: false },
  },
  {
    from: 'CURRENT',
    vars: { rcvdMsg: true, agreed: true, msg: bpduOf(7, 0, 7, 1, { flags: 0x0c }) },
    to: 'CURRENT',
    after: { rcvdInfo: 'InferiorDesignatedInfo', disputed: false, agreed: true },
  },
  {
    from: 'CURRENT',
    vars: { rcvdMsg: true, proposing: true, msg: bpduOf(5, 100, 7, 1, { flags: 0x49 }) },
    to: 'CURRENT',
    after: { rcvdInfo: 'InferiorRootAlternateInfo', agreed: true, proposing: false, rcvdTc: true, rcvdMsg: false },
  },
  {
    from: 'CURRENT',
    // Our own port 2 on the same LAN agrees.
    vars: { rcvdMsg: true, proposing: true, msg: bpduOf(5, 0, 5, 2, { flags: 0x44 }) },
    to: 'CURRENT',
    after: { rcvdInfo: 'InferiorRootAlternateInfo', agreed: false, proposing: true, rcvdMsg: false },
  },
  {
    from: 'CURRENT',
    vars: { rcvdMsg: true, agreed: true, proposing: true, msg: bpduOf(5, 100, 7, 1, { flags: 0x04 }) },
    to: 'CURRENT',
    after: { rcvdInfo: 'InferiorRootAlternateInfo', agreed: false, proposing: true },
  },
  {
    from: 'CURRENT',
    vars: { rcvdMsg: true, operPointToPointMAC: false, proposing: true, msg: bpduOf(5, 100, 7, 1, { flags: 0x48 }) },
    to: 'CURRENT',
    after: { agreed: false, proposing: true },
  },
  {
    from: 'CURRENT',
    vars: { rcvdMsg: true, msg: bpduOf(1, 0, 1, 1, { flags: 0x48 }) },
    to: 'CURRENT',
    after: { rcvdInfo: 'OtherInfo', agreed: false, rcvdMsg: false, infoIs: 'Mine' },
  },
  {
    from: 'CURRENT',
    vars: { rcvdMsg: true, msg: TCN },
    to: 'CURRENT',
    after: { rcvdInfo: 'OtherInfo', rcvdTcn: true, rcvdMsg: false },
  },
  {
    from: 'CURRENT',
    vars: { rcvdMsg: true, msg: { ...CONFIG, flags: 0x83 } },
    to: 'CURRENT',
    after: { rcvdInfo: 'SuperiorDesignatedInfo', rcvdTc: true, rcvdTcAck: true, proposed: false },
  },
  {
    from: 'CURRENT',
    vars: { rcvdMsg: true, msg: bpduOf(1, 0, 1, 1, { flags: 0x52 }) },
    to: 'CURRENT',
    // A role of Unknown: as if it were a Config BPDU.
    after: { rcvdInfo: 'SuperiorDesignatedInfo', proposed: false },
  },
];

testTransitions('PIM', stepPim, ROWS);
