// A folder of 50,000 names over two layers: places in its listing hold while names come and go, whatever the buffer,
// and whatever of it the kernel keeps. On one kind of mount, because it takes its time.

import { asRoot, FolderMount, PlainFolder } from './place.js';
import { NEEDS, subjectsOn } from './places.js';

const HUGE = {
  name: 'is listed whole in pieces of any size, also while names come and go',
  bottom: 'mkdir d; cd d; seq -f n%g 40000 | xargs touch',
  lower: 'mkdir d; cd d; seq -f m%g 10000 | xargs touch; seq -f v%g 0 50 5000 | xargs touch',
  calls: `
    getdents d 32768 => 50103
    getdents d 100 => 50103
    churn-list d 50000 => once
    put d/last x
    rewind d new => 1 more
    stat d nlink => 2
    unlink d/n777
    unlink d/m777
    remount
    churn-list d 50000 => once
    stat d nlink => 2
  `,
};

const subjects = [{ name: 'a folder of 50,000 names', cases: [HUGE] }];
subjectsOn('on a plain folder', ['root'], subjects, () => new PlainFolder([]));
subjectsOn('on a mount', NEEDS.root, subjects, () => new FolderMount(asRoot()));
