// What each method of the control socket does: the table from name to the running switch.

import type { Switch } from '../loop/switch.ts';
import { FDB_FLAG } from '../relay/fdb.ts';
import { dropsJson, fdbJson, type PortJson, portJson, type SwitchSetup, showJson, statsSampleJson } from './json.ts';
import { type ControlRequest, RequestError, type Results } from './protocol.ts';

/** What the methods use of a running switch. */
export type SwitchApi = Pick<
  Switch,
  'name' | 'addPort' | 'removePort' | 'setPort' | 'fdbAdd' | 'fdbDelete' | 'fdbFlush' | 'fdb' | 'view' | 'subscribe'
>;

/** What methods act on. */
export interface MethodContext {
  switch: SwitchApi;
  setup: SwitchSetup;
  /** Ends the process of the switch; called once the answer is on its way. */
  onStop: () => void;
}

/** Obeys a request. `events` and `stop` concern the connection and are completed by the server. Rejects with a sentence. */
export async function callMethod(context: MethodContext, request: ControlRequest): Promise<Results[keyof Results]> {
  const { switch: sw, setup } = context;
  switch (request.method) {
    case 'show':
      return showJson(await sw.view(), setup);
    case 'ports':
      return (await sw.view()).ports.map(portJson);
    case 'fdb':
      return (await sw.fdb()).map(fdbJson);
    case 'drops':
      return dropsJson(await sw.view());
    case 'stats':
      return statsSampleJson(await sw.view());
    case 'port_add':
      if (request.params.spec.kind === 'fd') {
        throw new RequestError(
          'refused',
          'a port of kind fd needs a descriptor the switch was started with; give it to weft run --port',
        );
      }
      await sw.addPort(request.params.spec);
      return portNamed(sw, request.params.spec.name);
    case 'port_del':
      await sw.removePort(request.params.name);
      return null;
    case 'port_set':
      await sw.setPort(request.params.name, request.params.settings);
      return portNamed(sw, request.params.name);
    case 'fdb_add':
      await sw.fdbAdd(request.params.mac, request.params.port, request.params.static ? FDB_FLAG.STATIC : 0);
      return null;
    case 'fdb_del':
      await sw.fdbDelete(request.params.mac);
      return null;
    case 'fdb_flush':
      await sw.fdbFlush(request.params.port);
      return null;
    case 'events':
    case 'stop':
      return null;
  }
}

async function portNamed(sw: SwitchApi, name: string): Promise<PortJson> {
  const port = (await sw.view()).ports.find((candidate) => candidate.name === name);
  if (port === undefined) throw new RequestError('refused', `port ${name} was removed meanwhile`);
  return portJson(port);
}
