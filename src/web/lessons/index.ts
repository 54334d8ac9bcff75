// The lessons that come with the lab, in the order in which they build on each other.

import type { Lesson } from '../lesson.js';
import lookup from './01-lookup.json' with { type: 'json' };
import copyUp from './02-copy-up.json' with { type: 'json' };
import whiteout from './03-whiteout.json' with { type: 'json' };
import opaque from './04-opaque.json' with { type: 'json' };
import rename from './05-rename.json' with { type: 'json' };
import hardLinks from './06-hard-links.json' with { type: 'json' };
import subFile from './07-sub-file.json' with { type: 'json' };
import commit from './08-commit.json' with { type: 'json' };
import sharing from './09-sharing.json' with { type: 'json' };
import chainIds from './10-chain-ids.json' with { type: 'json' };
import garbage from './11-garbage.json' with { type: 'json' };
import order from './12-order.json' with { type: 'json' };

export const LESSONS = [
  lookup,
  copyUp,
  whiteout,
  opaque,
  rename,
  hardLinks,
  subFile,
  commit,
  sharing,
  chainIds,
  garbage,
  order,
] as unknown as readonly Lesson[];
