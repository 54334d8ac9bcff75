// mica-overlayfs as its callers start it: by hand, from mount(8) and from an engine. What a caller relies on is that
// exit code 0 means a live mount, and that nothing of the caller's is held then.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { top } from '../program.js';
import { describeWith } from '../requires.js';
import { Scratch } from './mounted.js';

const PROGRAM = join(top, 'bin/mica-overlayfs');

describeWith(['root', 'fuse', 'program:mount.fuse3'], 'mica-overlayfs', () => {
  let scratch: Scratch;

  beforeEach(() => {
    scratch = new Scratch();
    scratch.sh('echo one >lower/f && mkdir lower/d && echo in >lower/d/in');
  });
  afterEach(() => {
    scratch.sh('for at in mnt mnt2; do umount -l $at 2>/dev/null || true; done');
    scratch.remove();
  });

  const environment = () => ({
    PATH: `${join(top, 'bin')}:${process.env['PATH']}`,
    MICA_STATE: scratch.at('state'),
    MICA_WITHOUT: process.env['MICA_WITHOUT'],
  });
  /** Waits, as spawnSync does, until nobody holds stdout and stderr any more. */
  const run = (command: string, ...words: string[]) => {
    const done = spawnSync('timeout', ['60', command, ...words], {
      cwd: scratch.path,
      env: environment(),
      encoding: 'utf8',
    });
    return { code: done.status, out: done.stdout, err: done.stderr };
  };
  const LIVE = { code: 0, out: '', err: '' };
  const WRITABLE = 'lowerdir=lower,upperdir=upper,workdir=work';

  it('is live when it returns, with relative folders and the empty option of podman', () => {
    expect(run(PROGRAM, '-o', `${WRITABLE},,volatile`, 'mnt')).toEqual(LIVE);
    expect(scratch.sh('cat mnt/f; echo two >mnt/f; rm -r mnt/d; cat mnt/f; cat lower/f; ls mnt')).toBe(
      'one\ntwo\none\nf',
    );
    const [line = ''] = mountLines(scratch.at('mnt'));
    expect(line.split(' - ')[1]).toMatch(
      /^fuse\.mica-overlayfs mica-overlayfs rw,.*default_permissions,allow_other/,
    );
  });

  it('is one process, which belongs to no session, terminal or folder of the caller', () => {
    run(PROGRAM, '-o', WRITABLE, 'mnt');
    const [row] = JSON.parse(run('mica', '--json', 'mounts').out);
    const stat = readFileSync(`/proc/${row.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    expect(stat.slice(1, 4)).toEqual([stat[1], String(row.pid), String(row.pid)]);
    const where = (name: string) => readlinkSync(`/proc/${row.pid}/${name}`);
    expect(['cwd', 'fd/0', 'fd/1'].map(where)).toEqual(['/', '/dev/null', '/dev/null']);
    expect(where('fd/2')).toContain(scratch.at('state'));
  });

  it('holds no descriptor of the caller as long as it is mounted, and takes a layer by one', () => {
    const open = 'exec 8<lower 9>locked; flock 9; exec 30>&9';
    const script = `${open}; exec ${PROGRAM} -o lowerdir=/proc/self/fd/8,upperdir=upper,workdir=work mnt`;
    expect(run('bash', '--norc', '-ec', script)).toEqual(LIVE);
    expect(scratch.sh('flock -n locked cat mnt/f')).toBe('one');
    expect(scratch.sh('cat mnt/d/in; echo two >mnt/f; cat mnt/f')).toBe('in\ntwo');
    const [row] = JSON.parse(run('mica', '--json', 'mounts').out);
    const inherited = scratch.sh(`readlink /proc/${row.pid}/fd/* | grep -cxF "$(realpath locked)" || :`);
    expect(inherited).toBe('0');
  });

  it.each(['0<&-', '1>&-', '2>&-', '0<&- 1>&- 2>&-'])('mounts for a caller who has closed %s', (closed) => {
    expect(run('sh', '-ec', `${PROGRAM} -o ${WRITABLE} mnt ${closed}`)).toEqual(LIVE);
    expect(scratch.sh('cat mnt/f')).toBe('one');
  });

  it('takes colons and commas in names of layers', () => {
    scratch.sh('mkdir "a:b" "c,d" && echo ab >"a:b/ab" && echo cd >"c,d/cd"');
    expect(run(PROGRAM, '-o', 'lowerdir=a\\:b:c\\,d', 'mnt')).toEqual(LIVE);
    expect(scratch.sh('cat mnt/ab mnt/cd; touch mnt/x 2>/dev/null || echo read only')).toBe(
      'ab\ncd\nread only',
    );
  });

  const absolute = () => ['lower', 'upper', 'work'].map((name) => `${name}dir=${scratch.at(name)}`).join(',');

  it('is started by mount.fuse3, as containerd calls it', () => {
    const words = ['-o', absolute(), '-o', 'dev', '-o', 'suid', '-t', PROGRAM];
    expect(run('mount.fuse3', 'overlay', scratch.at('mnt'), ...words)).toEqual(LIVE);
    expect(scratch.sh('cat mnt/f; echo new >mnt/new; cat upper/new')).toBe('one\nnew');
    expect(mountLines(scratch.at('mnt'))[0]).toContain('- fuse.mica-overlayfs overlay ');
  });

  it('is started by mount(8), which knows the usual folders of programs alone', () => {
    scratch.sh(`mkdir bin && ln -s ${PROGRAM} ${process.execPath} bin`);
    const script = `
      mount --bind bin /usr/local/sbin
      mount -t fuse.mica-overlayfs source mnt -o noatime,${absolute()}
      cat mnt/f; echo new >mnt/new; cat upper/new; findmnt -no FSTYPE,SOURCE mnt; umount mnt`;
    const { code, out, err } = run('unshare', '-m', 'sh', '-ec', script);
    expect({ code, out, err }).toEqual({ code: 0, out: 'one\nnew\nfuse.mica-overlayfs source\n', err: '' });
  });

  it('says nothing and mounts nothing where the very same is mounted, as when an engine lost its first answer', () => {
    for (const host of ['own', 'shared']) {
      scratch.sh('mkdir -p elsewhere && ln -sfn .. elsewhere/up');
      const again = 'lowerdir=elsewhere/up/lower,upperdir=upper,workdir=work';
      expect(run('env', `MICA_HOST=${host}`, PROGRAM, '-o', WRITABLE, 'mnt')).toEqual(LIVE);
      scratch.sh('echo kept >mnt/kept');
      expect(run('env', `MICA_HOST=${host}`, PROGRAM, '-o', again, 'elsewhere/up/mnt')).toEqual(LIVE);
      const words = ['-o', absolute(), '-o', 'dev', '-o', 'suid', '-t', PROGRAM];
      expect(run('mount.fuse3', 'overlay', scratch.at('mnt'), ...words)).toEqual(LIVE);
      expect(mountLines(scratch.at('mnt'))).toHaveLength(1);
      expect(scratch.sh('cat mnt/kept mnt/f; rm mnt/kept')).toBe('kept\none');
      expect(run('mica', 'umount', 'mnt').code).toBe(0);
    }
  });

  it.each(['own', 'shared'])(
    'mounts what is mounted in a mount namespace that nobody is left in, with host %s',
    (host) => {
      const script = `${PROGRAM} -o ${WRITABLE} mnt; echo kept >mnt/kept`;
      const env = ['env', `MICA_HOST=${host}`] as const;
      expect(run(...env, 'unshare', '-m', 'sh', '-ec', script)).toEqual(LIVE);
      const gone = rows().map(({ process: { pid } }) => pid);
      expect(run(...env, PROGRAM, '-o', WRITABLE, 'mnt')).toEqual(LIVE);
      expect(scratch.sh('cat mnt/kept mnt/f')).toBe('kept\none');
      expect(rows().map(({ process: { pid } }) => pid)).not.toEqual(gone);
      expect(run('mica', 'umount', 'mnt').code).toBe(0);
    },
  );

  it('mounts what is only read at the same place of another mount namespace, too', () => {
    const words = ['-o', 'lowerdir=lower', 'mnt'];
    const script = `${PROGRAM} ${words.join(' ')}; mica umount mnt; ${PROGRAM} ${words.join(' ')}; mica --json mounts; mica umount mnt >&2`;
    expect(run(PROGRAM, ...words)).toEqual(LIVE);
    const { code, out } = run('unshare', '-m', 'sh', '-ec', script);
    expect(code).toBe(0);
    expect(JSON.parse(out.slice(out.indexOf('[')))).toHaveLength(2);
    expect(scratch.sh('cat mnt/f')).toBe('one');
  });

  it('leaves a mount of another mount namespace alone as long as somebody is there', async () => {
    const script = `${PROGRAM} -o ${WRITABLE} mnt; echo up; exec sleep 100`;
    const other = spawn('unshare', ['-m', 'sh', '-ec', script], {
      cwd: scratch.path,
      env: environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(other.stdout as NodeJS.ReadableStream, 'data');
    const { code, err } = run(PROGRAM, '-o', WRITABLE, 'mnt');
    expect(code).toBe(1);
    expect(err).toMatch(/^mica-overlayfs: cannot mount at [^\n]+ in another mount namespace\n$/);
    expect(mountLines(scratch.at('mnt'))).toEqual([]);
    other.kill();
    await once(other, 'exit');
    expect(run(PROGRAM, '-o', WRITABLE, 'mnt')).toEqual(LIVE);
  });

  it('takes an upper from a mount that is out of sight, whoever is left there', async () => {
    expect(run(PROGRAM, '-o', WRITABLE, 'mnt')).toEqual(LIVE);
    const left = spawn('sh', ['-c', 'cd mnt/d; echo in; read go; ls .'], {
      cwd: scratch.path,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    await once(left.stdout, 'data');
    scratch.sh('umount -l mnt');
    expect(run(PROGRAM, '-o', WRITABLE, 'mnt')).toEqual(LIVE);
    expect(scratch.sh('echo new >mnt/new; cat upper/new mnt/d/in')).toBe('new\nin');
    left.stdin.end('\n');
    let said = '';
    for await (const chunk of left.stderr) said += chunk;
    expect(said).toMatch(/not connected/);
    expect(mountLines(scratch.at('mnt'))).toHaveLength(1);
  });

  it.each([
    ['another place', WRITABLE, 'mnt2'],
    ['other lowers', 'lowerdir=lower:other,upperdir=upper,workdir=work', 'mnt'],
    ['nothing to be changed', `${WRITABLE},ro`, 'mnt'],
    ['other owners', `${WRITABLE},squash_to_uid=5`, 'mnt'],
  ])('refuses an upper that is mounted, if it is to be at or with %s', (_, options, place) => {
    scratch.sh('mkdir other');
    expect(run(PROGRAM, '-o', WRITABLE, 'mnt')).toEqual(LIVE);
    const { code, err } = run(PROGRAM, '-o', options, place);
    expect(code).toBe(1);
    expect(err).toMatch(/^mica-overlayfs: cannot mount at [^\n]+\n$/);
    expect(mountLines(scratch.at('mnt'))).toHaveLength(1);
  });

  it('speaks the dialect of layers that an engine has unpacked, below their own layer alone', () => {
    scratch.sh('mkdir top && : >top/.wh.f && echo new >top/f && mkdir top/d && : >top/d/.wh..wh..opq');
    run(PROGRAM, '-o', `lowerdir=top:lower`, 'mnt');
    expect(scratch.sh('cat mnt/f; ls -A mnt mnt/d')).toBe('new\nmnt:\nd\nf\n\nmnt/d:');
  });

  it('names what it does not know, a line each, and mounts all the same', () => {
    const { code, err } = run(PROGRAM, '--bogus', '-o', `${WRITABLE},private,lazytime`, 'mnt');
    expect({ code, err }).toEqual({
      code: 0,
      err: 'mica-overlayfs: ignoring --bogus\nmica-overlayfs: ignoring private\nmica-overlayfs: ignoring lazytime\n',
    });
    expect(scratch.sh('cat mnt/f')).toBe('one');
  });

  it.each([
    ['no mount point', ['-o', 'lowerdir=lower']],
    ['a mount point that is missing', ['-o', 'lowerdir=lower', 'none']],
    ['a layer that is missing', ['-o', 'lowerdir=none', 'mnt']],
    ['an upper without a work folder', ['-o', 'lowerdir=lower,upperdir=upper', 'mnt']],
    ['no layer', ['-o', 'ro', 'mnt']],
    ['a mount point in a layer', ['-o', 'lowerdir=lower', 'lower/d']],
  ])('says in one line why it cannot: %s', (_, words) => {
    const { code, out, err } = run(PROGRAM, ...words);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^mica-overlayfs: cannot [^\n]+\n$/);
    expect(mountLines(scratch.at('mnt'))).toEqual([]);
  });

  it.each(['-V', '--version'])('%s tells the version', (word) => {
    expect(run(PROGRAM, word).out).toMatch(/^mica-overlayfs: version \d+\.\d+\.\d+\n$/);
  });

  it.each(['-h', '--help'])('%s tells how it is called', (word) => {
    expect(run(PROGRAM, word)).toMatchObject({ code: 0, out: expect.stringContaining('lowerdir='), err: '' });
  });

  it('is one with its link in another folder', () => {
    scratch.sh(`ln -s ${PROGRAM} linked`);
    expect(run('./linked', '-o', WRITABLE, 'mnt')).toEqual(LIVE);
  });

  describe('in the foreground', () => {
    const start = async (...words: string[]) => {
      const child = spawn(PROGRAM, words, {
        cwd: scratch.path,
        env: environment(),
        stdio: ['ignore', 'inherit', 'pipe'],
      });
      scratch.sh('while ! mountpoint -q mnt; do sleep 0.02; done');
      return child;
    };

    it('is the process that was started, and a signal unmounts and ends it', async () => {
      const child = await start('-f', '-o', WRITABLE, 'mnt');
      expect(JSON.parse(run('mica', '--json', 'mounts').out)).toMatchObject([{ pid: child.pid }]);
      child.kill('SIGTERM');
      expect(await once(child, 'exit')).toEqual([0, null]);
      expect(mountLines(scratch.at('mnt'))).toEqual([]);
    });

    it('ends when somebody unmounts', async () => {
      const child = await start('-f', '-o', WRITABLE, 'mnt');
      scratch.sh('umount mnt');
      expect(await once(child, 'exit')).toEqual([0, null]);
    });

    it('tells with -d what it is asked for', async () => {
      const child = await start('-d', '-o', WRITABLE, 'mnt');
      const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
      const told: string[] = [];
      const isTold = new Promise<void>((resolve) => {
        lines.on('line', (line) => {
          told.push(line);
          if (line.startsWith('whiteout /d/in')) resolve();
        });
      });
      // Watching begins a moment after the mount is live.
      const again = setInterval(() => scratch.sh('touch mnt/d/in; rm -f mnt/d/in'), 200);
      await isTold;
      clearInterval(again);
      child.kill('SIGINT');
      expect(await once(child, 'exit')).toEqual([0, null]);
    });
  });

  it('shows and allows what the words say', () => {
    scratch.sh(
      'mkdir lower/sub lower/sub/x lower/sub/y && setfacl -m u:5:r lower/f && setfattr -n user.a -v b lower/f',
    );
    run(PROGRAM, '-o', 'lowerdir=lower,static_nlink,noacl,nodev,nosuid,noexec', 'mnt');
    const asked =
      'stat -c %h mnt/sub; getfacl -cpn mnt/f | grep -c user:5 || true; getfattr -n user.a --only-values mnt/f';
    expect(scratch.sh(asked)).toBe('1\n0\nb');
    expect(mountLines(scratch.at('mnt'))[0]).toContain('nosuid,nodev,noexec');
    run('mica', 'umount', 'mnt');
    run(PROGRAM, '-o', 'lowerdir=lower', 'mnt');
    expect(scratch.sh(asked)).toBe('4\n1\nb');
    run('mica', 'umount', 'mnt');
    run(PROGRAM, '-o', 'lowerdir=lower,noxattrs=1', 'mnt');
    expect(scratch.sh('getfattr -n user.a mnt/f 2>&1 || true')).toContain('not supported');
  });

  it('shows the upper of another mount as a lower with all names of a file, live or not', () => {
    scratch.sh('mkdir layer layer/diff layer/work mnt2 && ln lower/f lower/g && ln lower/f lower/d/h');
    const upper = ['-o', 'lowerdir=lower,upperdir=layer/diff,workdir=layer/work', 'mnt'];
    const lower = ['-o', 'lowerdir=layer/diff:lower', 'mnt2'];
    const names =
      'cat mnt2/f mnt2/g mnt2/d/h; stat -c %i mnt2/f mnt2/g mnt2/d/h | sort -u | wc -l; umount mnt2';
    expect(run(PROGRAM, ...upper)).toEqual(LIVE);
    scratch.sh('echo two >>mnt/f');
    expect(run(PROGRAM, ...lower)).toEqual(LIVE);
    expect(scratch.sh(names)).toBe('one\ntwo\none\ntwo\none\ntwo\n1');
    run('mica', 'umount', 'mnt');
    scratch.sh('rm -rf layer && mkdir layer layer/diff layer/work');
    run(PROGRAM, ...upper);
    scratch.sh('echo two >>mnt/g');
    run('mica', 'umount', 'mnt');
    expect(run(PROGRAM, ...lower)).toEqual(LIVE);
    expect(scratch.sh(names)).toBe('one\ntwo\none\ntwo\none\ntwo\n1');
  });

  it.each(['diff', 'lower'])(
    'only reads a layer %s beside the work folder of the upper of the same mount',
    (name) => {
      scratch.sh(`mkdir -p x/${name}/d x/bottom/d x/bottom/e x/upper x/work && touch x/${name}/d/x`);
      scratch.sh('echo one >x/bottom/d/a && ln x/bottom/d/a x/bottom/e/b');
      const words = ['-o', `lowerdir=x/${name}:x/bottom,upperdir=x/upper,workdir=x/work`, 'mnt'];
      expect(run(PROGRAM, ...words)).toEqual(LIVE);
      scratch.sh('mv mnt/d mnt/moved; echo two >mnt/e/b; umount mnt');
      expect(run(PROGRAM, ...words)).toEqual(LIVE);
      expect(scratch.sh(`cat mnt/moved/a; stat -c %h mnt/e/b; find x/${name} | sort`)).toBe(
        `two\n2\nx/${name}\nx/${name}/d\nx/${name}/d/x`,
      );
    },
  );

  it('never waits for the disk of a volatile upper', () => {
    const syncs = (options: string) => {
      run(PROGRAM, '-o', `${WRITABLE}${options}`, 'mnt');
      writeFileSync(scratch.at('mnt/synced'), 'x');
      scratch.sh('sync mnt/synced; sync mnt/synced; echo y >>mnt/f; sync mnt/f');
      const { socket } = JSON.parse(readFileSync(scratch.at(rowFile()), 'utf8'));
      const { counts } = JSON.parse(
        scratch.sh(`printf '{"op":"status"}\\n' | ${process.execPath} -e "${ASK}" ${socket}`),
      ).reply;
      run('mica', 'umount', 'mnt');
      return counts.fsync;
    };
    expect(syncs('')).toBe(3);
    expect(syncs(',volatile')).toBe(1);
  });

  const rows = (): { process: { pid: number } }[] =>
    readdirSync(scratch.at('state/mounts'))
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(scratch.at('state/mounts', name), 'utf8')));
  const rowFile = () => scratch.sh('ls state/mounts/*.json');
  const ASK =
    "const s=require('net').connect(process.argv[1]);process.stdin.pipe(s,{end:false});s.once('data',(d)=>{process.stdout.write(d);s.destroy()})";
});

function mountLines(target: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.filter((line) => line.split(' ')[4] === target);
}
