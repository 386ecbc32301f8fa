// A running switch as the main thread holds it: one worker that forwards, and the devices under its
// ports. Everything the control socket and the command line can do is a method here.

import type { PortSettings, SwitchSettings } from '../bridge/command.ts';
import { CommandError } from '../bridge/command.ts';
import { fdbEntries } from '../bridge/fdb-view.ts';
import type { FdbSnapshotEntry } from '../bridge/snapshot.ts';
import { closeDevices } from '../ports/close-devices.ts';
import type { UndoJournal } from '../ports/journal.ts';
import { createDevice } from '../ports/open-device.ts';
import type { PortSpec } from '../ports/spec.ts';
import { FDB_FLAG } from '../relay/fdb.ts';
import type { IoChoice } from './io-choice.ts';
import { ManagedPort } from './port-manager.ts';
import type { SwitchEvent, SwitchView } from './view.ts';
import { WorkerClient } from './worker-client.ts';

/** Severity of a line of the log. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a switch is started with. */
export interface SwitchOptions {
  name: string;
  /** Directory of sockets and locks of this user's switches. */
  runDir: string;
  /** What its ports change on the host is noted here before it is changed. */
  journal: UndoJournal;
  fdbSize?: number;
  /** What the forwarding thread waits with; by default `auto`. */
  io?: IoChoice;
  settings?: Partial<SwitchSettings>;
  log: (level: LogLevel, message: string) => void;
  /** The forwarding thread ended by itself: the switch is of no use any more. */
  onFailure?: (error: Error) => void;
}

/** One switch. */
export class Switch {
  readonly name: string;
  readonly #options: SwitchOptions;
  readonly #startedMs = performance.now();
  readonly #ports = new Map<string, ManagedPort>();
  readonly #listeners = new Set<(event: SwitchEvent) => void>();
  #worker: WorkerClient | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(options: SwitchOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Starts the worker; resolves when it forwards, without ports as yet. */
  static async start(options: SwitchOptions): Promise<Switch> {
    const self = new Switch(options);
    const { name, fdbSize, settings, io = 'auto' } = options;
    const salt = crypto.getRandomValues(new Uint32Array(1))[0] as number;
    self.#worker = await WorkerClient.start(
      { name, salt, ...(fdbSize !== undefined && { fdbSize }), ...(settings !== undefined && { settings }) },
      io,
      {
        fault: (portNo, fault) => [...self.#ports.values()].find((port) => port.portNo === portNo)?.fault(fault),
        died: (error) => self.#abandon(error),
      },
    );
    const { refusal } = self.#worker;
    if (refusal !== undefined) options.log('info', `${name} waits with epoll: ${refusal}`);
    return self;
  }

