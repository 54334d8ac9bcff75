// Without RENAME_WHITEOUT a rename that leaves a whiteout takes two steps. A kill between them leaves the second to
// who opens the upper next.

import { describe } from 'vitest';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { describeKills } from '../../faults/kills.js';
import { OPERATIONS } from '../../faults/operations.js';

process.env['MICA_WITHOUT'] = 'rename-whiteout';

const renames = OPERATIONS.filter(({ name }) => /^(rename|exchange) /.test(name));

describe('a union on a disk without RENAME_WHITEOUT, whose process is killed', () => {
  describeKills(renames, mayUseTrustedXattrs() ? 'trusted' : 'user');
});
