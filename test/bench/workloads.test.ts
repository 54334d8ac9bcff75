import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
// @ts-expect-error: plain programs for Node, without types
import { takesPart } from './contenders.mjs';
// @ts-expect-error: as above
import { percentile } from './measure.mjs';
// @ts-expect-error: as above
import { wrongBounds } from './table.mjs';
// @ts-expect-error: as above
import * as all from './workloads.mjs';

interface Workload {
  readonly name: string;
  readonly series?: { readonly name: string };
}
const WORKLOADS: readonly Workload[] = all.WORKLOADS;
const chosenBy: (words: readonly string[]) => readonly Workload[] = all.chosenBy;
const comparedGroups: (workloads: readonly object[]) => readonly object[][] = all.comparedGroups;
const heldNames: (workload: object, group?: readonly object[]) => Set<string> | undefined = all.heldNames;

it('has bounds that stand', () => {
  const bounds = JSON.parse(readFileSync(new URL('bounds.json', import.meta.url), 'utf8'));
  expect(wrongBounds(bounds, WORKLOADS)).toEqual([]);
});

it('has a name of its own for every workload, and runs the series only when asked', () => {
  expect(new Set(WORKLOADS.map(({ name }) => name)).size).toBe(WORKLOADS.length);
  expect(chosenBy([]).filter(({ series }) => series !== undefined)).toEqual([]);
  expect([...new Set(chosenBy(['depth']).map(({ series }) => series?.name))]).toEqual(['depth']);
  expect(chosenBy(['latency'])).toHaveLength(2);
});

it('runs what a chosen workload is compared with before it', () => {
  expect(chosenBy(['same files in 200']).map(({ name }) => name)).toEqual([
    'cold walk, same files in 2 layers',
    'cold walk, same files in 200 layers',
  ]);
});

it('lets everybody take part but who cannot or was not asked', () => {
  const [store, view, driver, umoci] = ['store', 'view', 'driver', 'umoci'].map((kind) => ({
    kind,
    name: kind,
  }));
  const user = { kind: 'store', name: 'user:store', user: { uid: 1, gid: 1 } };
  const who = (workload: object) =>
    [store, view, driver, umoci, user].filter((one) => takesPart(one, workload)).map((one) => one?.name);
  expect(who({})).toEqual(['store', 'view', 'user:store']);
  expect(who({ not: ['view'] })).toEqual(['store', 'user:store']);
  expect(who({ only: ['driver', 'store'] })).toEqual(['store', 'driver']);
  expect(who({ only: ['store', 'umoci'] })).toEqual(['store', 'umoci']);
  expect(who({ not: ['view'], upperOnDisk: true })).toEqual(['store']);
});

it('runs workloads that are compared with each other in turn, and a check nobody who is held to nothing', () => {
  const goal = (ours: string, than?: string, of?: string) => ({ ours, than, of, atMost: 1 });
  const few = { name: 'few', measures: {} };
  const many = { name: 'many', measures: { seconds: [goal('store', 'store', 'few')] } };
  const alone = {
    name: 'alone',
    measures: { seconds: [goal('micafs', 'kernel')], size: { targets: [goal('view')] } },
  };
  const free = { name: 'free' };
  const groups = comparedGroups([few, alone, many, free]);
  expect(groups).toEqual([[few, many], [alone], [free]]);
  expect([...(heldNames(few, groups[0]) ?? [])]).toEqual(['store']);
  expect([...(heldNames(many, groups[0]) ?? [])]).toEqual(['store']);
  expect([...(heldNames(alone, [alone]) ?? [])]).toEqual(['micafs', 'kernel', 'view', undefined]);
  expect(heldNames(free, [free])).toBeUndefined();
});

it('takes percentiles from the sorted values', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => 100 - n);
  expect([percentile(hundred, 0.5), percentile(hundred, 0.99), percentile([7], 0.99)]).toEqual([50, 99, 7]);
});
