// What a switch is made from: a YAML file, the command line, or both. Both end in a SwitchConfig; the
// ports in it are PortSpecs already, read by the one reader of port specifications.
//
//   switch: br0
//   stp: { mode: off }
//   io: auto
//   host: { ifname: br0, address: 192.168.122.1/24 }
//   uplink: { ifname: eth0 }
//   settings: { ageing_time_s: 300, group_fwd_mask: 0, fdb_max_learned: 0, fdb_size: 65536 }
//   ports:
//     - tap: tap0
//       isolated: on
//   guests:
//     - name: vm1
//       qemu: [-kernel, vmlinuz]
//
// What is wrong is said with file, line and column (yaml-file.ts), and an unknown key with the nearest
// known one.

import { z } from 'zod';
import type { SwitchSettings } from '../bridge/command.ts';
import { IO_CHOICES, type IoChoice } from '../loop/io-choice.ts';
import { type PortSpec, SpecError, specFromObject } from '../ports/spec.ts';
import { isInterfaceName } from '../sys/ifreq.ts';
import {
  FDB_SIZE_MAX,
  FDB_SIZE_MIN,
  type HostConfig,
  isAddressWithPrefix,
  stpComplaint,
  type UplinkConfig,
} from './config-options.ts';
import { checkSwitchName } from './run-dir.ts';
import { YamlFile } from './yaml-file.ts';

/** How a guest's card reaches the switch. */
export type GuestVia = 'auto' | 'stream' | 'dgram' | 'tap';

/** A guest that `weft up` starts. */
export interface GuestConfig {
  name: string;
  /** Name of its port; by default the guest's. */
  port?: string;
  mac?: string;
  model?: string;
  via?: GuestVia;
  memory_mb?: number;
  /** QEMU's arguments, numbers as text. */
  qemu?: string[];
}

/** A whole switch. */
export interface SwitchConfig {
  name?: string;
  host?: HostConfig;
  uplink?: UplinkConfig;
  ports: PortSpec[];
  settings: Partial<Omit<SwitchSettings, 'up'>>;
  fdbSize?: number;
  io?: IoChoice;
  guests: GuestConfig[];
}

const PORTS_MAX = 2047;
const GUESTS_MAX = 1024;

const ifname = z
  .string()
  .refine(isInterfaceName, 'an interface name has 1 to 15 octets, no slash, colon, per cent sign or space');
const address = z.string().refine(isAddressWithPrefix, 'write an address with its prefix length, such as 192.168.122.1/24');
const switchName = z.string().superRefine((name, context) => {
  try {
    checkSwitchName(name);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
  }
});

const fileSchema = z.strictObject({
  switch: switchName.exactOptional(),
  stp: z.strictObject({ mode: z.string() }).exactOptional(),
  io: z.enum(IO_CHOICES).exactOptional(),
  host: z.strictObject({ ifname, address: address.exactOptional() }).exactOptional(),
  uplink: z.strictObject({ ifname }).exactOptional(),
  settings: z
    .strictObject({
      ageing_time_s: z.int().min(0).max(1_000_000).exactOptional(),
      group_fwd_mask: z
        .int()
        .min(0)
        .max(0xffff)
        .refine(
          (mask) => (mask & 7) === 0,
          'bits 0 (STP), 1 (PAUSE) and 2 (LACP) cannot be set for a switch; a port may have bits 0 and 2',
        )
        .exactOptional(),
      fdb_max_learned: z.int().min(0).max(0xffffffff).exactOptional(),
      fdb_size: z.int().min(FDB_SIZE_MIN).max(FDB_SIZE_MAX).exactOptional(),
    })
    .exactOptional(),
  ports: z.array(z.record(z.string(), z.unknown())).max(PORTS_MAX).exactOptional(),
  guests: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/, "use letters, digits, '.', '_' and '-', 32 at the most"),
        port: z.string().exactOptional(),
        mac: z.string().exactOptional(),
        model: z.string().exactOptional(),
        via: z.enum(['auto', 'stream', 'dgram', 'tap']).exactOptional(),
        memory_mb: z.int().min(16).exactOptional(),
        qemu: z.array(z.union([z.string(), z.number()]).transform(String)).exactOptional(),
      }),
    )
    .max(GUESTS_MAX)
    .exactOptional(),
});

/** Reads a configuration file. Throws ConfigError. */
export function readConfigFile(path: string): SwitchConfig {
  return configOf(YamlFile.read(path));
}

/** Reads a configuration from text; `path` is for messages. Throws ConfigError. */
export function parseConfig(text: string, path: string): SwitchConfig {
  return configOf(YamlFile.parse(text, path));
}

function configOf(file: YamlFile): SwitchConfig {
  const { switch: name, stp, io, host, uplink, settings: all = {}, ports = [], guests = [] } = file.check(fileSchema);
  if (stp !== undefined) {
    const complaint = stpComplaint(stp.mode);
    if (complaint !== undefined) file.fail(['stp', 'mode'], complaint);
  }
  const { fdb_size: fdbSize, ...settings } = all;
  return {
    ...(name !== undefined && { name }),
    ...(host !== undefined && { host }),
    ...(uplink !== undefined && { uplink }),
    ports: ports.map((entry, i) => portOf(file, entry, i)),
    settings,
    ...(fdbSize !== undefined && { fdbSize }),
    ...(io !== undefined && { io }),
    guests,
  };
}

function portOf(file: YamlFile, entry: Record<string, unknown>, i: number): PortSpec {
  try {
    return specFromObject(entry);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return file.fail(error.key === undefined ? ['ports', i] : ['ports', i, error.key], error.message, 'key');
  }
}
