// Files below a folder whose path is longer than any system call takes, in a lower layer: they are read, changed,
// moved and removed there like others, and are found again after a remount.

import { expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { eachWithMount } from './mounted.js';

/** 60 times 200 bytes: three times PATH_MAX. */
const DOWN = `
import os, stat, sys
def down(folder):
    os.chdir(folder)
    for i in range(60): os.chdir('n' * 200)
`;
const MAKE = `${DOWN}
os.chdir('lower')
for i in range(60): os.mkdir('n' * 200); os.chdir('n' * 200)
for d in ('d', 'd/e', 'moved', 'moved/in'): os.mkdir(d)
for f in ('f', 'd/f', 'd/e/f', 'moved/in/f', 'gone'): open(f, 'w').write('lower ' + f)
os.link('f', 'd/link')
os.symlink('f', 's')
`;
const CHANGE = `${DOWN}
down('mnt')
open('f', 'a').write(' more')
os.chmod('d', 0o700)
open('d/e/new', 'w').write('new')
os.rename('d/f', 'd/e/f')
os.unlink('gone')
os.setxattr('d/e', 'user.a', b'value')
os.truncate('moved/in/f', 5)
os.link('moved/in/f', 'again')
os.symlink('x' * 300, 'd/s')
os.mkdir('made'); os.rmdir('made')
try:
    os.rename('moved', 'd/moved')
    print('moved')
except OSError as error:
    print(error.strerror)
os.rename('d', 'dd')
`;
const LOOK = `${DOWN}
down('mnt')
for folder, folders, files in os.walk('.'):
    folders.sort()
    for name in sorted(folders + files):
        path = os.path.join(folder, name)
        st = os.lstat(path)
        what = os.readlink(path)[:5] if stat.S_ISLNK(st.st_mode) else open(path).read() if stat.S_ISREG(st.st_mode) else ''
        print(path, oct(st.st_mode), st.st_nlink, what)
`;

describeWith(['root', 'fuse', 'program:python3'], 'below a path that is too long for a path', () => {
  const at = eachWithMount();

  const python = (script: string) => at.scratch.sh(`python3 -c "${script}"`).split('\n');

  it('all works as elsewhere', async () => {
    python(MAKE);
    let served = await at.serve();
    const said = python(CHANGE);
    const seen = python(LOOK);
    // A layer may have no room for so long a mark: then the folder does not move, and mv copies it.
    const moved = said[0] === 'moved' ? './dd/moved' : './moved';
    expect(said).toEqual([said[0] === 'moved' ? 'moved' : 'Invalid cross-device link']);
    expect(seen.toSorted()).toEqual(
      [
        './again 0o100644 2 lower',
        `./dd 0o40700 ${said[0] === 'moved' ? 4 : 3} `,
        './dd/e 0o40755 2 ',
        './dd/e/f 0o100644 1 lower d/f',
        './dd/e/new 0o100644 1 new',
        './dd/link 0o100644 2 lower f more',
        './dd/s 0o120777 1 xxxxx',
        './f 0o100644 2 lower f more',
        './s 0o120777 1 f',
        `${moved} 0o40755 3 `,
        `${moved}/in 0o40755 2 `,
        `${moved}/in/f 0o100644 2 lower`,
      ].toSorted(),
    );
    expect(await served.stop()).toBe('unmounted');
    served = await at.serve();
    expect(python(LOOK)).toEqual(seen);
    expect(await served.ask({ op: 'settle' })).toMatchObject({ settled: true });
    expect(python(LOOK)).toEqual(seen);
    at.scratch.sh('rm -rf mnt/nnn*');
    expect(at.scratch.sh('ls mnt')).toBe('');
    expect(await served.stop()).toBe('unmounted');
  });
});
