// A disk that fails under a mount: whoever asked for the change is told why, and finds everything as it was.

import { chmodSync, existsSync, mkdirSync, renameSync, unlinkSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { buildCommanded, serveCommanded } from '../faults/commanded-server.js';
import { describeWith } from '../requires.js';
import { listTree } from '../tree.js';
import { Scratch, type Served } from './mounted.js';

const ERRNOS = { EIO: 5, ENOSPC: 28, EDQUOT: 122 } as const;

describeWith(['root', 'fuse', 'program:getfattr'], 'a mount whose disk fails', () => {
  let scratch: Scratch;
  let served: Served | undefined;
  beforeEach(() => {
    scratch = new Scratch();
    scratch.sh('mkdir -p lower/d/sub; echo f >lower/f; echo x >lower/d/x; ln lower/f lower/l');
  });
  afterEach(async () => {
    served?.process.kill('SIGKILL');
    await served?.exit;
    scratch.remove();
  });

  it.each(Object.entries(ERRNOS))('with %s says so, and nothing is done', async (_, errno) => {
    const module = buildCommanded(scratch.path);
    const mnt = (name: string) => scratch.at('mnt', name);
    served = await serveCommanded({ stack: scratch.stack(), mountPoint: scratch.at('mnt') }, module).live();
    const before = listTree(scratch.at('mnt'));
    const changes = [
      () => chmodSync(mnt('f'), 0o600),
      () => unlinkSync(mnt('d/x')),
      () => renameSync(mnt('d'), mnt('n')),
      () => mkdirSync(mnt('d/sub/new')),
    ];
    for (const [n, change] of changes.entries()) {
      // Each name once; what fails is the first change that this operation makes on disk.
      expect(existsSync(mnt(`.fail-${'0'.repeat(n + 1)}-${errno}`))).toBe(false);
      expect(change).toThrow(expect.objectContaining({ errno: -errno }));
      expect(listTree(scratch.at('mnt'))).toEqual(before);
    }
    for (const change of changes.slice(0, 2)) change();
    expect(await served.stop()).toBe('unmounted');
  });
});