  /** Adds a port and opens its device. Rejects with a sentence, and nothing left behind, when that cannot be done. */
  async addPort(spec: PortSpec): Promise<void> {
    const { name, kind, target, settings } = spec;
    const worker = this.#running();
    if (this.#ports.has(name))
      throw new CommandError(`${this.name} already has a port named ${name}; give the new one another name (name=…)`);
    const { runDir, journal, log } = this.#options;
    const device = createDevice(spec, { runDir, switchName: this.name, journal, log });
    let managed: ManagedPort | undefined;
    device.open(() => void managed?.sync().catch((error: Error) => this.#syncFailed(spec.name, error)));
    try {
      const { mtu } = device.status;
      const portNo = await worker.request({
        type: 'apply',
        command: { type: 'port_add', name, kind, target, settings: { ...settings, mtu } },
      });
      managed = new ManagedPort(spec, portNo, device, mtu, worker, (port, up, reason) => this.#onLink(port, up, reason));
      this.#ports.set(name, managed);
    } catch (error) {
      const { attachment } = device.status;
      if (attachment !== undefined) device.release(attachment);
      device.close();
      throw error;
    }
    try {
      this.#emit({ type: 'port_added', port: name });
      await managed.sync();
      const { mac } = device.status;
      if (spec.role === 'host' && mac !== undefined) await this.#pinHostAddress(managed.portNo, mac);
    } catch (error) {
      await this.removePort(name);
      throw error;
    }
  }

  /** Removes a port and undoes what its device changed on the host. */
  async removePort(name: string): Promise<void> {
    const port = this.#port(name);
    this.#ports.delete(name);
    try {
      await port.close();
    } catch (error) {
      // Only a stop gets in between: once the worker has ended, nothing uses the descriptor any more.
      await this.#stopping;
      port.abandon();
      throw error;
    }
    await this.#running().request({ type: 'apply', command: { type: 'port_remove', portNo: port.portNo } });
    this.#emit({ type: 'port_removed', port: name });
  }

  /** Changes settings of a port while it runs. */
  async setPort(name: string, settings: Partial<PortSettings>): Promise<void> {
    const { portNo } = this.#port(name);
    await this.#running().request({ type: 'apply', command: { type: 'port_set', portNo, settings } });
  }

  /** Changes settings of the switch while it runs. */
  async setSwitch(settings: Partial<SwitchSettings>): Promise<void> {
    await this.#running().request({ type: 'apply', command: { type: 'switch_set', settings } });
  }

  /** Adds an FDB entry; `flags` are bits of FDB_FLAG (relay/fdb.ts), 0 makes one that ages. */
  async fdbAdd(mac: string, port: string, flags: number): Promise<void> {
    const { portNo } = this.#port(port);
    await this.#running().request({ type: 'apply', command: { type: 'fdb_add', mac, portNo, flags } });
  }

  /** Removes an FDB entry of any kind. */
  async fdbDelete(mac: string): Promise<void> {
    await this.#running().request({ type: 'apply', command: { type: 'fdb_del', mac } });
  }

  /** Forgets what was learned, on one port or everywhere. */
  async fdbFlush(port?: string): Promise<void> {
    const command =
      port === undefined ? ({ type: 'fdb_flush' } as const) : ({ type: 'fdb_flush', portNo: this.#port(port).portNo } as const);
    await this.#running().request({ type: 'apply', command });
  }

  /** The FDB, sorted by address. */
  async fdb(): Promise<FdbSnapshotEntry[]> {
    const columns = await this.#running().request({ type: 'fdb' });
    const names = new Map([...this.#ports.values()].map(({ portNo, spec }) => [portNo, spec.name]));
    return fdbEntries(columns, (portNo) => names.get(portNo));
  }

  /** What users see of the switch. */
  async view(): Promise<SwitchView> {
    const { bridge, loop, now_ms } = await this.#running().request({ type: 'snapshot' });
    return {
      ...bridge,
      pid: process.pid,
      uptime_s: Math.floor((performance.now() - this.#startedMs) / 1000),
      now_ms,
      loop,
      ports: bridge.ports.map((port) => {
        const managed = this.#ports.get(port.name);
        const status = managed?.device.status;
        return { ...port, role: managed?.spec.role ?? 'plain', mac: status?.mac, reason: status?.reason };
      }),
    };
  }

  /** Calls `listener` for every event from now on; returns how to end that. */
  subscribe(listener: (event: SwitchEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Detaches and closes everything; safe to call twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    // The worker goes first: once it has ended nothing uses a descriptor, and every device can be closed at once.
    await worker?.stop();
    this.#abandonPorts();
  }

  #abandon(error: Error): void {
    this.#worker = undefined;
    this.#abandonPorts();
    this.#options.log('error', `the forwarding thread of ${this.name} ended: ${error.message}`);
    this.#options.onFailure?.(error);
  }

  #abandonPorts(): void {
    const ports = [...this.#ports.values()];
    this.#ports.clear();
    const close = () => {
      for (const port of ports) {
        try {
          port.abandon();
        } catch (error) {
          this.#options.log('error', `closing port ${port.spec.name}: ${(error as Error).message}`);
        }
      }
    };
    const devices = ports.map((port) => port.device);
    closeDevices(devices, close, ({ message }) => this.#options.log('warn', `closing takes longer: ${message}`));
  }

  #running(): WorkerClient {
    if (this.#worker === undefined) throw new CommandError(`${this.name} is stopping`);
    return this.#worker;
  }

  #port(name: string): ManagedPort {
    const port = this.#ports.get(name);
    if (port !== undefined) return port;
    const known = [...this.#ports.keys()];
    throw new CommandError(
      `${this.name} has no port named ${name}; its ports are ${known.length === 0 ? '(none)' : known.join(', ')}`,
    );
  }

  /** No guest can take the host's address: its entry is permanent, so it neither moves nor ages. */
  async #pinHostAddress(portNo: number, mac: string): Promise<void> {
    await this.#running().request({ type: 'apply', command: { type: 'fdb_add', portNo, mac, flags: FDB_FLAG.PERMANENT } });
  }

  #onLink(port: ManagedPort, up: boolean, reason: string | undefined): void {
    const { name } = port.spec;
    this.#options.log('info', up ? `port ${name} is up` : `port ${name} is down: ${reason ?? 'unknown reason'}`);
    this.#emit({ type: up ? 'port_up' : 'port_down', port: name, ...(!up && reason !== undefined && { reason }) });
  }

  #emit(event: SwitchEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #syncFailed(name: string, error: Error): void {
    if (this.#worker !== undefined) this.#options.log('error', `port ${name}: ${error.message}`);
  }
}
