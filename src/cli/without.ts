// MICA_WITHOUT is checked before any command runs: a misspelt name would leave the feature on, and a test of the
// other way would pass without having gone it.

import { StoreError } from '../errors.js';

/** invalid-argument for a name that is in no table of features. Nothing is loaded where none is named. */
export async function checkWithout(list = process.env['MICA_WITHOUT']): Promise<void> {
  if (list === undefined || list === '') return;
  const { sys } = await import('../../fs/index.js');
  const { featureNames, unknownFeatures } = await import('../../native-fallback/index.js');
  const unknown = unknownFeatures(sys.switchedOff(list));
  if (unknown.length === 0) return;
  throw new StoreError(
    'invalid-argument',
    `cannot use MICA_WITHOUT=${JSON.stringify(list)}`,
    `there is no feature ${unknown.join(', ')}`,
    { hint: `the names are all, ${featureNames().join(', ')}` },
  );
}
