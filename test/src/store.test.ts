import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/digest.js';
import type { StoreError } from '../../src/errors.js';
import { Store } from '../../src/store.js';
import { timeNow } from '../../src/time.js';
import { outputOf, startModule } from '../child.js';
import { describeWith } from '../requires.js';

const HELLO = new TextEncoder().encode('hello');
const isRoot = process.geteuid?.() === 0;
let folder: string;
let root: string;
let state: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'micafs-store-'));
  root = join(folder, 'deep/root');
  state = join(folder, 'state');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (namespace?: string) =>
  Store.open(root, { state, durable: false, ...(namespace === undefined ? {} : { namespace }) });

const mode = (path: string) => statSync(path).mode & 0o777;

test('an opened store keeps what was put, for whoever opens it next', async () => {
  const store = await open();
  await store.content.put('r', HELLO);
  await store.close();
  const again = await open();
  expect(await again.content.read(digestOf(HELLO))).toEqual(HELLO);
  await again.close();
});

test('a store that has lost its database is not opened as an empty one, unless its rows are to come back', async () => {
  const store = await Store.open(root, { state, durable: false, driver: 'fuse' });
  await store.snapshots.prepare('key', undefined);
  await store.close();
  rmSync(join(root, 'metadata'), { recursive: true });
  await expect(open()).rejects.toMatchObject({
    kind: 'corrupt',
    hint: expect.stringContaining('mica fsck --repair'),
  });
  const anew = await Store.open(root, { state, durable: false, mayBeginAnew: true });
  await anew.close();
});

test('two stores of one root share bytes and no names', async () => {
  const [one, two] = [await open('one'), await open('two')];
  const target = { mediaType: 'm', digest: digestOf(HELLO), size: 5 };
  await one.content.put('r', HELLO);
  await one.images.put({ name: 'i', target, created: timeNow(), updated: timeNow(), labels: {} });
  expect(await two.content.has(digestOf(HELLO))).toBe(false);
  expect(two.images.list()).toEqual([]);
  const writer = await two.content.writer({ ref: 'r', expected: digestOf(HELLO) });
  expect(writer.offset).toBe(HELLO.length);
  await writer.close();
  await one.close();
  await two.close();
});

test('a store without a driver named takes the one that its snapshots need', async () => {
  const first = await Store.open(root, { state, durable: false, driver: 'native' });
  await first.snapshots.prepare('key', undefined);
  await first.close();
  const second = await open();
  expect(second.driver).toBe('native');
  expect(await second.snapshots.stat('key')).toMatchObject({ kind: 'active', form: 'full' });
  await second.close();
});

test('folders have their modes whatever the umask', async () => {
  const old = process.umask(0o077);
  try {
    const store = await open();
    await store.close();
  } finally {
    process.umask(old);
  }
  const through = isRoot ? 0o711 : 0o700;
  expect([mode(root), mode(join(root, 'snapshots')), mode(join(root, 'chains'))]).toEqual([
    through,
    through,
    through,
  ]);
  expect([mode(join(root, 'metadata')), mode(join(root, 'content')), mode(state)]).toEqual([
    0o700, 0o700, 0o700,
  ]);
});

describe('a root that cannot be used is refused in one line:', () => {
  async function refused(): Promise<StoreError> {
    const error = await open().then(
      () => undefined,
      (error) => error,
    );
    expect(error).toMatchObject({ name: 'StoreError' });
    expect(error.message).not.toContain('\n');
    return error;
  }

  test('a file', async () => {
    mkdirSync(join(folder, 'deep'));
    writeFileSync(root, '');
    expect(await refused()).toMatchObject({ kind: 'failed-precondition', why: `${root} is not a folder` });
  });

  test('a folder below a file', async () => {
    writeFileSync(join(folder, 'deep'), '');
    expect((await refused()).kind).toBe('failed-precondition');
  });

  test('a link to nowhere', async () => {
    mkdirSync(join(folder, 'deep'));
    symlinkSync('nowhere', root);
    expect((await refused()).kind).toBe('failed-precondition');
  });

  test('a store whose database is a folder', async () => {
    mkdirSync(join(root, 'metadata/data.mdb'), { recursive: true });
    await refused();
  });

  test('a state folder that others can write to', async () => {
    mkdirSync(state);
    chmodSync(state, 0o777);
    expect(await refused()).toMatchObject({
      kind: 'failed-precondition',
      what: expect.stringContaining(state),
    });
  });

  test('a state folder that cannot be made', async () => {
    const opened = Store.open(root, { state: '/sys/none', durable: false });
    await expect(opened).rejects.toMatchObject({ hint: expect.stringContaining('with --state') });
  });

  test('a namespace that is no name', async () => {
    await expect(open('../x')).rejects.toMatchObject({ kind: 'invalid-argument' });
  });
});

describeWith(['root'], 'a root that belongs to somebody else is refused in one line:', () => {
  test('a state folder of another user', async () => {
    mkdirSync(state, { mode: 0o700 });
    chownSync(state, 12345, 12345);
    await expect(open()).rejects.toMatchObject({ kind: 'failed-precondition' });
  });

  test.each([
    ['the root itself', 'root', 'no permission to write'],
    ['the folder that it would be in', 'root/below', 'no permission to write'],
  ])('%s', async (_name, below, why) => {
    mkdirSync(join(folder, 'root'), { mode: 0o755 });
    chmodSync(folder, 0o755);
    const child = startModule(
      `
        import { Store } from './src/store.ts';
        process.setuid(65534);
        const [root, state] = process.argv.slice(2);
        const error = await Store.open(root, { state }).catch((error) => error);
        console.log(JSON.stringify([error.kind, error.why, error.hint]));
      `,
      [join(folder, below), state],
    );
    const lines = await outputOf(child);
    expect(JSON.parse(lines[0] ?? '')).toEqual(['failed', expect.stringContaining(why), expect.any(String)]);
  });
});
