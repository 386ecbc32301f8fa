// From a specification to a device.

import { unreachable } from '../lib/assert.ts';
import type { Device } from './device.ts';
import type { DeviceContext } from './device-state.ts';
import { DgramDevice } from './dgram-device.ts';
import { FdDevice } from './fd-device.ts';
import { MacvtapDevice } from './macvtap-device.ts';
import { NetdevDevice } from './netdev-device.ts';
import type { PortSpec } from './spec.ts';
import { StreamDevice } from './stream-device.ts';
import { TapDevice } from './tap-device.ts';

/** The device for a port, not yet open. */
export function createDevice(spec: PortSpec, context: DeviceContext): Device {
  switch (spec.kind) {
    case 'tap':
      return new TapDevice(spec, context);
    case 'netdev':
      return new NetdevDevice(spec, context);
    case 'macvtap':
      return new MacvtapDevice(spec, context);
    case 'stream':
      return new StreamDevice(spec, context);
    case 'dgram':
      return new DgramDevice(spec, context);
    case 'fd':
      return new FdDevice(spec, context);
    default:
      return unreachable(spec.kind);
  }
}
