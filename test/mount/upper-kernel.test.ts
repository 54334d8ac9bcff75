// The kernel's overlayfs mounts an upper that this program wrote, and shows the same tree.

import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Attr, LayerEntry, openLowerDir, openUpperDir, sys, type UpperDir } from '../../fs/index.js';
import { S_IFDIR, S_IFREG } from '../../fs/mode.js';
import { fromText, toBytes } from '../../fs/name.js';
import { describeWith } from '../requires.js';

let base: string;
let upper: UpperDir | undefined;
let mounted = false;

const path = (name: string): string => join(base, name);
const open = (): UpperDir =>
  openUpperDir(fromText(path('upper')), fromText(path('work')), { marks: 'trusted', lockWaitMs: 0 });

function mountKernel(options: string): void {
  const layers = `lowerdir=${path('lower')},upperdir=${path('upper')},workdir=${path('work')}`;
  sys.mount('overlay', fromText(path('mnt')), 'overlay', 0, fromText(`${layers},${options}`));
  mounted = true;
}

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mica-upper-kernel-'));
  for (const name of ['lower', 'upper', 'work', 'mnt']) mkdirSync(path(name));
});

afterEach(() => {
  upper?.close();
  upper = undefined;
  if (mounted) sys.unmount(fromText(path('mnt')), 0);
  mounted = false;
  execFileSync('rm', ['-rf', base]);
});

describeWith(['overlay'], 'kernel overlayfs over our upper', () => {
  const owner = { uid: 0, gid: 0 };

  it('shows whiteouts, opaque folders and redirects as they were meant', () => {
    for (const dir of ['gone', 'opaque', 'old']) {
      mkdirSync(path(`lower/${dir}`));
      writeFileSync(path(`lower/${dir}/f`), 'lower');
    }
    upper = open();
    upper.whiteout('', 'gone');
    upper.make('', 'opaque', { mode: S_IFDIR | 0o755, ...owner });
    let node = upper.hold('', 'opaque');
    node.setOpaque(true);
    node.release();
    upper.make('', 'new', { mode: S_IFDIR | 0o755, ...owner });
    node = upper.hold('', 'new');
    node.setRedirect('old');
    node.release();
    upper.whiteout('', 'old');
    upper.close();
    upper = undefined;
    mountKernel('redirect_dir=on');
    expect(readdirSync(path('mnt')).sort()).toEqual(['new', 'opaque']);
    expect(readdirSync(path('mnt/opaque'))).toEqual([]);
    expect(readFileSync(path('mnt/new/f'), 'utf8')).toBe('lower');
  });

  // The kernel's index is named by file handles; without them ours has names of its own, for index=off.
  if (sys.hasFeature('file-handles')) {
    it('finds the other name of a copied-up hard link through the index', () => {
      writeFileSync(path('lower/a'), 'old');
      linkSync(path('lower/a'), path('lower/b'));
      const lowerIno = statSync(path('lower/a')).ino;
      const lower = openLowerDir(fromText(path('lower')));
      const source = lower.hold('', 'a');
      upper = open();
      const staged = upper.stage({ mode: S_IFREG | 0o644, ...owner });
      const file = staged.openWrite();
      file.write(0, toBytes('new'));
      file.close();
      staged.setOrigin(lowerIno, source);
      const key = upper.indexKey(source);
      staged.publishIndexed(key, 1, '', 'a', true);
      upper.setIndexNames(key, 1);
      upper.close();
      upper = undefined;
      source.release();
      lower.close();
      mountKernel('index=on');
      expect(readFileSync(path('mnt/b'), 'utf8')).toBe('new');
      expect(statSync(path('mnt/b'))).toMatchObject({ ino: lowerIno, nlink: 2 });
      expect(statSync(path('mnt/a')).ino).toBe(lowerIno);
    });

    it('reads the origin and the index that the kernel wrote', () => {
      writeFileSync(path('lower/a'), 'old');
      linkSync(path('lower/a'), path('lower/b'));
      const lowerIno = statSync(path('lower/a')).ino;
      mountKernel('index=on');
      writeFileSync(path('mnt/a'), 'new');
      sys.unmount(fromText(path('mnt')), 0);
      mounted = false;
      const lower = openLowerDir(fromText(path('lower')));
      const source = lower.hold('', 'b');
      upper = open();
      const key = upper.indexKey(source);
      const found = upper.indexed(key);
      expect(found).toBeDefined();
      expect(found && upper.indexedKey(found)).toBe(key);
      expect(upper.indexNames(key)).toBe(1);
      found?.release();
      source.release();
      lower.close();
      const entry = new LayerEntry(new Attr());
      expect(upper.lookup('', 'a', entry)).toBe(true);
      expect(entry.origin).toBe(lowerIno);
    });
  }

  it('is refused while the guard stands', () => {
    upper = open();
    upper.setGuard(true);
    upper.close();
    upper = undefined;
    expect(() => mountKernel('index=off')).toThrow(expect.objectContaining({ errno: 22 }));
    upper = open();
    expect(upper.guarded).toBe(true);
    upper.setGuard(false);
    upper.close();
    upper = undefined;
    mountKernel('index=off');
  });

  it('an upper that was used with volatile is refused here', () => {
    mountKernel('volatile');
    writeFileSync(path('mnt/f'), '');
    sys.unmount(fromText(path('mnt')), 0);
    mounted = false;
    expect(open).toThrow(/volatile/);
  });
});
