// Port State Transition machine [17.30].
//
// Turns the decisions of Port Role Transitions [17.29] into learning and forwarding in the relay.
// FORWARDING is entered only from LEARNING, so a port fills the FDB before it relays its first frame;
// losing the decision leads straight back to DISCARDING. The only caller of setLearning() and
// setForwarding().

import type { StpBridge, StpPort } from './state.ts';

/** States of the machine. */
export type PstState = 'DISCARDING' | 'LEARNING' | 'FORWARDING';

/** Enters a state. */
export function enterPst({ effects }: StpBridge, port: StpPort, state: PstState): true {
  port.PST = state;
  switch (state) {
    case 'DISCARDING':
      effects.setLearning(port.portNo, false);
      port.learning = false;
      effects.setForwarding(port.portNo, false);
      port.forwarding = false;
      return true;
    case 'LEARNING':
      effects.setLearning(port.portNo, true);
      port.learning = true;
      return true;
    case 'FORWARDING':
      effects.setForwarding(port.portNo, true);
      port.forwarding = true;
      return true;
  }
}

/** Takes one transition, if one is due. */
export function stepPst(bridge: StpBridge, port: StpPort): boolean {
  switch (port.PST) {
    case 'DISCARDING':
      return port.learn && enterPst(bridge, port, 'LEARNING');
    case 'LEARNING':
      if (!port.learn) return enterPst(bridge, port, 'DISCARDING');
      return port.forward && enterPst(bridge, port, 'FORWARDING');
    case 'FORWARDING':
      return !port.forward && enterPst(bridge, port, 'DISCARDING');
  }
}
