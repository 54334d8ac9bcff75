// Opening a layer, also an upper whose last process died: whatever call fails on the way, nothing is left open, and the
// next try works.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { EIO } from '../../../fs/errno.js';
import { openLowerDir } from '../../../fs/layer/dir-layer.js';
import { openUpperDir } from '../../../fs/layer/dir-upper.js';
import { fromText } from '../../../fs/name.js';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { arm, disarm, openDescriptors } from '../../faults/libc.js';
import { Places, type Upper } from '../../faults/places.js';
import { errnoOf } from '../../suites/paths.js';

const places = new Places(mayUseTrustedXattrs() ? 'trusted' : 'user');
afterAll(() => places.remove());

/** An upper with a move to be ended, an entry of the index without a name, and rubbish. */
function leftBehind(): Upper {
  const upper = places.fresh();
  const { union, paths } = upper.open();
  for (const path of ['d/sub', 'e', 'h1']) paths.chmod(path, 0o700);
  union.destroy();
  const note = { dir: 'd/sub', name: 'x', newDir: 'e', newName: 'n', ino: 1, replaced: 0 };
  writeFileSync(join(upper.path, 'work/work/note'), JSON.stringify(note));
  writeFileSync(join(upper.path, 'work/index', `00fb1d${'0'.repeat(40)}`), 'half');
  mkdirSync(join(upper.path, 'work/work/#9/deep'), { recursive: true });
  return upper;
}

it('of a lower leaves no descriptor open whichever call fails', () => {
  const errnos: number[] = [];
  for (let over = false; !over; ) {
    const at = errnos.length;
    arm((call) => (call.at === at ? EIO : undefined));
    errnos.push(errnoOf(() => openLowerDir(fromText(places.base)).close()));
    over = disarm().length <= at;
    expect([at, openDescriptors()]).toEqual([at, 0]);
  }
  expect(errnos).toContain(EIO);
});

it('of an upper leaves no descriptor open whichever call fails, and works when none does', () => {
  const errnos: (number | undefined)[] = [];
  for (let over = false; !over; ) {
    const upper = leftBehind();
    const at = errnos.length;
    const before = openDescriptors();
    arm((call) => (call.at === at ? EIO : undefined));
    errnos.push(errnoOf(() => openUpperDir(...upper.folders, { lockWaitMs: 0 }).close()));
    over = disarm().length <= at;
    expect([at, openDescriptors()]).toEqual([at, before]);
    upper.open().union.destroy();
    expect([at, upper.rubbish()]).toEqual([at, []]);
    upper.remove();
  }
  expect(errnos.filter((errno) => errno === EIO).length).toBeGreaterThan(20);
});
