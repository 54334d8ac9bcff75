// The same rules on a mount with a map of owners that shows every id as itself: each operation goes through it. The
// long form tries all subjects.

import { possible } from './case.js';
import { asRoot, FolderMount } from './place.js';
import { NEEDS, subjectsOf, subjectsOn } from './places.js';

const owned = await subjectsOf(() => import('./metadata.test.js'));
const others = await subjectsOf(async () => {
  await import('./data.test.js');
  await import('./hard-links.test.js');
  await import('./identity.test.js');
  await import('./kinds-and-locks.test.js');
  await import('./names-and-whiteouts.test.js');
  await import('./open-and-unlinked.test.js');
});

const EVERY_ID = '0:0:4294967295';
const tried = process.env['MICA_TEST_LONG'] === '1' ? [...owned, ...others] : owned;

subjectsOn(
  'on a mount with a map of owners',
  NEEDS.root,
  tried.map(({ name, cases }) => ({ name, cases: possible(cases, 'root') })),
  () => new FolderMount(asRoot(), ['--uid-map', EVERY_ID, '--gid-map', EVERY_ID]),
);
