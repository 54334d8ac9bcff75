// What the walking differ says beside containerd's own, for the same two trees: the same entries, but for what is
// known to differ. Bytes are not compared: containerd writes deletions in the order of the names and not first, times
// without nanoseconds, and (before 2.0) deletions with the time at which they were written.

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withMountedTrees } from '../../src/diff/mounted-trees.js';
import { withTempMount } from '../../src/mounts/mount-all.js';
import { MountTable } from '../../src/mounts/table.js';
import type { Mount } from '../../src/snapshots/snapshot.js';
import { Store } from '../../src/store.js';
import { describeWith } from '../requires.js';
import { type ReadEntry, readTar } from '../src/diff/tar-tools.js';
import { changed } from '../suites/changed-snapshot.js';
import { SCENARIOS } from '../suites/differ.js';
import { tarOf } from '../suites/store-differs.js';

/**
 * Entries that containerd leaves out, by scenario: it compares no xattr but capabilities, no socket of its deletes what
 * it replaced, and the root is never a change.
 */
const OURS_ALONE: Readonly<Record<string, readonly string[]>> = {
  'attributes, one at a time': ['f', 'tmp'],
  'other kinds of files in place of each other': ['d/.wh.b'],
  'everything over nothing': ['.'],
};

class Containerd {
  readonly folder = mkdtempSync(join(tmpdir(), 'mica-containerd-'));
  readonly #socket = join(this.folder, 'socket');
  readonly #process;

  constructor() {
    const config = join(this.folder, 'config.toml');
    const [root, state] = [join(this.folder, 'root'), join(this.folder, 'state')];
    const disabled = [
      'grpc.v1.cri',
      ...['btrfs', 'zfs', 'aufs', 'devmapper'].map((name) => `snapshotter.v1.${name}`),
    ];
    const plugins = JSON.stringify(disabled.map((name) => `io.containerd.${name}`));
    writeFileSync(
      config,
      `version = 2\nroot = "${root}"\nstate = "${state}"\ndisabled_plugins = ${plugins}\n[grpc]\naddress = "${this.#socket}"\n`,
    );
    this.#process = spawn('containerd', ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  async ready(): Promise<void> {
    const log = this.#process.stderr;
    for await (const line of createInterface({ input: log })) {
      if (line.includes('successfully booted')) break;
    }
    if (this.#process.exitCode !== null) throw new Error('containerd does not start');
    // What it says from here on is read and dropped: it would wait for a full pipe.
    log.resume();
  }

  ctr(...words: string[]): Buffer {
    return execFileSync('ctr', ['--address', this.#socket, ...words], { maxBuffer: 1 << 26 });
  }

  snapshots(...words: string[]): Buffer {
    return this.ctr('snapshots', '--snapshotter', 'native', ...words);
  }

  /** A new active snapshot whose folder is filled by `fill`. */
  fill(key: string, fill: (folder: string) => void): string {
    this.snapshots('prepare', key);
    const [source] =
      /\S*\/io\.containerd\.snapshotter\.v1\.native\/snapshots\/\d+/.exec(
        this.snapshots('mounts', '/x', key).toString(),
      ) ?? [];
    if (source === undefined) throw new Error('ctr says no folder');
    fill(source);
    return source;
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill();
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What both say of an entry. */
function said(
  { type, mode, uid, gid, linkname, devmajor, devminor, mtime, content }: ReadEntry,
  isDeletion: boolean,
) {
  const data = content.toString('latin1');
  return {
    type,
    mode,
    uid,
    gid,
    linkname,
    devmajor,
    devminor,
    data,
    ...(isDeletion ? {} : { time: mtime.sec }),
  };
}

function byPath(entries: readonly ReadEntry[]): Map<string, ReturnType<typeof said>> {
  const isDeletion = (path: string) => /(?:^|\/)\.wh\./.test(path);
  return new Map(entries.map((entry) => [entry.path, said(entry, isDeletion(entry.path))]));
}

describeWith(['root', 'fuse', 'overlay', 'program:containerd', 'program:ctr'], 'containerd’s differ', () => {
  let containerd: Containerd;
  beforeAll(async () => {
    containerd = new Containerd();
    await containerd.ready();
  });
  afterAll(() => containerd.end());

  test.each(SCENARIOS.map((scenario, at) => ({ ...scenario, at })))(
    'says the same of $name',
    async ({ name, layers, change, at }) => {
      const folder = mkdtempSync(join(tmpdir(), 'mica-differ-'));
      const options = { state: join(folder, 'state'), driver: 'overlay', durable: false } as const;
      const store = await Store.open(join(folder, 'root'), options);
      try {
        const parent = await changed(store, layers, change);
        mkdirSync(join(folder, 'empty'));
        const below: readonly Mount[] =
          parent === undefined
            ? [{ type: 'bind', source: join(folder, 'empty'), options: ['rbind', 'ro'] }]
            : await store.snapshots.view('below', parent);
        const copied = async (mounts: readonly Mount[], key: string) =>
          withTempMount(mounts, async (tree) =>
            containerd.fill(key, (to) => execFileSync('cp', ['-a', `${tree}/.`, to])),
          );
        const left = await copied(below, `left-${at}`);
        const right = await copied(await store.snapshots.mounts('key'), `right-${at}`);
        containerd.snapshots('commit', `base-${at}`, `left-${at}`);
        const plain = 'application/vnd.oci.image.layer.v1.tar';
        const theirs = byPath(
          readTar(containerd.snapshots('diff', '--media-type', plain, `base-${at}`, `right-${at}`)),
        );
        const bind = (source: string): Mount[] => [{ type: 'bind', source, options: ['rbind', 'ro'] }];
        const ours = await withMountedTrees(
          bind(left),
          bind(right),
          new MountTable(store.state),
          async (trees) => {
            return byPath(readTar(await tarOf(trees)));
          },
        );
        for (const path of OURS_ALONE[name] ?? []) {
          expect(theirs.has(path)).toBe(false);
          expect(ours.delete(path)).toBe(true);
        }
        expect(Object.fromEntries([...ours].sort())).toEqual(Object.fromEntries([...theirs].sort()));
      } finally {
        await store.close();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
});
