// Interfaces that are deleted together, and those beside them that are not.

import '../../support/sandbox.ts';
import { readdirSync } from 'node:fs';
import t from 'tap';
import { LinkGroup } from '../../../src/sys/link-group.ts';
import { inNetns } from '../../../src/sys/netns.ts';
import { getLink, listLinks } from '../../../src/sys/rtnetlink.ts';
import { addNetns, ip } from '../../support/netns.ts';

function addTaps(...names: string[]): void {
  for (const name of names) ip(`tuntap add ${name} mode tap`);
}

function names(): string[] {
  return listLinks()
    .map((link) => link.name)
    .filter((name) => name !== 'lo')
    .sort();
}

/** Deletes the group; messages of what failed. */
function deleteAll(group: LinkGroup): string[] {
  const failures: string[] = [];
  group.delete((error) => failures.push((error as Error).message));
  return failures;
}

function descriptorCount(): number {
  return readdirSync('/proc/self/fd').length;
}

t.test('what was added goes, in every namespace, and nothing else', async (t) => {
  const ns = addNetns();
  addTaps('t0', 't1', 't2', 'moved', 'foreign', 'grouped');
  ip('link set grouped group 4711');
  ip(`link set moved netns ${ns}`);
  ip(`-n ${ns} tuntap add foreign mode tap`);
  const before = descriptorCount();
  const group = new LinkGroup();
  for (const name of ['t0', 't1', 't2']) group.add(getLink(name));
  inNetns(ns, () => group.add(getLink('moved')));
  const number = getLink('t0').group;
  t.not(number, 0);
  t.equal(getLink('t2').group, number);
  t.equal(getLink('grouped').group, 4711);
  t.same(deleteAll(group), []);
  t.same(names(), ['foreign', 'grouped']);
  t.same(inNetns(ns, names), ['foreign']);
  t.equal(descriptorCount(), before);
  for (const name of names()) ip(`link del ${name}`);
});

t.test('one that went meanwhile is no error, and neither is none at all', async (t) => {
  addTaps('t0', 't1');
  const group = new LinkGroup();
  for (const name of ['t0', 't1']) group.add(getLink(name));
  ip('link del t0');
  t.same(deleteAll(group), []);
  t.same(names(), []);
  addTaps('t2');
  const gone = new LinkGroup();
  gone.add(getLink('t2'));
  ip('link del t2');
  t.same(deleteAll(gone), []);
  t.same(deleteAll(new LinkGroup()), []);
});

t.test('nothing goes when another interface is in the group, or one is not what it was', async (t) => {
  const before = descriptorCount();
  addTaps('t0', 'foreign');
  const joined = new LinkGroup();
  joined.add(getLink('t0'));
  ip(`link set foreign group ${getLink('t0').group}`);
  t.same(deleteAll(joined), ['cannot delete interfaces together: foreign came among them']);
  t.same(names(), ['foreign', 't0']);

  const renamed = new LinkGroup();
  renamed.add(getLink('t0'));
  ip('link set t0 name t9');
  t.same(deleteAll(renamed), ['cannot delete interfaces together: t9 came among them']);
  t.same(names(), ['foreign', 't9']);

  // One namespace's failure is not the other's.
  const ns = addNetns();
  ip(`-n ${ns} tuntap add t5 mode tap`);
  const both = new LinkGroup();
  both.add(getLink('t9'));
  inNetns(ns, () => both.add(getLink('t5')));
  ip('link set t9 name t8');
  t.equal(deleteAll(both).length, 1);
  t.same(names(), ['foreign', 't8']);
  t.same(inNetns(ns, names), []);
  t.equal(descriptorCount(), before);
  for (const name of names()) ip(`link del ${name}`);
});

t.test('an interface that cannot be deleted is an error', async (t) => {
  const group = new LinkGroup();
  group.add(getLink('lo'));
  t.match(deleteAll(group), [/^cannot delete the interfaces of group \d+: .*EOPNOTSUPP/]);
  t.equal(getLink('lo').ifindex, 1);
});
