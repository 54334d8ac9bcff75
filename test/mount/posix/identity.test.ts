// One number for a file however it is reached, before and after everything that may happen to it.

import { subject } from './places.js';

/** Files that come and go under one name, each read through its own descriptor, and mapped. */
const churn = Array.from(
  { length: 20 },
  (_, i) => `
    put f generation-${i}
    open ${i} rw f
    mmap ${i} ${i} r 14
    get f => generation-${i}
    unlink f
    ${i >= 5 ? `pread ${i - 5} 0 20 => generation-${i - 5}` : ''}
    ${i >= 5 ? `peek ${i - 5} 0 12 => generation-${String(i - 5)[0]}` : ''}
  `,
).join('');

const eight = (line: (i: number) => string): string[] => Array.from({ length: 8 }, (_, i) => line(i));

subject('identity of files', [
  {
    name: 'a file has the same number before and after its copy-up, and after a remount',
    privilege: 'another owner needs CAP_CHOWN',
    lower: 'echo -n lower > f; touch g; ln -s x l; mkfifo p',
    calls: `
      keep f f ino
      keep g g ino
      keep l l ino
      keep p p ino
      open 0 r f
      chmod f 0600
      chmod p 0600
      chown l 1 1
      kept f f ino => same
      kept f #0 ino => same
      kept l l ino => same
      kept p p ino => same
      put g data
      kept g g ino => same
      remount
      kept f f ino => same
      kept g g ino => same
      kept l l ino => same
      kept p p ino => same
      chmod g 0640
      put f more
      kept f f ino => same
      kept g g ino => same
    `,
  },
  {
    name: 'a folder has the same number before and after its copy-up, and after a remount',
    bottom: 'mkdir d d/e; touch d/b',
    lower: 'mkdir d; touch d/a; mkdir only; touch only/f',
    calls: `
      keep top . ino dev
      keep d d ino
      keep e d/e ino
      keep only only ino
      list . => d,only
      put d/new x
      put d/e/new x
      put only/new x
      kept d d ino => same
      kept e d/e ino => same
      kept only only ino => same
      kept top . ino dev => same
      list . => d,only
      list d => a,b,e,new
      remount
      kept d d ino => same
      kept e d/e ino => same
      kept only only ino => same
      list . => d,only
      list d => a,b,e,new
    `,
  },
  {
    name: 'a file and a folder keep their numbers when they are renamed, in one folder or to another',
    bottom: 'mkdir d d/e; touch d/e/f t',
    lower: 'echo -n x > f; mkdir d',
    calls: `
      keep f f ino
      keep t t ino
      keep d d ino
      keep e d/e ino
      keep ef d/e/f ino
      rename f g
      kept f g ino => same
      rename t d/t
      kept t d/t ino => same
      rename d moved
      kept d moved ino => same
      rename moved/e e
      kept e e ino => same
      kept ef e/f ino => same
      list . => e,g,moved
      list moved => t
      remount
      kept f g ino => same
      kept t moved/t ino => same
      kept d moved ino => same
      kept e e ino => same
      kept ef e/f ino => same
      list . => e,g,moved
    `,
  },
  {
    name: 'a file that is made keeps its number over a remount',
    calls: `
      put f x
      mkdir d
      keep f f ino
      keep d d ino
      remount
      kept f f ino => same
      kept d d ino => same
    `,
  },
  {
    name: 'a listing gives each entry the number that stat gives, and its type',
    privilege: 'making a device needs CAP_MKNOD in the first user namespace',
    bottom: 'mkdir m m/d; touch m/b; mkfifo m/p; ln -s x m/l; mknod m/c c 1 3',
    lower: 'mkdir m only; touch m/a only/x; ln m/a m/a2',
    upper: 'mkdir m; touch m/u; mknod m/b c 0 0',
    plain:
      'mkdir m only; mkfifo m/p; ln -s x m/l; mknod m/c c 1 3; mkdir m/d; touch m/u m/a only/x; ln m/a m/a2',
    calls: `
      list m => a,a2,c,d,l,p,u
      chmod m/a 0600
      put m/new x
      chown m/l 1 1
      list m => a,a2,c,d,l,new,p,u
      chmod only 0700
      list only => x
      list . => m,only
    `,
  },
  {
    name: 'a listing gives a folder and the one above it their numbers, also after the folder was moved',
    bottom: 'mkdir a a/sub b; touch a/sub/x',
    lower: 'mkdir own own/sub',
    calls: `
      list a/sub => x
      list own/sub =>
      rename a/sub b/sub
      list b/sub => x
      rename own/sub a/own
      list a/own =>
      rename b/sub a/own exchange
      list a/own => x
      list b/sub =>
      remount
      list a/own => x
      list b/sub =>
      list . => a,b,own
    `,
  },
  {
    name: 'everything has one device, and no two files of three lower filesystems have one number',
    ground: 'for i in $(seq 200); do touch g$i; done; mkdir d',
    bottom: 'for i in $(seq 200); do touch b$i; done; mkdir d',
    lower: 'for i in $(seq 200); do touch a$i; done; mkdir d',
    calls: `
      keep dev . dev
      kept dev a1 dev => same
      kept dev b1 dev => same
      kept dev g1 dev => same
      kept dev d dev => same
      put new x
      kept dev new dev => same
      chmod b1 0600
      kept dev b1 dev => same
      distinct . => 603 distinct
    `,
  },
  {
    name: 'files that come and go under one name are not mixed up in any cache',
    lower: 'echo -n lower > f',
    calls: churn,
  },
  {
    name: 'removed files that are only referred to do not lend their numbers to the next ones',
    upper: 'for i in 0 1 2 3 4 5 6 7; do echo -n one > f$i; done',
    plain: 'for i in 0 1 2 3 4 5 6 7; do echo -n one > f$i; done',
    calls: [
      ...eight((i) => `open ${i} path f${i}`),
      ...eight((i) => `unlink f${i}`),
      ...eight((i) => `put n${i} second`),
      ...eight((i) => `stat #${i} nlink size => 0 3`),
      ...eight((i) => `get n${i} => second`),
    ].join('\n'),
  },
]);
