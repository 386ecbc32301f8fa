// What the protocol does to the world. The switch, the simulator and the tests each implement it.

/** Called while the engine runs; must not call back into it. */
export interface StpEffects {
  /** Send `bpdu` (what follows the LLC header) to the bridge group address. The octets are the callee's to keep. */
  transmitBpdu(portNo: number, bpdu: Uint8Array): void;
  /** Learn from frames received on the port, or no longer [17.21.4, 17.21.6]. */
  setLearning(portNo: number, on: boolean): void;
  /** Relay frames from and to the port, or no longer [17.21.3, 17.21.5]. */
  setForwarding(portNo: number, on: boolean): void;
  /** Forget what was learned on the port, at once [17.19.7]. */
  flushFdb(portNo: number): void;
  /** Age what was learned on the port after `seconds`; 0 means after the usual time again [17.19.1]. */
  setRapidAgeing(portNo: number, seconds: number): void;
}
