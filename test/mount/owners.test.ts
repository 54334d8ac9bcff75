// Owners that a mount shows otherwise than its layers store them: maps, and squashing. The layers keep the true
// ones, so nothing is copied to show them, and diff, commit and export write them.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, lstatSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Scratch, top } from '../program.js';
import { describeWith } from '../requires.js';

/** Runs a script; what it wrote. */
function shell(words: readonly string[], script: string, cwd: string): string {
  const [command = '', ...args] = [...words, 'timeout', '60', 'sh', '-ec', script];
  const env = { ...process.env, LC_ALL: 'C', PATH: `${join(top, 'bin')}:${process.env['PATH']}` };
  const done = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`'${script}' ended with ${done.status}: ${done.stderr}`);
  return done.stdout;
}

/** Who somebody is, for a command. */
function as(uid: number, gid = uid): readonly string[] {
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--'];
}

describeWith(['root', 'fuse', 'program:setpriv', 'program:setfacl', 'program:setfattr'], 'a map', () => {
  let scratch: Scratch;
  let mnt: string;
  let upper: string;

  beforeEach(() => {
    scratch = new Scratch('owners');
    for (const name of ['low', 'up', 'work', 'mnt']) scratch.folder(name);
    mnt = scratch.path('mnt');
    upper = scratch.path('up');
    const make = `
      chmod 0755 .. .; mkdir web own; echo page > web/page; ln -s page web/link; chown -hR 33:34 web
      echo x > root; echo y > stranger; chown 70000:70000 stranger; chmod 0644 *
      chmod 0755 web own; setfacl -m u:33:rw,g:34:r own root
      setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 root
    `;
    shell([], make, scratch.path('low'));
  });
  afterEach(() => scratch.remove());

  const UID = 100_000;
  const GID = 200_000;

  function mount(...words: string[]): void {
    const folders = ['--lower', scratch.path('low'), '--upper', upper, '--work', scratch.path('work')];
    scratch.mica('mount', ...folders, ...words, mnt);
  }

  function mountMapped(): void {
    mount('--uid-map', `0:${UID}:65536`, '--gid-map', `0:${GID}:65536`);
  }

  /** `name uid:gid` of what lies in a folder. */
  function owners(dir: string): string[] {
    return readdirSync(dir)
      .sort()
      .map((name) => {
        const { uid, gid } = lstatSync(join(dir, name));
        return `${name} ${uid}:${gid}`;
      });
  }

  it('shows all that it reaches as another, and the rest as nobody, and copies nothing', () => {
    mountMapped();
    expect(owners(mnt)).toEqual([
      `own ${UID}:${GID}`,
      `root ${UID}:${GID}`,
      'stranger 65534:65534',
      `web ${UID + 33}:${GID + 34}`,
    ]);
    expect(owners(join(mnt, 'web'))).toEqual([
      `link ${UID + 33}:${GID + 34}`,
      `page ${UID + 33}:${GID + 34}`,
    ]);
    expect(readdirSync(upper)).toEqual([]);
    const rows = JSON.parse(scratch.mica('--json', 'mounts'));
    const ranges = (shown: number) => ({ ranges: [{ stored: 0, shown, count: 65536 }] });
    expect(rows).toMatchObject([{ target: mnt, owners: { uids: ranges(UID), gids: ranges(GID) } }]);
    expect(scratch.mica('mounts')).toContain(`uid 0:${UID}:65536 gid 0:${GID}:65536`);
  });

  it('lets those who are shown do what owners do, and stores who they are in the layers', () => {
    mountMapped();
    const web = as(UID + 33, GID + 34);
    shell(
      web,
      'echo more >> page; echo new > new; mkdir dir; ln -s new l; mkfifo f; chmod 0600 page',
      join(mnt, 'web'),
    );
    expect(owners(join(mnt, 'web'))).toContain(`new ${UID + 33}:${GID + 34}`);
    expect(owners(join(upper, 'web'))).toEqual(
      ['dir', 'f', 'l', 'new', 'page'].map((name) => `${name} 33:34`),
    );
    expect(() => shell(web, 'echo more >> stranger', mnt)).toThrow('Permission denied');
    expect(() => shell(as(33, 34), 'echo more >> web/page', mnt)).toThrow('Permission denied');
  });

  it('takes new owners by what they are shown as, and none that it does not reach', () => {
    mountMapped();
    chownSync(join(mnt, 'root'), UID + 5, GID + 6);
    expect(owners(upper)).toEqual(['root 5:6']);
    expect(() => chownSync(join(mnt, 'root'), 5, 6)).toThrow('EINVAL');
    writeFileSync(join(mnt, 'strange'), '');
    expect(owners(upper)).toEqual(['root 5:6', 'strange 65534:65534']);
    expect(owners(mnt)).toContain(`strange ${UID + 65_534}:${GID + 65_534}`);
  });

  it('holds for the names in ACLs and for capabilities', () => {
    mountMapped();
    shell(as(UID + 33, GID), 'echo more >> root', mnt);
    const acl = (path: string) => shell([], `getfacl -cn ${path} | grep :.*[0-9]`, scratch.base);
    expect(acl('mnt/own')).toBe(`user:${UID + 33}:rw-\ngroup:${GID + 34}:r--\n`);
    shell([], `setfacl -m u:${UID + 7}:r own`, mnt);
    expect(acl('up/own')).toBe('user:7:r--\nuser:33:rw-\ngroup:34:r--\n');
    expect(() => shell([], 'setfacl -m u:7:r own', mnt)).toThrow('Invalid argument');
    const capability = (path: string) =>
      shell(
        [],
        `getfattr -e hex --only-values -n security.capability ${path} | od -An -v -tx4`,
        scratch.base,
      );
    // The write took the capability of the file that was there.
    shell(
      [],
      'setfattr -n security.capability -v 0x0100000300200000000000000000000000000000a0860100 own',
      mnt,
    );
    expect(capability('up/own')).toBe(' 02000001 00002000 00000000 00000000\n 00000000\n');
    expect(capability('mnt/own').split(/\s+/).filter(Boolean).at(-1)).toBe(UID.toString(16).padStart(8, '0'));
  });

  it('belongs to one mount: another shows the owners as they are', () => {
    mountMapped();
    chownSync(join(mnt, 'web'), UID + 9, GID + 9);
    scratch.mica('umount', mnt);
    mount();
    expect(owners(mnt)).toEqual(['own 0:0', 'root 0:0', 'stranger 70000:70000', 'web 9:9']);
    expect(JSON.parse(scratch.mica('--json', 'mounts'))[0]).not.toHaveProperty('owners');
  });

  it('that squashes all shows the mounter everywhere, and who makes a file is stored', () => {
    mount('--squash=all');
    expect(owners(mnt)).toEqual(['own 0:0', 'root 0:0', 'stranger 0:0', 'web 0:0']);
    shell(as(7), 'chmod 0777 web 2>/dev/null || test -r web/page', mnt);
    shell([], 'chmod 0777 web', mnt);
    shell(as(7), 'echo new > web/new', mnt);
    expect(owners(join(mnt, 'web'))).toContain('new 0:0');
    expect(owners(join(upper, 'web'))).toEqual(['new 7:7']);
    expect(owners(upper)).toEqual(['web 33:34']);
  });

  it('is taken by mica-overlayfs in the words of fuse-overlayfs', () => {
    const words = (options: string) => `MICA_STATE=state mica-overlayfs -o lowerdir=low,${options} mnt`;
    const shown = (options: string) => {
      shell([], words(options), scratch.base);
      const there = owners(mnt);
      shell([], 'umount mnt', scratch.base);
      return there.map((line) => line.split(' ')[1]);
    };
    expect(shown('uidmapping=:0:1000:1:1:5000:99,gidmapping=0:2000:100')).toEqual([
      '1000:2000',
      '1000:2000',
      '65534:65534',
      '5032:2034',
    ]);
    expect(shown('squash_to_root')).toEqual(Array(4).fill('0:0'));
    expect(shown('squash_to_uid=7,squash_to_gid=8')).toEqual(Array(4).fill('7:8'));
    expect(shown('squash_to_uid=7')).toEqual(['7:0', '7:0', '7:70000', '7:34']);
  });

  it('that is none is refused, and so is one for the kernel', () => {
    const folders = ['mount', '--lower', scratch.path('low'), mnt];
    expect(scratch.try(...folders, '--uid-map', '0:1')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^mica: cannot use --uid-map 0:1: a range is LAYERS:SHOWN:COUNT\n$/),
    });
    expect(scratch.try(...folders, '--squash', 'some')).toMatchObject({ code: 2 });
    expect(scratch.try('--driver', 'overlay', ...folders, '--squash', 'all')).toMatchObject({
      code: 6,
      err: expect.stringContaining('the driver overlay shows owners as they are stored'),
    });
  });
});

