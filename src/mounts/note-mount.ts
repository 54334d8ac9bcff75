// The row of a kernel mount that came as data: without it `mounts` would not list what `mount-all` made, `umount`
// would not end it, and what it writes to would look free. A FUSE helper makes its row itself.

import { statSync } from 'node:fs';
import { sys } from '../../fs/index.js';
import { planFromWords } from '../../native-fallback/index.js';
import { timeNow } from '../time.js';
import type { Mount } from './mount.js';
import { parseMountWords } from './mount-words.js';
import { bootId, markOf, mountNamespace } from './process-life.js';
import type { MountTable } from './table.js';

/** Notes the one mount at `target`, an overlay or a bind of a folder; other kinds are nobody's snapshot. */
export function noteMount(mount: Mount, target: string, table: MountTable): void {
  const { flags, data } = parseMountWords(mount.options);
  const isBind = (flags & sys.MS_BIND) !== 0;
  if (!isBind && mount.type !== 'overlay') return;
  const readOnly = (flags & sys.MS_RDONLY) !== 0;
  const plan = isBind ? undefined : planFromWords(data, readOnly);
  const path = isBind ? mount.source : plan?.kind === 'overlay' ? plan.upper?.path : undefined;
  const upper = readOnly || path === undefined ? undefined : statSync(path);
  table.put({
    target,
    driver: isBind ? 'native' : 'overlay',
    process: markOf(process.pid),
    readOnly: upper === undefined,
    since: timeNow(),
    ...(upper === undefined ? {} : { upper: { device: upper.dev, inode: upper.ino } }),
    boot: bootId(),
    mountNamespace: mountNamespace(),
  });
}
