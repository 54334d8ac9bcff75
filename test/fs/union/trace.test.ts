import { expect, test } from 'vitest';
import { EEXIST } from '../../../fs/errno.js';
import { Entry, ROOT_NODE, SYSTEM_CALLER } from '../../../fs/filesystem.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { EventStream } from '../../../fs/union/event.js';
import { traced } from '../../../fs/union/trace.js';
import { Union } from '../../../fs/union/union.js';
import { walk } from '../../../fs/union/walk.js';
import { errnoOf, Paths } from '../../suites/paths.js';
import { fillLayer } from './stacks.js';

function make() {
  const events = new EventStream();
  const lower = fillLayer(new MemLayer({ id: 'lower' }), { d: {}, 'd/f': 'f' });
  const union = new Union({ lowers: [lower], upper: new MemLayer({ id: 'upper' }), events });
  const fs = traced(union, events);
  return { events, union, fs, paths: new Paths(fs) };
}

test('requests are told only while somebody asks for them', () => {
  const { events, paths } = make();
  paths.read('d/f');
  expect(events.lastSeq).toBe(0);
  events.requests = true;
  paths.read('d/f');
  expect(events.since(0).map(({ kind, operation, path }) => [kind, operation, path])).toEqual([
    ['request', 'lookup', 'd'],
    ['request', 'lookup', 'd/f'],
    ['request', 'open', 'd/f'],
    ['request', 'read', 'd/f'],
    ['request', 'release', 'd/f'],
  ]);
});

test('a request that fails is told with its errno, and one that changes a layer after what it did', () => {
  const { events, fs, paths } = make();
  events.requests = true;
  const entry = new Entry();
  expect(errnoOf(() => fs.mkdir(ROOT_NODE, 'd', 0o755, SYSTEM_CALLER, entry))).toBe(EEXIST);
  expect(events.since(0).at(-1)).toMatchObject({ operation: 'mkdir', path: 'd', errno: EEXIST });
  paths.unlink('d/f');
  const told = events.since(1).map(({ kind, operation }) => operation ?? kind);
  expect(told).toEqual(['lookup', 'copy-up', 'whiteout', 'unlink']);
});

test('the walk visits folders before what is in them', () => {
  const { union } = make();
  expect([...walk(union)].map(({ path }) => path)).toEqual(['d', 'd/f']);
  expect([...walk(union, 'd')].map(({ path }) => path)).toEqual(['d/f']);
});
