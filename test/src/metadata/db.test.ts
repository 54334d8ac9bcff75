import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { Metadata } from '../../../src/metadata/db.js';
import { networkFilesystem } from '../../../src/metadata/filesystem-kind.js';
import { MIGRATIONS, type migrate, SCHEMA_VERSION } from '../../../src/metadata/schema.js';
import { linesOf, startModule } from '../../child.js';

let folder: string;
let opened: Metadata[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'micafs-metadata-'));
  opened = [];
});

afterEach(async () => {
  for (const metadata of opened) await metadata.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(options: Parameters<typeof Metadata.open>[1] = { durable: false }): Metadata {
  const metadata = Metadata.open(folder, options);
  opened.push(metadata);
  return metadata;
}

describe('a transaction', () => {
  test('that throws keeps nothing, and its error reaches the caller unchanged', async () => {
    const metadata = open();
    const error = new StoreError('not-found', 'cannot x', 'y');
    const write = metadata.write((tx) => {
      tx.put(['v1', 'images', 'default', 'a'], 1);
      throw error;
    });
    await expect(write).rejects.toBe(error);
    expect(metadata.read((tx) => tx.get(['v1', 'images', 'default', 'a']))).toBeUndefined();
  });

  test('sees its own changes, and others see them after it', async () => {
    const metadata = open();
    const inside = await metadata.write((tx) => {
      tx.put(['v1', 'images', 'default', 'a'], { x: 1 });
      return tx.get(['v1', 'images', 'default', 'a']);
    });
    expect(inside).toEqual({ x: 1 });
    expect(metadata.read((tx) => tx.get(['v1', 'images', 'default', 'a']))).toEqual({ x: 1 });
  });

  test('lists its own changes in their places', async () => {
    const metadata = open();
    const image = (name: string): ['v1', ...string[]] => ['v1', 'images', 'default', name];
    await metadata.write((tx) => ['b', 'd', 'f'].forEach((name) => void tx.put(image(name), name)));
    const inside = await metadata.write((tx) => {
      tx.put(image('c'), 'c');
      tx.put(image('f'), 'F');
      expect([tx.remove(image('b')), tx.remove(image('b')), tx.remove(image('z'))]).toEqual([
        true,
        false,
        false,
      ]);
      return tx.list(['v1', 'images', 'default']).map((row) => row.value);
    });
    expect(inside).toEqual(['c', 'd', 'F']);
    expect(metadata.read((tx) => tx.list(['v1', 'images', 'default'])).map((row) => row.value)).toEqual(
      inside,
    );
  });

  test('that returns a promise is refused and keeps nothing', async () => {
    const metadata = open();
    const write = metadata.write(async (tx) => tx.put(['v1', 'images', 'default', 'a'], 1));
    await expect(write).rejects.toThrow('returned a promise');
    expect(metadata.read((tx) => tx.get(['v1', 'images', 'default', 'a']))).toBeUndefined();
  });

  test('does not begin inside another one', async () => {
    const metadata = open();
    let inner: Promise<unknown> = Promise.resolve();
    await metadata.write(() => {
      inner = metadata.write(() => 1);
      inner.catch(() => undefined);
    });
    await expect(inner).rejects.toThrow('inside another');
  });
});

test('close after a failed write harms nobody, and a closed database answers with one line', async () => {
  const metadata = open();
  await expect(metadata.write((tx) => tx.put(['v1', 'x'.repeat(5000)], 1))).rejects.toThrow('limit');
  await metadata.close();
  await metadata.close();
  await new Promise((resolve) => setImmediate(resolve));
  expect(() => metadata.read(() => 1)).toThrow('it is closed');
});

test('two handles of one folder in one process see each other, and outlive each other', async () => {
  const [one, two] = [open(), open()];
  await one.write((tx) => tx.put(['v1', 'images', 'n', 'a'], 1));
  expect(two.read((tx) => tx.get(['v1', 'images', 'n', 'a']))).toBe(1);
  await one.close();
  await two.write((tx) => tx.put(['v1', 'images', 'n', 'b'], 2));
  expect(two.read((tx) => tx.list(['v1', 'images', 'n'])).map((row) => row.name)).toEqual(['a', 'b']);
});

describe('the version', () => {
  test('an older tree is brought up, keeping its rows', async () => {
    const old = open({ durable: false });
    await old.write((tx) => tx.put(['v1', 'images', 'default', 'a'], 'old'));
    await old.close();
    const migrations = [
      ...MIGRATIONS,
      (tx: Parameters<typeof migrate>[0]) => {
        tx.put(['v1', 'images', 'default', 'a'], 'new');
      },
    ];
    const metadata = open({ durable: false, migrations });
    expect(metadata.read((tx) => tx.get(['v1', 'images', 'default', 'a']))).toBe('new');
    expect(metadata.read((tx) => tx.get(['v1', 'version']))).toBe(SCHEMA_VERSION + 1);
  });

  test('a migration that fails leaves the tree as it was', async () => {
    await open().close();
    const migrations = [
      ...MIGRATIONS,
      (tx: Parameters<typeof migrate>[0]) => {
        tx.put(['v1', 'sequence'], 77);
        throw new Error('no');
      },
    ];
    expect(() => open({ durable: false, migrations })).toThrow('no');
    expect(open().read((tx) => tx.get(['v1', 'sequence']))).toBe(0);
  });

  test('a newer tree is refused at open, with a hint', async () => {
    const metadata = open();
    await metadata.write((tx) => tx.put(['v1', 'version'], SCHEMA_VERSION + 1));
    await metadata.close();
    const error = thrown(() => open());
    expect(error).toMatchObject({ kind: 'failed-precondition', hint: expect.stringContaining('newer') });
  });

  test('a tree that became newer while it was open takes no more changes', async () => {
    const metadata = open();
    await metadata.write((tx) => tx.put(['v1', 'version'], SCHEMA_VERSION + 1));
    await expect(metadata.write(() => 1)).rejects.toMatchObject({ kind: 'failed-precondition' });
  });
});

describe('a damaged file', () => {
  test.each([
    ['that is not a database', (file: string) => writeFileSync(file, Buffer.alloc(65536, 'x'))],
    ['shorter than its first pages', (file: string) => truncateSync(file, 5000)],
    ['without its end', (file: string) => truncateSync(file, 8192)],
  ])('%s is refused in one line', async (_name, damage) => {
    const metadata = open();
    for (let i = 0; i < 50; i++) {
      await metadata.write((tx) => tx.put(['v1', 'images', 'default', `image-${i}`], 'x'.repeat(500)));
    }
    await metadata.close();
    damage(join(folder, 'data.mdb'));
    const error = thrown(() => open());
    expect(error).toMatchObject({ kind: 'corrupt' });
    expect((error as StoreError).message).not.toContain('\n');
  });

  test('with a value of another form is corrupt when it is read', async () => {
    const metadata = open();
    await metadata.write((tx) => tx.put(['v1', 'images', 'default', 'a'], 'marker-marker'));
    await metadata.close();
    const file = join(folder, 'data.mdb');
    const bytes = readFileSync(file);
    // The pair's first element, ROW_VERSION, stands right before the string's length byte.
    for (let at = bytes.indexOf('marker-marker'); at >= 0; at = bytes.indexOf('marker-marker', at + 1)) {
      bytes[at - 2] = 9;
    }
    writeFileSync(file, bytes);
    const error = thrown(() => open().read((tx) => tx.get(['v1', 'images', 'default', 'a'])));
    expect(error).toMatchObject({ kind: 'corrupt' });
  });
});

test('network filesystems are known by their magic, also when it is read as a negative number', () => {
  expect(networkFilesystem(0x6969)).toBe('NFS');
  expect(networkFilesystem(0xff534d42 | 0)).toBe('CIFS');
  expect(networkFilesystem(0xef53)).toBeUndefined();
});

describe('several processes', () => {
  const writer = `
    import { Metadata } from './src/metadata/db.js';
    const metadata = Metadata.open(process.argv[2]);
    for (let i = 0; ; i++) {
      if (i === Number(process.argv[4])) break;
      await metadata.write((tx) => {
        tx.put(['v1', 'sequence'], tx.get(['v1', 'sequence']) + 1);
        tx.put(['v1', 'images', process.argv[3], String(i)], i);
      });
      console.log(i);
    }
    await metadata.close();
  `;

  test('count together without losing a step', async () => {
    const metadata = open({});
    const children = ['a', 'b'].map((name) => startModule(writer, [folder, name, '40']));
    for (let i = 0; i < 40; i++) {
      await metadata.write((tx) => tx.put(['v1', 'sequence'], (tx.get<number>(['v1', 'sequence']) ?? 0) + 1));
    }
    expect(await Promise.all(children.map((child) => child.exit))).toEqual([0, 0]);
    expect(metadata.read((tx) => tx.get(['v1', 'sequence']))).toBe(120);
  });

  test('lose nothing to changes that are refused or change nothing', async () => {
    const busy = `
      import { Metadata } from './src/metadata/db.js';
      const [, , folder, name] = process.argv;
      const metadata = Metadata.open(folder, { durable: false });
      for (let i = 0; i < 700; i++) {
        await metadata.write((tx) => {
          tx.put(['v1', 'sequence'], (tx.get(['v1', 'sequence']) ?? 0) + 1);
          tx.put(['v1', 'images', name, String(i)], 'x'.repeat(300));
          if (i > 5) tx.remove(['v1', 'images', name, String(i - 5)]);
        });
        if (i % 3 === 0) await metadata.write((tx) => tx.get(['v1', 'sequence']));
        if (i % 3 === 1) {
          await metadata.write((tx) => {
            tx.put(['v1', 'images', name, 'never'], i);
            throw new Error('refused');
          }).catch(() => undefined);
        }
      }
      await metadata.close();
    `;
    const metadata = open();
    const children = ['a', 'b', 'c'].map((name) => startModule(busy, [folder, name]));
    expect(await Promise.all(children.map((child) => child.exit))).toEqual([0, 0, 0]);
    expect(metadata.read((tx) => tx.get(['v1', 'sequence']))).toBe(2100);
    expect(metadata.read((tx) => tx.list(['v1', 'images', 'b'])).map((row) => row.name)).not.toContain(
      'never',
    );
  });

  test('lose nothing to others who open the store meanwhile', async () => {
    const counter = `
      import { Metadata } from './src/metadata/db.js';
      const metadata = Metadata.open(process.argv[2], { durable: false });
      for (let i = 0; i < 3000; i++) {
        await metadata.write((tx) => tx.put(['v1', 'sequence'], (tx.get(['v1', 'sequence']) ?? 0) + 1));
      }
      await metadata.close();
    `;
    const opener = `
      import { Metadata } from './src/metadata/db.js';
      for (let i = 0; i < 150; i++) await Metadata.open(process.argv[2], { durable: false }).close();
    `;
    const metadata = open();
    const children = [counter, opener, opener].map((code) => startModule(code, [folder]));
    expect(await Promise.all(children.map((child) => child.exit))).toEqual([0, 0, 0]);
    expect(metadata.read((tx) => tx.get(['v1', 'sequence']))).toBe(3000);
  });

  test('a change that was acknowledged survives SIGKILL', async () => {
    const child = startModule(writer, [folder, 'a', '-1']);
    let last = -1;
    for await (const line of linesOf(child)) {
      last = Number(line);
      if (last === 25) child.process.kill('SIGKILL');
    }
    const metadata = open();
    const rows = metadata.read((tx) => tx.list(['v1', 'images', 'a']));
    expect(last).toBeGreaterThanOrEqual(25);
    expect(rows.length).toBeGreaterThanOrEqual(last + 1);
    expect(metadata.read((tx) => tx.get(['v1', 'sequence']))).toBe(rows.length);
  });
});

function thrown(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
