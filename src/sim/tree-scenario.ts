// Runs a spanning-tree scenario: production bridges on LANs in virtual time.
//
// Beside what the scenario expects, the network itself is watched. A ring of forwarding ports is a
// fault at every instant, except from when a port that already forwards is plugged in elsewhere until
// the network is at rest again: nobody can know before the first BPDU. At the end of a step that left
// the timers enough time the network must be at rest, and at rest its active topology must be a tree
// that reaches everything (active-topology.ts).

import { CommandError } from '../bridge/command.ts';
import { FORCE_VERSION, STP_PORT_SETTINGS_DEFAULT, STP_SETTINGS_DEFAULT, StpSettingError } from '../stp/parameters.ts';
import { formatMac, type Mac, parseMac } from '../wire/ethernet.ts';
import { isAtRest, restFaults } from './active-topology.ts';
import type { ScenarioResult, StepResult } from './frame-scenario.ts';
import { type Attachment, Network } from './network.ts';
import {
  type Change,
  type ExpectedBridge,
  injectedOctets,
  type TopologyDefaults,
  type TopologyScenario,
  type TopologyStep,
} from './topology.ts';
import { ROLE_WORDS, type TreeBridge } from './tree-bridge.ts';

type Facts = Record<string, unknown>;

/** Path cost of a port for which a scenario gives none, by protocol: the default of the engine, and 10 as in 802.1D-1998's example. */
const COST_DEFAULT = { stp: 10, rstp: STP_PORT_SETTINGS_DEFAULT.pathCost } as const;

/** Runs a checked scenario to its end, whatever fails on the way. */
export function runTopology(scenario: TopologyScenario): ScenarioResult {
  const { id, defaults } = scenario;
  const faults: string[] = [];
  const steps: StepResult[] = [];
  let run: Run;
  try {
    run = new Run(scenario, faults);
  } catch (error) {
    const got = sentenceOf(error);
    return { id, ok: false, steps: [{ op: 'start', text: 'start', ok: false, got, expected: 'done' }], faults };
  }
  for (const [n, step] of scenario.steps.entries()) {
    steps.push(run.step(step));
    run.checkRest(`step ${n + 1}`, step.settle_s >= restBoundS(defaults));
  }
  for (const { name, relay } of run.bridges) faults.push(...relay.bridge.imbalances().map((fault) => `${name}: ${fault}`));
  return { id, ok: faults.length === 0 && steps.every(({ ok }) => ok), steps, faults };
}

/** Seconds in which a network comes to rest: old information dies, then ports listen and learn [17.14]. */
function restBoundS({ max_age, forward_delay }: TopologyDefaults): number {
  return max_age + 2 * forward_delay;
}

/** The state of one run. */
class Run {
  readonly #network = new Network();
  readonly #bridges = new Map<string, TreeBridge>();
  readonly #faults: string[];
  #mayLoop = false;