const ORDINARY = [
  'root',
  'fuse for all',
  'program:fusermount3',
  'program:unshare',
  'program:setpriv',
] as const;

describeWith(ORDINARY, 'the owners of an image', () => {
  const USER = 65_534;
  const user = as(USER);
  let scratch: Scratch;

  beforeEach(() => {
    scratch = new Scratch('owners');
    const make = `
      chmod 0755 .; mkdir tree mnt; cd tree; mkdir -p web tmp; echo page > web/page; echo x > web/secret; echo r > root
      mknod null c 1 3; echo hash > shadow; chmod 0600 web/secret; chmod 0 shadow; chmod 1777 tmp; chmod 4755 root
      chown -R 33:34 web; tar -cf ../root.tar .; cd ..; rm -r tree; chown ${USER}:${USER} . mnt root.tar
    `;
    shell([], make, scratch.base);
    asUser(`mica image create base:1 --from root.tar`);
  });
  afterEach(() => scratch.remove());

  function asUser(script: string, wrap: readonly string[] = []): string {
    return shell(
      [...user, ...wrap],
      `export MICA_ROOT=$PWD/root MICA_STATE=$PWD/state; ${script}`,
      scratch.base,
    );
  }

  const LIST = 'stat -c "%n %u:%g %a %t:%T" null root shadow tmp web web/page web/secret';
  const exported = () =>
    asUser(
      'mica commit key done >/dev/null; mica diff done --tar -o layer.tar >/dev/null; tar --numeric-owner -tvf layer.tar',
    )
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/))
      .map((words) => `${words[5]} ${words[1]} ${words[0]}`);

  it('are shown truly to an ordinary user, and hold', () => {
    const said = asUser(`
      mica mount base:1 mnt --key key >/dev/null; cd mnt; ${LIST}
      for path in web/page root; do echo more >> $path || echo refused; done 2>/dev/null
      cat web/secret shadow 2>/dev/null || echo closed
      echo mine > tmp/mine; rm -f web/page 2>/dev/null || echo kept
      cd ..; mica umount mnt >/dev/null
    `);
    expect(said.trim().split('\n')).toEqual([
      'null 0:0 644 1:3',
      'root 0:0 4755 0:0',
      'shadow 0:0 0 0:0',
      'tmp 0:0 1777 0:0',
      'web 33:34 755 0:0',
      'web/page 33:34 644 0:0',
      'web/secret 33:34 600 0:0',
      'refused',
      'refused',
      'closed',
      'kept',
    ]);
    expect(exported()).toEqual(['tmp/ 0/0 drwxrwxrwt', `tmp/mine ${USER}/${USER} -rw-r--r--`]);
  });

  it('are roots in a user namespace of one user, who may do everything, and stay on disk', () => {
    const said = asUser(
      `
      mica mount base:1 mnt --key key >/dev/null; cd mnt; ${LIST}
      echo more >> web/page; cat web/secret; chmod 0640 web/secret; mv web/page web/moved; mv web site
      mkdir site/new; rm root; echo more >> shadow; cat shadow; chown 0:0 site/moved; ln site/secret tmp/secret
      cd ..; mica umount mnt >/dev/null
    `,
      ['unshare', '-Urm'],
    );
    expect(said.trim().split('\n')).toEqual([
      'null 0:0 644 1:3',
      'root 0:0 4755 0:0',
      'shadow 0:0 0 0:0',
      'tmp 0:0 1777 0:0',
      'web 0:0 755 0:0',
      'web/page 0:0 644 0:0',
      'web/secret 0:0 600 0:0',
      'x',
      'hash',
      'more',
    ]);
    expect(exported()).toEqual(
      expect.arrayContaining([
        'shadow 0/0 ----------',
        'site/ 33/34 drwxr-xr-x',
        'site/moved 0/0 -rw-r--r--',
        'site/new/ 0/0 drwxr-xr-x',
        'site/secret 33/34 -rw-r-----',
      ]),
    );
  });

  it('are the same inside of a user namespace and outside, wherever something was made', () => {
    const list = 'stat -c "%n %u:%g" mnt/made mnt/made/link mnt/made/file mnt/made/fifo mnt/web mnt/made/web';
    const inside = ['unshare', '-Urm'];
    const change = (key: string) => `
      mica mount base:1 mnt --key ${key} >/dev/null; mkdir mnt/made; cd mnt/made; echo text > file; ln -s file link
      mkfifo fifo; cp -a ../web/page web; cd ../..; mica umount mnt >/dev/null`;
    const showKey = (key: string) => `mica mount ${key} mnt >/dev/null; ${list}; mica umount mnt >/dev/null`;
    asUser(`${change('one')}; mica commit one in-and-in >/dev/null`, inside);
    asUser(change('two'), inside);
    // Made by the root of a namespace: by 0, whoever looks.
    const made = ['made 0:0', 'made/link 0:0', 'made/file 0:0', 'made/fifo 0:0', 'web 33:34', 'made/web 0:0'];
    const shown = (text: string) => text.trim().replaceAll('mnt/', '').split('\n');
    expect(shown(asUser(showKey('two')))).toEqual(made);
    asUser('mica commit two in-and-out >/dev/null');
    for (const name of ['in-and-in', 'in-and-out']) {
      const layer = asUser(
        `mica diff ${name} --tar -o layer.tar >/dev/null; tar --numeric-owner -tvf layer.tar`,
      );
      const owners = layer
        .trim()
        .split('\n')
        .map((line) => line.split(/\s+/)[1]);
      expect(owners).toEqual(Array(5).fill('0/0'));
      expect(
        shown(
          asUser(
            `rm -f root/snapshots/*/index; mica mount ${name} mnt --read-only >/dev/null; ${list}; mica umount mnt >/dev/null`,
          ),
        ),
      ).toEqual(made);
    }
    // Made by the user himself, who has no number of his own there: he is shown as its root, and stays himself.
    asUser(
      'mica mount base:1 mnt --key three >/dev/null; echo mine > mnt/tmp/mine; mica umount mnt >/dev/null',
    );
    const touch =
      'mica mount three mnt >/dev/null; stat -c %u mnt/tmp/mine; chmod 0640 mnt/tmp/mine; mica umount mnt >/dev/null';
    expect(asUser(touch, inside)).toBe('0\n');
    expect(
      asUser('mica mount three mnt >/dev/null; stat -c "%u %a" mnt/tmp/mine; mica umount mnt >/dev/null'),
    ).toBe(`${USER} 640\n`);
  });

  it('of a namespace are not shown by the kernel outside of it, where they would be others', () => {
    const made = 'echo made > mnt/made; mica umount mnt >/dev/null';
    asUser(`mica snapshot prepare key >/dev/null; mica mount key mnt >/dev/null; ${made}`, [
      'unshare',
      '-Urm',
    ]);
    const mount = 'MICA_ROOT=$PWD/root MICA_STATE=$PWD/other mica --driver overlay mount key mnt';
    expect(() => shell([], mount, scratch.base)).toThrow('was made in a user namespace');
  });

  it('are shown as nobody there where nothing is squashed', () => {
    const said = asUser(
      `mica mount base:1 mnt --squash=none >/dev/null; stat -c %u:%g mnt/web mnt/root; chmod 0700 mnt/web 2>&1 || :; mica umount mnt >/dev/null`,
      ['unshare', '-Urm'],
    );
    expect(said.split('\n').slice(0, 2)).toEqual(['65534:65534', '0:0']);
    expect(said).toContain('Value too large');
  });

  it('without a number are told of by mica doctor', () => {
    const said = (wrap: readonly string[]) => {
      const checks = JSON.parse(asUser('mica doctor --json', wrap)) as { check: string; why: string }[];
      return checks.find(({ check }) => check === 'owners')?.why;
    };
    expect(said([])).toBe('a mount shows all as they are');
    expect(said(['unshare', '-Urm'])).toContain('has one id; a mount shows whoever is without one as you');
  });

  it('are all the user himself where all are squashed', () => {
    const said = asUser(`
      mica mount base:1 mnt --squash=all --key key >/dev/null; stat -c %u:%g mnt/web mnt/root
      chmod 0700 mnt/web; cat mnt/web/secret; echo more >> mnt/web/page; rm mnt/root
      mica umount mnt >/dev/null
    `);
    expect(said).toBe(`${USER}:${USER}\n${USER}:${USER}\nx\n`);
    expect(exported()).toEqual(
      expect.arrayContaining(['web/ 33/34 drwx------', 'web/page 33/34 -rw-r--r--']),
    );
  });
});

