// Without RENAME_WHITEOUT a rename that leaves a whiteout takes two steps. A kill between them leaves a file under
// both of its names, and never one that is lost, or hidden before and seen now.

import { describe } from 'vitest';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { describeKills } from '../../faults/kills.js';
import { OPERATIONS } from '../../faults/operations.js';

process.env['MICA_WITHOUT'] = 'rename-whiteout';

/** An empty folder that is replaced may go a step before the other comes. */
const renames = OPERATIONS.filter(({ name }) => /^(rename|exchange) (?!.* over an empty )/.test(name));

describe('a union on a disk without RENAME_WHITEOUT, whose process is killed', () => {
  describeKills(renames, mayUseTrustedXattrs() ? 'trusted' : 'user', 'a name more');
});
