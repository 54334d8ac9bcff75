// The cases are containerd's own (`pkg/filters/filter_test.go`), and what its parser says of others.

import { describe, expect, test } from 'vitest';
import { filtered, labelAt, parseFilters } from '../../src/filter.js';
import {
  blobField,
  containerField,
  imageField,
  ingestField,
  leaseField,
  namespaceField,
  snapshotField,
} from '../../src/filter-fields.js';

interface Thing {
  readonly name: string;
  readonly other?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const THINGS: readonly Thing[] = [
  { name: 'foo', labels: { foo: 'true' } },
  { name: 'bar' },
  { name: 'foo', labels: { foo: 'present', 'more complex label': 'present' } },
  { name: 'bar', labels: { bar: 'true' } },
  { name: 'fooer', labels: { 'more complex label with \\ and "': 'present' } },
  { name: 'fooer', labels: { 'more complex label with \\ and ".post': 'present' } },
  { name: 'baz', other: 'too complex, yo' },
  { name: 'bazo', other: 'abc' },
  { name: 'compound', labels: { foo: 'omg_asdf.asdf-qwer' } },
];

function fieldOf(thing: Thing, [first, ...rest]: readonly string[]): string | undefined {
  if (first === 'name') return thing.name;
  if (first === 'other') return thing.other;
  return first === 'labels' ? labelAt(thing.labels ?? {}, rest) : undefined;
}

function meant(...filters: readonly string[]): readonly number[] {
  return filtered(THINGS, filters, fieldOf).map((thing) => THINGS.indexOf(thing));
}

const ALL = THINGS.map((_, at) => at);

test.each([
  ['', ALL],
  ['name', ALL],
  ['labels.foo', [0, 2, 8]],
  ['labels.foo,name', [0, 2, 8]],
  ['labels.foo==true', [0]],
  ['labels.foo==omg_asdf.asdf-qwer', [8]],
  ['name==bar', [1, 3]],
  ['name!=bar', [0, 2, 4, 5, 6, 7, 8]],
  ['name==bar,labels.bar', [3]],
  ['name == bar, labels.bar', [3]],
  ['other=="too complex, yo"', [6]],
  ['other~=[abc]+,name!=foo', [6, 7]],
  ['other~=/[abc]+/,name!=foo', [6, 7]],
  ['other~=|[abc]{1,2}|,name!=foo', [6, 7]],
  ['other~=/[abc]{0,1}"\\//,name!=foo', []],
  ['name~="(?i)^BAZ"', [6, 7]],
  ['name~="^[[:alpha:]]{4}$"', [7]],
  ['name==bar,labels.bar==wrong', []],
  ['name==foo,labels."more complex label"', [2]],
  ['labels."more complex label with \\\\ and \\""==present', [4]],
  ['labels."more complex label with \\\\ and \\"".post==present', [5]],
  ['other=="\\x61\\142\\u0063"', [7]],
  ['nothing', []],
  ['nothing==x', []],
  ['nothing.at.all!=x', ALL],
])('%s', (filter, expected) => {
  expect(meant(filter)).toEqual(expected);
});

test('of several filters one must match', () => {
  expect(meant('name==bazo', 'labels.bar')).toEqual([3, 7]);
  expect(meant()).toEqual(ALL);
});

test.each([
  'labels.|foo|==x',
  'name==|foo|',
  'labels.?"a".post==present',
  'name==foo,',
  'labels.',
  ',name',
  'image~=,id?=?fbaq',
  'name=x',
  'name===x',
  'name==',
  'name=="x',
  'name=="\\q"',
  'name=="\\x4"',
  'name==foo bar',
  'name==foo ,other',
  'name~=/[/',
  'name~="(?=x)"',
  'näme',
])('%s is refused', (filter) => {
  expect(() => parseFilters([filter])).toThrow(
    expect.objectContaining({ kind: 'invalid-argument', what: `cannot use filter ${filter}` }),
  );
});

describe('the fields of', () => {
  const labels = { 'a.b/c': 'x' };
  const found =
    <T>(object: T, field: (object: T, path: readonly string[]) => string | undefined) =>
    (filter: string) =>
      filtered([object], [filter], field).length === 1;

  test('an image', () => {
    const target = { digest: 'sha256:1', mediaType: 'a/b+json', annotations: { n: 'v' } };
    const is = found({ name: 'x:1', target, labels }, imageField);
    expect(is('name==x:1,target.digest==sha256:1,target.mediatype==a/b+json')).toBe(true);
    expect(is('labels."a.b/c"==x,annotations.n==v')).toBe(true);
    expect(is('target') || is('target.size')).toBe(false);
  });

  test('a snapshot', () => {
    const is = found({ name: 'x', parent: 'y', kind: 'active', labels }, snapshotField);
    expect(is('name==x,parent==y,kind==active,labels."a.b/c"')).toBe(true);
    expect(is('kind==Active')).toBe(false);
    // Of what has none it is there, and empty, as containerd's clients ask for it.
    expect(found({ name: 'x', kind: 'active', labels }, snapshotField)('parent==""')).toBe(true);
    expect(found({ name: 'x', kind: 'active', labels }, snapshotField)('parent==y')).toBe(false);
  });

  test('a blob, an ingest, a lease, a namespace', () => {
    expect(found({ digest: 'd', size: 7, labels }, blobField)('digest==d,size==7,labels."a.b/c"==x')).toBe(
      true,
    );
    expect(found({ ref: 'r' }, ingestField)('ref~=^r')).toBe(true);
    expect(found({ id: 'l', labels }, leaseField)('id==l,labels."a.b/c"')).toBe(true);
    expect(found({ name: 'n', labels }, namespaceField)('name==n,labels."a.b/c"')).toBe(true);
  });

  test('a container', () => {
    const is = found({ id: 'c', image: '', runtime: { name: 'r' }, labels }, containerField);
    expect(is('id==c,runtime.name==r,labels."a.b/c"')).toBe(true);
    expect(is('image') || is('runtime') || is('runtime.options')).toBe(false);
  });
});