describeWith(ORDINARY, 'mica-overlayfs of an ordinary user', () => {
  it('shows all files of others as his own where it is told to, as far as he can read them', () => {
    const scratch = new Scratch('owners');
    try {
      const USER = 65_534;
      const make = `
        chmod 0755 .; mkdir low up work mnt low/theirs; echo text > low/theirs/file; echo secret > low/theirs/secret
        chmod 0600 low/theirs/secret; mkdir low/sticky; chmod 1777 low/sticky; echo x > low/sticky/x
        chown ${USER}:${USER} . up work mnt`;
      shell([], make, scratch.base);
      const said = shell(
        as(USER),
        `
        options=lowerdir=low,upperdir=up,workdir=work,squash_to_uid=${USER},squash_to_gid=${USER}
        MICA_STATE=$PWD/state mica-overlayfs -o $options mnt
        stat -c '%n %u:%g' mnt mnt/theirs mnt/theirs/secret
        echo more >> mnt/theirs/file; chmod 0640 mnt/theirs/file; rm mnt/sticky/x; echo new > mnt/theirs/new
        cat mnt/theirs/file; cat mnt/theirs/secret 2>/dev/null || echo closed; rm mnt/theirs/secret
        ls mnt/theirs; fusermount3 -u mnt`,
        scratch.base,
      );
      expect(said.trim().split('\n')).toEqual([
        `mnt ${USER}:${USER}`,
        `mnt/theirs ${USER}:${USER}`,
        `mnt/theirs/secret ${USER}:${USER}`,
        'text',
        'more',
        'closed',
        'file',
        'new',
      ]);
      const kept = shell(
        [],
        'getfattr --only-values -n user.containers.override_stat up/theirs/file',
        scratch.base,
      );
      expect(kept).toBe('0:0:0640:file');
    } finally {
      scratch.remove();
    }
  });
});

