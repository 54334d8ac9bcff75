// Programs that are hard on a filesystem, at work in a Debian system whose root is a mount: on a mount of the store, and
// on one that an ordinary user laid over it. The scripts in programs/ run with that root. The long form goes on longer.

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Scratch, top } from '../program.js';
import { describeWith } from '../requires.js';
import { listTree, treeDifferences } from '../tree.js';

const IMAGE = join(top, '.cache', 'image');
const LONG = process.env['MICA_TEST_LONG'] === '1';

/** Its processes see no others and end with it; its mounts are its own. */
const AS_ROOT = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];

const USER = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];

/** The user stays who that is, and may nevertheless change the root folder and see processes of its own. */
const AS_USER = [...USER, ...AS_ROOT, '--user', '--map-current-user', '--keep-caps'];

const ENTER = `
  mount --rbind /proc "$1/proc"
  mount --rbind /dev "$1/dev"
  mount -t tmpfs none "$1/dev/shm"
  root=$1
  shift
  exec chroot "$root" /bin/sh -es "$@"
`;

/** Runs a script of programs/ with a folder as its root; returns the lines that it prints. */
function inside(root: string, as: readonly string[], script: string, ...words: string[]): string[] {
  const done = spawnSync(
    'timeout',
    [LONG ? '1500' : '300', ...as, 'sh', '-ec', ENTER, 'sh', root, ...words],
    {
      cwd: '/',
      input: readFileSync(join(top, 'test/image/programs', `${script}.sh`)),
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    },
  );
  if (done.status !== 0) {
    throw new Error(`${script}.sh ended with ${done.status ?? done.signal}: ${done.stdout}${done.stderr}`);
  }
  return done.stdout.split('\n').slice(0, -1);
}

const SEEN = `CREATE watched/new
MODIFY watched/new
CLOSE_WRITE,CLOSE watched/new
MOVED_FROM watched/new
MOVED_TO watched/sub/moved
ATTRIB watched/sub/moved
CREATE,ISDIR watched/made
DELETE watched/sub/moved
DELETE,ISDIR watched/sub
CREATE watched/last
ATTRIB watched/last
CLOSE_WRITE,CLOSE watched/last`.split('\n');

const COMMITS = '63';
const RECOVERED = ['t', 'Bad checksums:  0'];

/** What each program does, whoever runs it and whatever it is mounted on; `remount` mounts anew. */
function programsAtWork(root: () => string, as: readonly string[], remount: () => void): void {
  const isRoot = as === AS_ROOT;
  const run = (script: string, ...words: string[]) =>
    inside(root(), as, script, `/srv/home/${script}`, ...words);

  it('git commits, merges, rebases, repacks and clones, and its fsck is clean', () => {
    expect(run('git')).toEqual([COMMITS]);
  });

  it('rsync, cp and tar copy every kind of file with all that belongs to it', () => {
    expect(run('copies')).toEqual([]);
    // The mount of a user is closed to others.
    if (!isRoot) return;
    const folder = (name: string) => listTree(join(root(), 'srv/home/copies', name));
    for (const copy of ['rsync', 'restored']) {
      expect(treeDifferences(folder(copy), folder('changing'))).toEqual([]);
    }
    for (const copy of ['cp', 'tar']) expect(treeDifferences(folder(copy), folder('from'))).toEqual([]);
  });

  it('inotifywait sees what happens, flock keeps others out, and find and rm miss nothing', () => {
    expect(run('names')).toEqual([
      ...SEEN,
      '60',
      '40',
      '9',
      'count',
      'heard',
      'lock',
      'ready',
      'seen',
      'watched',
    ]);
  });

  // A user's takes its time in the long form alone.
  if (isRoot || LONG) {
    it('PostgreSQL recovers with all its data after kill -9', () => {
      expect(run('postgres', LONG ? '60' : '4')).toEqual(RECOVERED);
    });
  }

  if (LONG) {
    it('stress-ng finds nothing wrong', () => {
      // It gives files to every id, which the kernel refuses on any filesystem where an id has no number: chown(2), EINVAL.
      expect(run('stress', '5', isRoot ? '' : ',chown')).toEqual([]);
    });
  }

  it('repositories and databases are as they were after a remount', () => {
    remount();
    expect(run('git', 'look')).toEqual([COMMITS]);
    if (isRoot || LONG) expect(run('postgres', '0', 'look')).toEqual(RECOVERED);
  });
}

describeWith(
  ['root', 'fuse', 'program:umoci', 'program:skopeo', 'program:mmdebstrap', 'program:getfattr'],
  'programs at work',
  () => {
    let scratch: Scratch;
    const root = () => scratch.path('mnt');

    beforeAll(() => {
      const made = spawnSync('sh', [join(top, 'test/image/make-image.sh'), IMAGE], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      if (made.status !== 0) throw new Error('cannot make the image');
      scratch = new Scratch('programs');
      chmodSync(scratch.base, 0o755);
      scratch.folder('mnt');
      scratch.mica('import', join(IMAGE, 'debian.oci.tar'), '--name', 'debian:test');
      const { layers } = JSON.parse(scratch.mica('inspect', 'debian:test', '--json')) as Inspected;
      scratch.mica('mount', `snapshot:${layers[0]?.chainId}`, root(), '--key', 'work', '--driver', 'fuse');
      cpSync(join(IMAGE, 'debs'), join(root(), 'srv/debs'), { recursive: true });
      mkdirSync(join(root(), 'srv/home'));
    }, 900_000);

    afterAll(() => scratch.remove());

    describe('on a mount of the store', () => {
      it('apt-get installs and purges packages with maintainer scripts, and dpkg finds nothing wrong', () => {
        expect(inside(root(), AS_ROOT, 'packages')).toEqual([
          '-rwxr-sr-x root:crontab /usr/bin/crontab',
          '-rw------- root:root /etc/ssh/ssh_host_ed25519_key',
          'drwx------ postgres:postgres /var/lib/postgresql/15/main',
          'postgres',
          'sshd',
        ]);
      });

      programsAtWork(root, AS_ROOT, () => {
        scratch.mica('umount', root());
        scratch.mica('mount', 'work', root());
      });

      it('what was installed is as dpkg knows it after the remount', () => {
        expect(inside(root(), AS_ROOT, 'packages-look')).toEqual([]);
      });
    });

    // Laid over the mount of the store, whose files belong to others.
    describeWith(['fuse for all', 'program:fusermount3'], 'on a mount of an ordinary user', () => {
      const own = () => scratch.path('user', 'mnt');
      const mica = (...words: string[]) => {
        const places = ['--root', scratch.path('user', 'root'), '--state', scratch.path('user', 'state')];
        const [command, ...args] = [...USER, process.execPath, join(top, 'bin/mica'), ...places, ...words];
        execFileSync(command as string, args, { cwd: '/', timeout: 60_000 });
      };
      const mount = () => {
        const [upper, work] = [scratch.path('user', 'upper'), scratch.path('user', 'work')];
        mica('mount', '--lower', root(), '--upper', upper, '--work', work, own());
      };

      beforeAll(() => {
        for (const name of ['user', 'user/upper', 'user/work', 'user/mnt']) {
          chownSync(scratch.folder(name), 65534, 65534);
        }
        const home = join(root(), 'srv/home');
        rmSync(home, { recursive: true });
        mkdirSync(home);
        chownSync(home, 65534, 65534);
        mount();
      });

      programsAtWork(own, AS_USER, () => {
        mica('umount', own());
        mount();
      });
    });
  },
);

interface Inspected {
  readonly layers: readonly { readonly chainId: string }[];
}
