// A process that is killed at any change that it makes on disk leaves each operation done or not done.

import { describe } from 'vitest';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { describeKills } from '../../faults/kills.js';
import { OPERATIONS } from '../../faults/operations.js';
import { runs } from '../../runs.js';

/** The long form tries uppers of both kinds. */
const MARKS = mayUseTrustedXattrs() ? (['trusted', 'user'] as const) : (['user'] as const);

describe.each(runs(1) === 1 ? MARKS.slice(0, 1) : MARKS)(
  'a union with marks under %s., whose process is killed',
  (marks) => {
    describeKills(OPERATIONS, marks);
  },
);
