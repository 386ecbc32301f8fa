// What a switch writes into its journal: for each thing it changes on the host, how that is undone.
// Plain data, read back by another process, possibly of another version of weft: so it is checked.

import { z } from 'zod';
import type { HostStackRecord } from '../sys/host-stack.ts';
import type { InterfaceChange } from './interface-changes.ts';

/** One step back. `netns` is the namespace it was made in, as netnsIdentity tells it. */
export type UndoStep =
  /** A tap that was made to outlive us; known by its alias, wherever it is and whatever it is called by now. */
  | { readonly type: 'tap'; readonly name: string; readonly mark: string }
  /** A change to an interface that was there. */
  | {
      readonly type: 'change';
      readonly netns: string;
      readonly ifindex: number;
      readonly name: string;
      readonly change: InterfaceChange;
    }
  /** A macvtap of ours on a NIC. */
  | { readonly type: 'macvtap'; readonly netns: string; readonly ifindex: number; readonly name: string }
  /** The host's stack was kept off an interface. */
  | { readonly type: 'host-off'; readonly netns: string; readonly name: string; readonly record: HostStackRecord };

const ifindex = z.int().positive();
const name = z.string();
const prefixLen = z.int().min(0).max(128);
const mac = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);

const STEP: z.ZodType<UndoStep> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('tap'), name, mark: z.string().min(1) }),
  z.object({
    type: z.literal('change'),
    netns: z.string(),
    ifindex,
    name,
    change: z.discriminatedUnion('what', [
      z.object({ what: z.literal('mtu'), ours: z.int(), before: z.int() }),
      z.object({ what: z.literal('mac'), ours: mac, before: mac }),
      z.object({ what: z.literal('address'), address: z.string(), prefixLen }),
      z.object({ what: z.literal('up') }),
    ]),
  }),
  z.object({ type: z.literal('macvtap'), netns: z.string(), ifindex, name }),
  z.object({
    type: z.literal('host-off'),
    netns: z.string(),
    name,
    record: z.object({
      ifindex,
      madeClsact: z.boolean(),
      turnedArpOff: z.boolean(),
      turnedIpv6Off: z.boolean(),
      ipv6Addresses: z.array(z.object({ address: z.string(), prefixLen })),
    }),
  }),
]);

/** Reads a step from JSON text; undefined when it is none. */
export function parseUndoStep(text: string): UndoStep | undefined {
  try {
    return STEP.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
