import { expect, test } from 'vitest';
import { EEXIST, ESTALE } from '../../../fs/errno.js';
import { Entry, ROOT_NODE, type StatFs, SYSTEM_CALLER } from '../../../fs/filesystem.js';
import { Later, type Task } from '../../../fs/later.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { EventStream } from '../../../fs/union/event-stream.js';
import { traced } from '../../../fs/union/trace.js';
import { Union } from '../../../fs/union/union.js';
import { walk } from '../../../fs/union/walk.js';
import { errnoOf, Paths } from '../../suites/paths.js';
import { flattened } from '../layer/flatten.js';
import { fillLayer, rig } from './stacks.js';

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

test('data that is read and written is told in bytes, and a folder of several layers as a merge', () => {
  const events = new EventStream();
  const lowers = [0, 1].map((i) =>
    fillLayer(new MemLayer({ id: `lower${i}` }), { d: {}, [`d/${i}`]: 'four' }),
  );
  const union = new Union({ lowers, upper: new MemLayer({ id: 'upper' }), events });
  const paths = new Paths(traced(union, events));
  paths.list('d');
  expect(events.lastSeq).toBe(0);
  events.requests = true;
  paths.list('d');
  paths.read('d/0');
  const told = events.since(0);
  expect(told.find(({ kind }) => kind === 'merge')).toMatchObject({ path: 'd', parts: 2 });
  expect(told.find(({ operation }) => operation === 'read')).toMatchObject({ path: 'd/0', bytes: 4 });
});

test('a node that the index alone has is told by its path, and no inode is made for that', () => {
  const { lowers } = rig([{ dir: {}, 'dir/deep': {}, 'dir/deep/file': 'below' }]);
  const events = new EventStream();
  const union = new Union({ lowers: [flattened(lowers)], events });
  const fs = traced(union, events);
  const entry = new Entry();
  let node = ROOT_NODE;
  for (const name of ['dir', 'deep', 'file']) {
    expect(fs.lookup(node, name, entry)).toBe(true);
    node = entry.node;
  }
  events.requests = true;
  fs.getattr(node, entry.attr);
  expect(errnoOf(() => fs.getattr(2 ** 29, entry.attr))).toBe(ESTALE);
  expect(union.nodeCount).toBe(1);
  expect(events.since(0).map(({ path, errno }) => [path, errno])).toEqual([
    ['dir/deep/file', undefined],
    ['', ESTALE],
  ]);
});

test('a request that waits is told once, when it is over', () => {
  const { events, union } = make();
  const task = {} as Task;
  let waits = true;
  union.statfs = () => {
    if (waits) throw new Later(task);
    return {} as StatFs;
  };
  const fs = traced(union, events);
  events.requests = true;
  expect(() => fs.statfs(ROOT_NODE)).toThrow(Later);
  expect(events.lastSeq).toBe(0);
  waits = false;
  fs.statfs(ROOT_NODE);
  expect(events.since(0).map(({ operation }) => operation)).toEqual(['statfs']);
});
