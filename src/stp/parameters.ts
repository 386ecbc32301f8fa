// What management may set, and within which bounds [17.13, 17.14, Tables 17-1 and 17-2].
//
// Hello Time is 1 or 2 s in RSTP, as the standard has it: the detection of edge ports takes a port
// whose neighbour says nothing for 3 s to have none. STP bridges may take up to 10 s, as in
// 802.1D-1998 and in the kernel.

import type { BridgeId } from '../wire/bpdu.ts';

/** Versions of the protocol: 802.1D-1998 STP, or RSTP [17.13.4]. */
export const FORCE_VERSION = { STP: 0, RSTP: 2 } as const;
/** A value of FORCE_VERSION. */
export type ForceVersion = (typeof FORCE_VERSION)[keyof typeof FORCE_VERSION];

/** Settings of the bridge. Times are whole seconds. */
export interface StpSettings {
  readonly bridgeId: BridgeId;
  readonly forceVersion: ForceVersion;
  readonly helloTime: number;
  readonly maxAge: number;
  readonly forwardDelay: number;
  /** BPDUs a port may send in one second [17.13.12]. */
  readonly txHoldCount: number;
}

/** Settings of a port. */
export interface StpPortSettings {
  /** 0 to 240 in steps of 16 [17.13.10]. */
  readonly priority: number;
  /** Cost of a path through this port [17.13.11]. */
  readonly pathCost: number;
  /** There is a station and no bridge: forward at once [17.13.1]. */
  readonly adminEdge: boolean;
  /** Find out whether there is a bridge [17.13.3]. */
  readonly autoEdge: boolean;
  /** At most one other system is on the LAN [6.4.3]. */
  readonly operPointToPointMAC: boolean;
  /** Never the root port, however good what it hears [802.1Q-2005 13.25.14]. */
  readonly restrictedRole: boolean;
  /** Topology changes heard here are not told to the other ports [802.1Q-2005 13.25.15]. */
  readonly restrictedTcn: boolean;
}

/** Settings of Table 17-1, without the identifier, which each bridge must have of its own. */
export const STP_SETTINGS_DEFAULT: Readonly<Omit<StpSettings, 'bridgeId'>> = {
  forceVersion: FORCE_VERSION.RSTP,
  helloTime: 2,
  maxAge: 20,
  forwardDelay: 15,
  txHoldCount: 6,
};

/** A port of a bridge on a link to who knows whom, at 1 Gb/s. */
export const STP_PORT_SETTINGS_DEFAULT: Readonly<StpPortSettings> = {
  priority: 128,
  pathCost: 20_000,
  adminEdge: false,
  autoEdge: true,
  operPointToPointMAC: true,
  restrictedRole: false,
  restrictedTcn: false,
};

/** Highest port number a port identifier holds [9.2.7]. */
export const STP_PORT_NO_MAX = 4095;
/** Highest path cost [Table 17-3]. */
export const PATH_COST_MAX = 200_000_000;
const HELLO_TIME_MAX = { [FORCE_VERSION.STP]: 10, [FORCE_VERSION.RSTP]: 2 } as const;

/** A setting that spanning tree cannot have; the message is a sentence. */
export class StpSettingError extends Error {
  override readonly name = 'StpSettingError';
}

/** Throws StpSettingError unless a bridge may have `settings` [17.14]. */
export function checkStpSettings({ bridgeId, forceVersion, helloTime, maxAge, forwardDelay, txHoldCount }: StpSettings): void {
  checkStep('bridge priority', bridgeId.priority, 61_440, 4096);
  checkWhole('hello_time', helloTime, 1, HELLO_TIME_MAX[forceVersion]);
  checkWhole('max_age', maxAge, 6, 40);
  checkWhole('forward_delay', forwardDelay, 4, 30);
  checkWhole('tx_hold_count', txHoldCount, 1, 10);
  if (2 * (forwardDelay - 1) < maxAge || maxAge < 2 * (helloTime + 1)) {
    throw new StpSettingError(
      `hello_time ${helloTime}, max_age ${maxAge} and forward_delay ${forwardDelay} do not fit together: ` +
        '2 x (forward_delay - 1) >= max_age >= 2 x (hello_time + 1) must hold',
    );
  }
}

/** Throws StpSettingError unless a port may have `settings`. */
export function checkStpPortSettings({ priority, pathCost }: StpPortSettings): void {
  checkStep('port priority', priority, 240, 16);
  checkWhole('path cost', pathCost, 1, PATH_COST_MAX);
}

function checkWhole(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new StpSettingError(`${name} is ${value}; it must be ${min} to ${max}`);
}

function checkStep(name: string, value: number, max: number, step: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max || value % step !== 0)
    throw new StpSettingError(`${name} is ${value}; it must be 0 to ${max} in steps of ${step}`);
}
