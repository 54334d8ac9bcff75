// On a disk that keeps the device 0:0 for itself whiteouts are marked files, and the folder is told before. Whatever
// change a process is killed at, the next mount shows the operation done or not done.

import { describe } from 'vitest';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { describeKills } from '../../faults/kills.js';
import { refuseWhiteoutDevices } from '../../faults/libc.js';
import { OPERATIONS } from '../../faults/operations.js';

refuseWhiteoutDevices();

const operations = OPERATIONS.filter(({ name }) =>
  /^((unlink|rename) (?!.*(links|data lies))|exchange |remove .*folder|(make|create|link) .* over a )/.test(
    name,
  ),
);

describe('a union on an overlay, whose process is killed', () => {
  describeKills(operations, mayUseTrustedXattrs() ? 'trusted' : 'user');
});
