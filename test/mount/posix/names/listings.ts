// Listings while names come and go, and the links of folders.

import type { Case } from '../case.js';

const removedNames = Array.from({ length: 300 }, (_, i) => `n${i}`).join(' ');

export const LISTINGS: readonly Case[] = [
  {
    name: 'names are made and removed while a folder is listed in small pieces, and those that stay come once',
    bottom: `mkdir d; cd d; touch ${removedNames}; touch v3 v30 v7`,
    calls: `
      churn-list d 300 => once
      list d => 300 names
    `,
  },
  {
    name: 'a folder counts its links the same before and after everything that is done in it',
    lower: 'mkdir d d/a d/b e',
    calls: `
      links d 2
      mkdir d/c
      links d 3
      rename d/c e/c
      links d 2
      links e 1
      put e/f x
      rename d/a e/f exchange
      links d 1
      links e 2
      rmdir e/c
      links e 1
      rmdir d/b
      links d 0
      remount
      links d 0
      links e 1
    `,
  },
  {
    name: 'a merged folder counts the subfolders that show, whatever is made, moved, hidden and found in it',
    bottom:
      'mkdir m m/x m/y m/both m/file n n/leaf empty; touch m/f n/leaf/g; mkdir deep deep/a deep/a/b deep/a/c',
    lower: 'mkdir m m/both m/z n n/leaf empty deep deep/a deep/a/d',
    calls: `
      links m 5
      links m/both 0
      links n 1
      links n/leaf 0
      links empty 0
      links deep/a 3
      links . 4
      rmdir m/x
      links m 4
      mkdir m/x
      links m 5
      rmdir m/both
      links m 4
      put m/both text
      links m 4
      rename n/leaf m/leaf
      links m 5
      links n 0
      rename m/f n/f
      rename m/leaf n/f exchange
      links m 4
      links n 1
      rename m/z n/z
      links m 3
      links n 2
      rename m/y n/z
      links m 2
      links n 2
      rename deep/a/b deep/a/c
      links deep/a 2
      rename deep/a a
      links deep 0
      links . 5
      links a 2
      open 0 r empty
      rmdir empty
      stat #0 nlink => 0
      links . 4
      remount
      links . 4
      links a 2
      links m 2
      links n 2
      links n/f 0
      links deep 0
      rename a m/a
      rename m n/m
      links . 2
      links n 3
      links n/m 3
      remount
      links n 3
      links n/m 3
      links n/m/a 2
    `,
  },
  {
    name: 'a folder is emptied while it is listed, and no entry is missed',
    bottom: `mkdir d; cd d; touch ${removedNames}`,
    lower: `mkdir d; cd d; touch ${removedNames.replaceAll('n', 'm')}`,
    calls: `
      put d/u x
      unlink-all d => 601
      list d =>
      rmdir d
    `,
  },
  {
    name: 'places in a listing can be gone back to, small buffers show all, and a rewound listing shows what is new',
    bottom: `mkdir d; cd d; touch ${removedNames}`,
    lower: 'mkdir d; touch d/a d/b d/c',
    calls: `
      getdents d 32768 => 305
      getdents d 48 => 305
      getdents d 20 => EINVAL
      seekdir d => 0 of 305 moved
      unlink d/b
      put d/b x
      getdents d 100 => 305
      rewind d new => 1 more
      unlink d/new
      rewind d new => 1 more
      list d => 304 names
    `,
  },
];