  constructor({ protocol, defaults, bridges }: TopologyScenario, faults: string[]) {
    this.#faults = faults;
    for (const { name, mac, priority = defaults.bridge_priority, ports } of bridges) {
      const bridge = this.#network.addBridge(
        name,
        {
          ...STP_SETTINGS_DEFAULT,
          forceVersion: protocol === 'stp' ? FORCE_VERSION.STP : FORCE_VERSION.RSTP,
          helloTime: defaults.hello_time,
          maxAge: defaults.max_age,
          forwardDelay: defaults.forward_delay,
          bridgeId: { priority, ...(parseMac(mac) as Mac) },
        },
        ports.map(({ port, lan, cost, port_priority, enabled = true, admin_edge = false, auto_edge = true }) => ({
          ...STP_PORT_SETTINGS_DEFAULT,
          portNo: port,
          lan,
          enabled,
          pathCost: cost ?? COST_DEFAULT[protocol],
          priority: port_priority ?? defaults.port_priority,
          adminEdge: admin_edge,
          autoEdge: auto_edge,
        })),
      );
      this.#bridges.set(name, bridge);
    }
    this.#network.onLoop = (sentence) => {
      if (!this.#mayLoop) this.#faults.push(sentence);
    };
    this.#network.start();
  }

  get bridges(): readonly TreeBridge[] {
    return this.#network.bridges;
  }

  step({ changes = [], settle_s: settle, expect = {}, note }: TopologyStep): StepResult {
    const op = 'settle';
    const text = describe({ changes, settle_s: settle, expect });
    const common = { op, text, ...(note !== undefined && { note }) };
    try {
      for (const change of changes) this.#change(change);
    } catch (error) {
      return { ...common, ok: false, got: sentenceOf(error), expected: 'done' };
    }
    this.#network.advance(settle, () => {
      if (this.#mayLoop && isAtRest(this.#network)) this.#mayLoop = false;
    });
    const wanted = Object.entries(expect).flatMap(([name, facts]) => Object.entries(expectedFacts(name, facts)));
    const actual: Facts = {};
    for (const name of Object.keys(expect)) Object.assign(actual, factsOf(this.#bridge(name)));
    const wrong = wanted.filter(([fact, value]) => actual[fact] !== value);
    const shown = wrong.length === 0 ? wanted : wrong;
    return {
      ...common,
      ok: wrong.length === 0,
      got: Object.fromEntries(shown.map(([fact]) => [fact, actual[fact]])),
      expected: Object.fromEntries(shown),
    };
  }

  /** Checks the network if it is at rest; it must be when `isDue`. */
  checkRest(where: string, isDue: boolean): void {
    if (isAtRest(this.#network)) {
      // What a step of few seconds leaves may be a lull: hellos tell.
      if (isDue) this.#faults.push(...restFaults(this.#network).map((fault) => `after ${where}: ${fault}`));
    } else if (isDue) this.#faults.push(`after ${where}: the network has not come to rest`);
  }

  #bridge(name: string): TreeBridge {
    const bridge = this.#bridges.get(name);
    if (bridge === undefined) throw new CommandError(`there is no bridge named ${name}`);
    return bridge;
  }

  #end({ bridge, port }: { bridge: string; port: number }): Attachment {
    return this.#network.attachment(this.#bridge(bridge), port);
  }

  #change(change: Change): void {
    const network = this.#network;
    switch (change.op) {
      case 'connect_port':
        this.#mayLoop = true;
        network.connect(this.#end(change), change.lan);
        break;
      case 'disable_port':
      case 'enable_port':
        network.enable(this.#end(change), change.op === 'enable_port');
        break;
      case 'link_down':
      case 'link_up':
        network.setLan(change.lan, change.op === 'link_up');
        break;
      case 'set_bridge_priority': {
        const { tree } = this.#bridge(change.bridge);
        tree.configure({ bridgeId: { ...tree.settings.bridgeId, priority: change.priority } });
        break;
      }
      case 'set_port_priority':
        this.#bridge(change.bridge).tree.configurePort(change.port, { priority: change.port_priority });
        break;
      case 'set_port_cost':
        this.#bridge(change.bridge).tree.configurePort(change.port, { pathCost: change.cost });
        break;
      case 'inject_bpdu':
        network.inject(this.#end(change), injectedOctets(change.bpdu));
        break;
    }
  }
}

/** What can be compared of a bridge, by names people read. */
function factsOf(bridge: TreeBridge): Facts {
  const { RootPriority, RootPortId, ports } = bridge.tree.bridge;
  const { priority, hi, lo } = RootPriority.RootBridgeID;
  const facts: Facts = {
    [`${bridge.name} is_root`]: RootPortId === 0,
    [`${bridge.name} root_id`]: `${priority} ${formatMac(hi, lo)}`,
    [`${bridge.name} root_path_cost`]: RootPriority.RootPathCost,
    [`${bridge.name} root_port`]: ports.find(({ role }) => role === 'RootPort')?.portNo ?? null,
  };
  for (const port of ports) {
    facts[`${bridge.name} port ${port.portNo} state`] = bridge.stateOf(port);
    facts[`${bridge.name} port ${port.portNo} role`] = ROLE_WORDS[port.role];
  }
  return facts;
}

/** What a scenario expects, by the same names. */
function expectedFacts(name: string, { is_root, root_id, root_path_cost, root_port, ports = [] }: ExpectedBridge): Facts {
  const facts: Facts = {
    [`${name} is_root`]: is_root,
    [`${name} root_id`]: root_id === undefined ? undefined : `${root_id.priority} ${root_id.mac.toLowerCase()}`,
    [`${name} root_path_cost`]: root_path_cost,
    [`${name} root_port`]: root_port,
  };
  for (const { port, state, role } of ports) {
    facts[`${name} port ${port} state`] = state === 'blocking' ? 'discarding' : state;
    facts[`${name} port ${port} role`] = role;
  }
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}

/** A refused setting is a step that failed, with the refusal as what it got; anything else is a fault of weft. */
function sentenceOf(error: unknown): string {
  if (error instanceof CommandError || error instanceof StpSettingError) return error.message;
  throw error;
}

/** A step in words, for one line. */
function describe({ changes = [], settle_s, expect = {} }: TopologyStep): string {
  const words = changes.map((change) => {
    const port = 'port' in change ? ` ${change.bridge} port ${change.port}` : 'bridge' in change ? ` ${change.bridge}` : '';
    switch (change.op) {
      case 'connect_port':
        return `connect_port${port} to ${change.lan ?? 'nobody'}`;
      case 'link_down':
      case 'link_up':
        return `${change.op} ${change.lan}`;
      case 'set_bridge_priority':
        return `${change.op}${port} to ${change.priority}`;
      case 'set_port_priority':
        return `${change.op}${port} to ${change.port_priority}`;
      case 'set_port_cost':
        return `${change.op}${port} to ${change.cost}`;
      default:
        return `${change.op}${port}`;
    }
  });
  const checked = Object.keys(expect).length;
  return [...words, `${settle_s} s`, `${checked} bridge${checked === 1 ? '' : 's'} checked`].join(', ');
}
