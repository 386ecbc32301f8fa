// What ports change on interfaces of others, to compare before and after.

import { readFileSync } from 'node:fs';
import { ip, run } from './netns.ts';

/** All that a port may change on an interface, as text; left out is what follows from the other side, or has no way back (qdisc). */
export function stateOf(name: string): string {
  const link = ip(`-d -o link show ${name}`).replace(/ (state|mode|qdisc|qlen) \w+|M-DOWN|NO-CARRIER|LOWER_UP|,/g, '');
  const filters = run('tc', 'filter', 'show', 'dev', name, 'ingress');
  const clsact = run('tc', 'qdisc', 'show', 'dev', name).includes('clsact');
  const ipv6 = readFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, 'utf8');
  return `${link}${filters}clsact ${clsact}, disable_ipv6 ${ipv6}`;
}
