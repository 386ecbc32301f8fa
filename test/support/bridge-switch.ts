// A switch without devices: the production bridge behind the calls that the control socket makes. Every
// port is up as soon as it is added.

import { Bridge } from '../../src/bridge/bridge.ts';
import { CommandError } from '../../src/bridge/command.ts';
import type { SwitchApi } from '../../src/control/methods.ts';
import type { SwitchEvent, SwitchView } from '../../src/loop/view.ts';

/** A running switch for tests of what stands around one. */
export class BridgeSwitch implements SwitchApi {
  readonly name: string;
  readonly bridge: Bridge;
  readonly listeners = new Set<(event: SwitchEvent) => void>();
  /** Time of the bridge's clock, in ms. */
  now = 0;

  constructor(name: string) {
    this.name = name;
    this.bridge = new Bridge({ name, salt: 1 });
  }

  addPort: SwitchApi['addPort'] = async ({ name, kind, target, settings }) => {
    const portNo = this.bridge.apply({ type: 'port_add', name, kind, target, settings }, this.now);
    this.bridge.apply({ type: 'port_link', portNo, up: true }, this.now);
    this.emit({ type: 'port_added', port: name });
  };

  removePort: SwitchApi['removePort'] = async (name) => {
    this.bridge.apply({ type: 'port_remove', portNo: this.#portNo(name) }, this.now);
    this.emit({ type: 'port_removed', port: name });
  };

  setPort: SwitchApi['setPort'] = async (name, settings) => {
    this.bridge.apply({ type: 'port_set', portNo: this.#portNo(name), settings }, this.now);
  };

  fdbAdd: SwitchApi['fdbAdd'] = async (mac, port, flags) => {
    this.bridge.apply({ type: 'fdb_add', mac, portNo: this.#portNo(port), flags }, this.now);
  };

  fdbDelete: SwitchApi['fdbDelete'] = async (mac) => {
    this.bridge.apply({ type: 'fdb_del', mac }, this.now);
  };

  fdbFlush: SwitchApi['fdbFlush'] = async (port) => {
    this.bridge.apply(port === undefined ? { type: 'fdb_flush' } : { type: 'fdb_flush', portNo: this.#portNo(port) }, this.now);
  };

  fdb: SwitchApi['fdb'] = async () => this.bridge.fdbEntries(this.now);

  view: SwitchApi['view'] = async (): Promise<SwitchView> => {
    const snapshot = this.bridge.snapshot();
    return {
      ...snapshot,
      pid: process.pid,
      uptime_s: Math.floor(this.now / 1000),
      now_ms: this.now,
      loop: { backend: 'epoll', turns: 0, wakeups: 0, imbalances: this.bridge.imbalances() },
      ports: snapshot.ports.map((port) => ({ ...port, role: 'plain', mac: undefined, reason: undefined })),
    };
  };

  subscribe: SwitchApi['subscribe'] = (listener) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  emit(event: SwitchEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  #portNo(name: string): number {
    const portNo = this.bridge.portNoOf(name);
    if (portNo === 0) throw new CommandError(`${this.name} has no port named ${name}`);
    return portNo;
  }
}