describeWith([...ORDINARY, 'program:nsenter', 'program:getfattr'], 'a user with subordinate ids', () => {
  it('has every owner in a namespace of many, and the ids on disk are true', async () => {
    const scratch = new Scratch('owners');
    try {
      const USER = 65_534;
      const FIRST = 300_000;
      shell([], `mkdir low up work mnt; chmod 0755 .; chown ${USER}:${USER} . low up work mnt`, scratch.base);
      const holder = spawn(
        'setpriv',
        [...as(USER).slice(1), 'unshare', '-Um', 'sh', '-c', 'echo; exec sleep 60'],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      try {
        await once(holder.stdout, 'data');
        // What newuidmap(1) writes for a user with 65,536 subordinate ids.
        for (const kind of ['uid', 'gid']) {
          writeFileSync(`/proc/${holder.pid}/${kind}_map`, `0 ${USER} 1\n1 ${FIRST} 65536\n`);
        }
        const inside = ['nsenter', '-t', `${holder.pid}`, '-U', '-m', '-S', '0', '-G', '0', '--'];
        const script = `
          cd ${scratch.base}; export MICA_STATE=$PWD/state
          cd low; mkdir web; echo page > web/page; chown -R 33:34 web; echo r > root; cd ..
          mica mount --lower low --upper up --work work mnt
          cd mnt; stat -c '%n %u:%g' web web/page root
          chown 5:6 root; chmod 0600 web/page
          setpriv --reuid=33 --regid=34 --clear-groups sh -c 'echo more >> web/page; echo new > web/new'
          setpriv --reuid=33 --regid=34 --clear-groups sh -c 'echo more >> root' 2>/dev/null || echo refused
          cd ..; mica umount mnt
        `;
        const said = shell(inside, script, scratch.base).trim().split('\n');
        expect(said.slice(1, -1)).toEqual(['web 33:34', 'web/page 33:34', 'root 0:0', 'refused']);
      } finally {
        holder.kill('SIGKILL');
      }
      const real = (name: string) => {
        const { uid, gid } = lstatSync(scratch.path('up', name));
        return [uid, gid];
      };
      expect(real('root')).toEqual([FIRST + 4, FIRST + 5]);
      expect(real('web/page')).toEqual([FIRST + 32, FIRST + 33]);
      expect(real('web/new')).toEqual([FIRST + 32, FIRST + 33]);
      expect(shell([], 'getfattr -dR -m override up', scratch.base)).toBe('');
    } finally {
      scratch.remove();
    }
  });
});
