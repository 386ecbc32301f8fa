// What is said on a control socket: one JSON object a line, UTF-8.
//
//   request   {"id": 1, "method": "port_del", "params": {"name": "tap0"}}
//   answer    {"id": 1, "result": …}      or   {"id": 1, "error": {"message": "…", "code": "…"}}
//   event     {"event": {"type": "port_up", "port": "tap0"}}    after the method `events`
//
// Requests of one connection are answered in order. A line that is no request is answered with id
// null; after one that is not even JSON the connection is closed, for whoever wrote it does not
// speak this protocol.
//
// Everything that comes from outside is checked against a schema here before anything looks at it.

import { z } from 'zod';
import type { PortSettings } from '../bridge/command.ts';
import type { SwitchEvent } from '../loop/view.ts';
import { PORT_KINDS, type PortSpec } from '../ports/spec.ts';
import { ControlError } from './errors.ts';
import type { DropJson, FdbJson, PortJson, ShowJson, StatsSampleJson } from './json.ts';

/** Octets of a request line. */
export const REQUEST_LEN_MAX = 1 << 20;

/** Why a request failed: `refused` is the switch's own answer, the rest is about the request. */
export type ErrorCode = 'bad_request' | 'unknown_method' | 'bad_params' | 'refused' | 'busy' | 'internal';

/** A request that is answered with an error. */
export class RequestError extends ControlError {
  override readonly name = 'RequestError';
  readonly code: ErrorCode;
  /** Of the request, null when it could not be read. */
  readonly id: RequestId | null;

  constructor(code: ErrorCode, message: string, id: RequestId | null = null) {
    super(message);
    this.code = code;
    this.id = id;
  }
}

/** What a client calls its request; it comes back in the answer. */
export type RequestId = number | string;

const name = z.string().min(1).max(256);
/** A port is called what its interface is, which may hold almost anything; but nothing that steers a terminal. */
const portName = name.regex(/^\P{C}*$/u, 'a name holds no control characters');
const onOff = z.boolean().exactOptional();

const portSettings = z.strictObject({
  mtu: z.int().exactOptional(),
  group_fwd_mask: z.int().exactOptional(),
  learning: onOff,
  flood: onOff,
  mcast_flood: onOff,
  bcast_flood: onOff,
  isolated: onOff,
  hairpin: onOff,
}) satisfies z.ZodType<Partial<PortSettings>>;

const portSpec = z.strictObject({
  kind: z.enum(PORT_KINDS),
  target: name,
  name: portName,
  netns: name.exactOptional(),
  connect: onOff,
  mode: z.int().min(0).max(0o777).exactOptional(),
  address: name.exactOptional(),
  mac: name.exactOptional(),
  role: z.enum(['host', 'uplink']).exactOptional(),
  shared: onOff,
  create: onOff,
  settings: portSettings,
}) satisfies z.ZodType<PortSpec>;

const nothing = z.strictObject({});

/** Every method with the schema of its parameters. */
export const PARAMS = {
  show: nothing,
  ports: nothing,
  fdb: nothing,
  drops: nothing,
  stats: nothing,
  /** With `lease` the port goes when this connection ends. */
  port_add: z.strictObject({ spec: portSpec, lease: onOff }),
  port_del: z.strictObject({ name }),
  port_set: z.strictObject({ name, settings: portSettings }),
  fdb_add: z.strictObject({ mac: name, port: name, static: z.boolean() }),
  fdb_del: z.strictObject({ mac: name }),
  fdb_flush: z.strictObject({ port: name.exactOptional() }),
  /** From here on, what happens comes as lines of their own. */
  events: nothing,
  /** Ends the switch, after the answer. */
  stop: nothing,
} as const;

/** Methods by name. */
export type MethodName = keyof typeof PARAMS;

/** Parameters of a method. */
export type Params<M extends MethodName> = z.infer<(typeof PARAMS)[M]>;

/** What each method answers. */
export interface Results {
  show: ShowJson;
  ports: PortJson[];
  fdb: FdbJson[];
  drops: DropJson[];
  stats: StatsSampleJson;
  port_add: PortJson;
  port_del: null;
  port_set: PortJson;
  fdb_add: null;
  fdb_del: null;
  fdb_flush: null;
  events: null;
  stop: null;
}

/** An event line; `lost` stands for events that a slow reader missed. */
export type EventJson = SwitchEvent | { type: 'lost'; count: number };

/** A request that may be obeyed. */
export type ControlRequest = { [M in MethodName]: { id: RequestId; method: M; params: Params<M> } }[MethodName];

const envelope = z.strictObject({
  id: z.union([z.int().min(0), z.string().max(64)]),
  method: z.string().max(64),
  params: z.unknown().optional(),
});

/** Reads one request line. Throws RequestError; with id null the sender does not speak this protocol. */
export function parseRequest(line: Uint8Array): ControlRequest {
  const outer = envelope.safeParse(parseJson(line));
  if (!outer.success) {
    throw new RequestError('bad_request', `not a request: ${issueText(outer.error)}; one looks like {"id": 1, "method": "show"}`);
  }
  const { id, method, params = {} } = outer.data;
  if (!isMethod(method)) {
    throw new RequestError('unknown_method', `there is no method '${method}'; there are ${Object.keys(PARAMS).join(', ')}`, id);
  }
  const inner = PARAMS[method].safeParse(params);
  if (!inner.success) throw new RequestError('bad_params', `${method}: ${issueText(inner.error)}`, id);
  return { id, method, params: inner.data } as ControlRequest;
}

function isMethod(text: string): text is MethodName {
  return Object.hasOwn(PARAMS, text);
}

function parseJson(line: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
  } catch {
    throw new RequestError('bad_request', 'the line is not JSON; a request is one JSON object a line, in UTF-8');
  }
}

/** The first thing a schema found wrong, with the name of the field. */
function issueText(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return 'not as expected';
  const where = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
  return `${where}${issue.message.slice(0, 200)}`;
}
