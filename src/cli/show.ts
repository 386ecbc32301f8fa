// `weft show`: the switch as a whole.

import type { Command } from 'commander';
import type { ShowJson } from '../control/json.ts';
import { callTarget, wantsJson } from './context.ts';
import { print, printJson } from './output.ts';
import { durationText, renderFields } from './table.ts';

/** Adds the verb. */
export function addShow(program: Command): void {
  program
    .command('show')
    .description('show the switch: process, settings, host port, uplink, FDB')
    .action(async (_options: object, command: Command) => {
      const show = await callTarget(command, 'show', {});
      if (wantsJson(command)) printJson(show);
      else print(renderShow(show));
    });
}

const UPLINK_MODES = {
  shared: 'shared with the host',
  macvtap: "the switch's alone (macvtap)",
  netdev: "the switch's alone (packet socket)",
} as const;

/** The text of `weft show`. */
export function renderShow(show: ShowJson): string {
  const { settings, fdb, host, uplink } = show;
  const hostText = host === null ? 'none' : [host.ifname, host.address, host.mac].filter((part) => part !== null).join(' ');
  return renderFields([
    ['switch', show.name],
    ['state', settings.up ? 'up' : 'down'],
    ['process', String(show.pid)],
    ['uptime', durationText(show.uptime_s)],
    ['waits with', show.backend],
    ['spanning tree', show.stp],
    ['ports', `${show.ports.up} up, ${show.ports.count - show.ports.up} down`],
    ['host port', hostText],
    ['uplink', uplink === null ? 'none' : `${uplink.ifname}, ${UPLINK_MODES[uplink.mode]}`],
    ['ageing time', settings.ageing_time_s === 0 ? '0 s (nothing is learned)' : `${settings.ageing_time_s} s`],
    ['group fwd mask', `0x${settings.group_fwd_mask.toString(16).padStart(4, '0')}`],
    ['FDB', `${fdb.learned} learned, ${fdb.lasting} lasting, room for ${fdb.size}${limitText(settings.fdb_max_learned)}`],
    [
      'FDB so far',
      `${fdb.learned_total} learned, ${fdb.moved_total} moved, ${fdb.expired_total} expired, ${fdb.evicted_total} evicted, ${fdb.refused_total} refused`,
    ],
    ...show.imbalances.map((text) => ['fault', text] as const),
  ]);
}

function limitText(max: number): string {
  return max === 0 ? '' : `, at most ${max} learned`;
}
