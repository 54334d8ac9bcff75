// The same rules where the kernel is asked to keep more, or less, than it does by default: with --writeback it
// collects writes and owns sizes and times, with --lower-changes it asks again after half a second, with
// --no-passthrough it reads and writes nothing by itself. The long form tries all subjects.

import { possible } from './case.js';
import { asRoot, FolderMount } from './place.js';
import { NEEDS, subjectsOf, subjectsOn } from './places.js';

const touchData = await subjectsOf(async () => {
  await import('./data.test.js');
  await import('./metadata.test.js');
  await import('./open-and-unlinked.test.js');
});
const others = await subjectsOf(async () => {
  await import('./hard-links.test.js');
  await import('./identity.test.js');
  await import('./kinds-and-locks.test.js');
  await import('./names-and-whiteouts.test.js');
});

const LONG = process.env['MICA_TEST_LONG'] === '1';
const root = [...touchData, ...(LONG ? others : [])].map(({ name, cases }) => ({
  name,
  cases: possible(cases, 'root'),
}));

subjectsOn(
  'on a mount that collects writes',
  NEEDS.root,
  root.map(({ name, cases }) => ({ name, cases: cases.filter(({ writeback }) => writeback === undefined) })),
  () => new FolderMount(asRoot(), ['--writeback']),
);
subjectsOn(
  'on a mount whose server reads and writes all data',
  NEEDS.root,
  root,
  () => new FolderMount(asRoot(), ['--no-passthrough']),
);
if (LONG) {
  subjectsOn(
    'on a mount whose lowers may change',
    NEEDS.root,
    root,
    () => new FolderMount(asRoot(), ['--lower-changes']),
  );
}
