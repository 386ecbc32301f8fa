// A switch with everything around it: its name, its ports, its control socket. `weft run` is one such
// process, and whatever else starts a switch does it through here.
//
// Order matters. The name is locked first, so that a second switch of that name disturbs nothing; then what
// switches that were killed have left is undone, so that the ports find the host as it was; the
// control socket comes last, so that whoever reaches it finds all ports. If anything fails on the way,
// what was done is undone.

import { Switch } from '../loop/switch.ts';
import { DeviceError } from '../ports/device.ts';
import { claimInherited } from '../ports/fd-device.ts';
import type { PortKind, PortSpec } from '../ports/spec.ts';
import type { SwitchConfig } from './config.ts';
import { type HostConfig, resolveIo, type UplinkConfig } from './config-options.ts';
import { messageOf } from './errors.ts';
import { hostMac, machineId } from './identity.ts';
import type { SwitchSetup, UplinkMode } from './json.ts';
import type { Log } from './log.ts';
import { type Cleaned, cleanDeadSwitches, cleanJournal, openOwnJournal } from './recovery.ts';
import { makeRunDir, socketPathOf } from './run-dir.ts';
import { ControlServer } from './server.ts';
import { lockSwitchName } from './switch-lock.ts';
import { decideUplink } from './uplink.ts';

/** A switch to start: a configuration with a name. */
export type DaemonConfig = SwitchConfig & { name: string };

/** What a daemon is started with besides. */
export interface DaemonOptions {
  runDir: string;
  log: Log;
  /** A client of the control socket asked the switch to end. */
  onStopRequest: () => void;
  /** The forwarding thread ended by itself; the process should end too. */
  onFailure: (error: Error) => void;
}

/** A running switch and how to end it. */
export interface Daemon {
  readonly switch: Switch;
  readonly socketPath: string;
  readonly setup: SwitchSetup;
  /** Ends everything and leaves nothing behind; safe to call twice. */
  stop(): Promise<void>;
}

/** Starts a switch. Rejects with a sentence (UsageError, ControlError, DeviceError, …), and nothing left behind. */
export async function startDaemon(config: DaemonConfig, options: DaemonOptions): Promise<Daemon> {
  const { runDir, log } = options;
  const socketPath = socketPathOf(runDir, config.name);
  claimInherited(config.ports);
  makeRunDir(runDir);
  const undo: (() => Promise<void> | void)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= undoAll(undo, log);
    return stopping;
  };
  try {
    const lock = lockSwitchName(runDir, config.name);
    undo.push(() => lock.release());
    const tell = ({ name, outcome, text }: Cleaned) => {
      log.write(
        outcome === 'undone' ? 'info' : 'warn',
        `left by ${name === config.name ? 'an earlier' : 'another'} switch ${name}: ${text}`,
      );
    };
    const journal = await openOwnJournal(runDir, config.name);
    undo.push(() => journal.close());
    for (const cleaned of await cleanJournal(config.name, journal)) tell(cleaned);
    undo.push(async () => {
      for (const { text } of await cleanJournal(config.name, journal, 0)) log.write('info', text);
    });
    for (const cleaned of await cleanDeadSwitches(runDir)) tell(cleaned);
    const sw = await Switch.start({
      name: config.name,
      runDir,
      journal,
      settings: config.settings,
      ...(config.fdbSize !== undefined && { fdbSize: config.fdbSize }),
      io: resolveIo(config.io),
      log: (level, message) => log.write(level, message),
      onFailure: options.onFailure,
    });
    undo.push(() => sw.stop());
    const setup: SwitchSetup = { host: null, uplink: null };
    await addPorts(sw, config, setup, log);
    const context = { switch: sw, setup, onStop: options.onStopRequest };
    const server = await ControlServer.listen(socketPath, context, (level, message) => log.write(level, message));
    undo.push(() => server.close());
    return { switch: sw, socketPath, setup, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function undoAll(undo: (() => Promise<void> | void)[], log: Log): Promise<void> {
  for (const step of undo.reverse()) {
    try {
      await step();
    } catch (error) {
      log.write('error', messageOf(error));
    }
  }
}

/** Adds every port of the configuration: the host's, the uplink, then the others. Notes in `setup` how the first two are used. */
async function addPorts(sw: Switch, config: DaemonConfig, setup: SwitchSetup, log: Log): Promise<void> {
  const { host, uplink, ports, name } = config;
  if (host !== undefined) {
    setup.host = { ifname: host.ifname, address: host.address ?? null };
    await sw.addPort(hostSpec(host, name));
  }
  if (uplink !== undefined) setup.uplink = { ifname: uplink.ifname, mode: await addUplink(sw, uplink, host, log) };
  for (const spec of ports) await sw.addPort(spec);
}

/** Adds the uplink: shared where the host lives on it, else by macvtap if it can be, else by packet socket. */
async function addUplink(sw: Switch, uplink: UplinkConfig, host: HostConfig | undefined, log: Log): Promise<UplinkMode> {
  const { ifname } = uplink;
  const { isShared, why } = decideUplink(ifname);
  if (isShared) {
    log.write('info', sharedSentence(ifname, why, host));
    await sw.addPort({ ...uplinkSpec('netdev', ifname), shared: true });
    return 'shared';
  }
  log.write('info', `uplink ${ifname} is the switch's alone: ${why}`);
  try {
    await sw.addPort(uplinkSpec('macvtap', ifname));
    return 'macvtap';
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    log.write('info', `uplink ${ifname} is used by packet socket and not by macvtap: ${error.message}`);
  }
  await sw.addPort(uplinkSpec('netdev', ifname));
  return 'netdev';
}

/** The host's own port: a tap whose address nobody on the switch can take, and which stays the same. */
export function hostSpec(host: HostConfig, switchName: string): PortSpec {
  const { ifname, address } = host;
  const mac = hostMac(switchName, machineId());
  return {
    kind: 'tap',
    target: ifname,
    name: ifname,
    role: 'host',
    mac,
    ...(address !== undefined && { address }),
    settings: {},
  };
}

function uplinkSpec(kind: PortKind, ifname: string): PortSpec {
  return { kind, target: ifname, name: ifname, role: 'uplink', settings: {} };
}

function sharedSentence(ifname: string, why: string, host: HostConfig | undefined): string {
  const between =
    host === undefined
      ? 'guests and host do not reach each other; a host port (--host) would let them'
      : `guests and host reach each other through the host port ${host.ifname} only`;
  return `uplink ${ifname} is shared with the host: ${why}; ${between}`;
}
