// On a disk that keeps the device 0:0 for itself whiteouts are marked files, and the folder is told before. Whatever
// change a process is killed at, the next mount shows the operation done or not done; of a rename in two steps it may
// show a name more.

import { describe } from 'vitest';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { describeKills } from '../../faults/kills.js';
import { refuseWhiteoutDevices } from '../../faults/libc.js';
import { OPERATIONS } from '../../faults/operations.js';

refuseWhiteoutDevices();

/** An empty folder that is replaced may go a step before the other comes. */
const renames = OPERATIONS.filter(({ name }) =>
  /^(rename|exchange) (?!.*(links|over an empty |data lies))/.test(name),
);
const others = OPERATIONS.filter(({ name }) =>
  /^(unlink (?!.*links)|remove .*folder|(make|create|link) .* over a )/.test(name),
);
const marks = mayUseTrustedXattrs() ? 'trusted' : 'user';

describe('a union on an overlay, whose process is killed', () => {
  describeKills(others, marks);
  describeKills(renames, marks, 'a name more');
});
