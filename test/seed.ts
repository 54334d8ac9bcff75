// The short forms of the random tests draw the same numbers each time, so that a run says something about a change
// and not about its luck; MICA_SEED draws others. The long forms draw new ones at every run and print their seed.

import fc from 'fast-check';

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env['MICA_SEED'] ?? 42) });
