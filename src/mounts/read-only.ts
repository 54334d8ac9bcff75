// Mounts as one who only looks makes them: an upper becomes the topmost lower, so that neither it nor its work folder is
// touched, and whoever has it mounted for writing at this moment is not disturbed (containerd does the same before
// it compares mounts, `mount.WithReadonlyTempMount`). What only an upper can say is made plain first.

import { type StackDescription, sys } from '../../fs/index.js';
import { planFromWords } from '../../native-fallback/index.js';
import type { Mount } from './mount.js';
import { isGuarded, prepareToRead, settle } from './settle.js';
import type { MountTable } from './table.js';

const FUSE = /^fuse3?\./;
/** What says something of an upper only, or is said anew. */
const OF_AN_UPPER = /^(?:upperdir=|workdir=|lowerdir=|volatile$)/;

/** The same trees, read only. Where an upper is not plain it is settled, by its server if it has one: see settle.ts. */
export async function readOnlyMounts(mounts: readonly Mount[], table: MountTable): Promise<readonly Mount[]> {
  const made: Mount[] = [];
  for (const mount of mounts) {
    const isFuse = FUSE.test(mount.type);
    const stack = isFuse || mount.type === 'overlay' ? writableStack(mount.options) : undefined;
    if (stack !== undefined) await makeReadable(stack, isFuse, table);
    made.push({ ...mount, options: stack === undefined ? plainWords(mount) : lowerWords(mount) });
  }
  return made;
}

function plainWords({ options }: Mount): readonly string[] {
  return ['ro', ...options.filter((word) => word !== 'rw' && word !== 'ro')];
}

function lowerWords(mount: Mount): readonly string[] {
  const words = plainWords(mount);
  const said = (key: string) => words.find((word) => word.startsWith(key))?.slice(key.length) ?? '';
  // Only in a list of layers a colon needs a backslash.
  const lowers = [said('upperdir=').replaceAll(':', '\\:'), said('lowerdir=')].filter((list) => list !== '');
  return [...words.filter((word) => !OF_AN_UPPER.test(word)), `lowerdir=${lowers.join(':')}`];
}

/** The folders of a mount with an upper; undefined for one without. */
function writableStack(options: readonly string[]): StackDescription | undefined {
  // An upper alone, which ours takes, has no lowers.
  const hasLowers = options.some((word) => word.startsWith('lowerdir='));
  const plan = planFromWords(hasLowers ? options : [...options, 'lowerdir=/'], false);
  if (plan.kind !== 'overlay' || plan.upper === undefined) return undefined;
  const dialect = options.includes('dialect=wh') ? 'wh' : 'overlay';
  const isUser = options.includes('userxattr') || !sys.mayUseTrustedXattrs();
  const layer = (path: string) => ({ path, id: path, dialect }) as const;
  const { path, work } = plan.upper;
  const upper = { ...layer(path), work, marks: isUser ? 'user' : 'trusted' } as const;
  const data = plan.data === undefined ? {} : { data: plan.data.map(layer) };
  return { upper, lowers: hasLowers ? plan.lowers.map(layer) : [], ...data };
}

async function makeReadable(stack: StackDescription, byOurs: boolean, table: MountTable): Promise<void> {
  if (stack.upper === undefined || !isGuarded(stack.upper)) return;
  const mount = table.writing(stack.upper.path);
  // Ours reads a lower with files that have no data; names that only the index knows it finds nowhere.
  if (byOurs && mount?.driver === 'fuse' && mount.state === 'live') await prepareToRead(mount);
  else await settle(stack, table);
}
