// All cases of all subjects on the mounts of the store, whose lowers are committed snapshots that are read through
// their indexes, and on those of `mica-overlayfs`, whose layers speak the dialect `wh`. The long form tries both as
// everybody.

import { expect, it } from 'vitest';
import { type Caller, type Case, possible } from './case.js';
import { asRoot, asUser, InNamespace, ProgramMount, StoreMount, type Who } from './place.js';
import { NEEDS, type Subject, subjectsOf, subjectsOn } from './places.js';

const all = await subjectsOf(async () => {
  await import('./data.test.js');
  await import('./hard-links.test.js');
  await import('./identity.test.js');
  await import('./kinds-and-locks.test.js');
  await import('./metadata.test.js');
  await import('./names-and-whiteouts.test.js');
  await import('./open-and-unlinked.test.js');
  await import('./ordinary-user.test.js');
});

function subjectsFor(
  caller: Caller,
  dialect: 'overlay' | 'wh',
  wanted: (of: Case) => boolean = () => true,
): readonly Subject[] {
  return all
    .map(({ name, cases }) => ({ name, cases: possible(cases, caller, dialect).filter(wanted) }))
    .filter(({ cases }) => cases.length > 0);
}

const LONG = process.env['MICA_TEST_LONG'] === '1';

const CALLERS = [
  { caller: 'root', by: '', unmount: ['umount'], who: asRoot, store: true, program: true },
  {
    caller: 'user',
    by: ' by fusermount3',
    unmount: ['fusermount3', '-u'],
    who: asUser,
    store: true,
    program: LONG,
  },
  {
    caller: 'namespace',
    by: ' in a user namespace',
    unmount: ['umount'],
    who: () => new InNamespace(),
    store: LONG,
    program: true,
  },
] as const;

function onStore(where: string, caller: Caller, who: () => Who): void {
  let place: StoreMount;
  const make = () => {
    place = new StoreMount(who());
    return place;
  };
  // What others own and close cannot be indexed, and is not in a store of one's own.
  const isOwn = ({ foreign }: Case) => foreign !== true;
  const subjects = subjectsFor(caller, 'overlay', isOwn);
  subjectsOn(where, NEEDS[caller], subjects, make, () => {
    it('reads the lowers through their indexes', () => {
      expect(place.shown()).toEqual(['bottom', 'ground', 'lower']);
    });
  });
}

for (const { caller, by, unmount, who, store, program } of CALLERS) {
  if (store) onStore(`on a mount of the store${by}`, caller, who);
  if (program) {
    const make = () => new ProgramMount(who(), unmount);
    subjectsOn(`on a mount of mica-overlayfs${by}`, NEEDS[caller], subjectsFor(caller, 'wh'), make);
  }
}
