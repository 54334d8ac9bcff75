// The device transport for those who may not mount: through fusermount3, and inside a user namespace of one
// user. As root the first run as `nobody`; as an ordinary user, as that user.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { Scratch, Served } from './mounted.js';

const AS_USER = process.geteuid?.() === 0 ? ['runuser', '-u', 'nobody', '--'] : [];

function mountLine(path: string): string | undefined {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .find((line) => line.split(' ')[1] === path);
}

describeWith(['fuse for all', 'program:fusermount3'], 'a mount of an ordinary user', () => {
  let scratch: Scratch;
  let served: Served | undefined;
  beforeEach(() => {
    scratch = new Scratch();
    chmodSync(scratch.path, 0o755);
    writeFileSync(scratch.at('lower/file'), 'lower\n');
    mkdirSync(scratch.at('lower/folder'));
    if (AS_USER.length > 0) spawnSync('chown', ['-R', 'nobody:nogroup', scratch.path]);
  });
  afterEach(async () => {
    served?.process.kill('SIGKILL');
    await served?.exit;
    served = undefined;
    scratch.remove();
  });

  function asUser(script: string): string {
    return scratch.sh(`${AS_USER.join(' ')} timeout 30 sh -ec '${script}'`);
  }

  it('is made by fusermount3, changes its upper, and ends with fusermount3 -u', async () => {
    const options = { stack: scratch.stack('user'), mountPoint: scratch.at('mnt'), fsname: 'one, two' };
    served = await new Served(options, AS_USER).live();
    expect(mountLine(scratch.at('mnt'))).toMatch(/^one,\\040two \S+ fuse\.mica rw,nosuid,nodev,/);
    asUser('echo more >> mnt/file; rmdir mnt/folder; mkdir mnt/folder; touch mnt/folder/new');
    expect(asUser('cat mnt/file; ls mnt mnt/folder').split('\n')).toEqual([
      'lower',
      'more',
      'mnt:',
      'file',
      'folder',
      '',
      'mnt/folder:',
      'new',
    ]);
    expect(await served.stop()).toBe('unmounted');
    expect(mountLine(scratch.at('mnt'))).toBeUndefined();
    expect(readFileSync(scratch.at('upper/file'), 'utf8')).toBe('lower\nmore\n');
  });

  it('that is in use is left alone, and goes with its process', async () => {
    const options = { stack: scratch.stack('user'), mountPoint: scratch.at('mnt') };
    served = await new Served(options, AS_USER).live();
    const refused = asUser('exec 3< mnt/file; fusermount3 -u mnt 2>/dev/null || echo refused');
    expect(refused).toBe('refused');
    served.process.stdin?.write('{"op":"exit"}\n');
    expect(await served.exit).toBe(0);
    expect(mountLine(scratch.at('mnt'))).toBeUndefined();
  });

  it('with marks that only root can read does not begin', async () => {
    served = new Served({ stack: scratch.stack('trusted'), mountPoint: scratch.at('mnt') }, AS_USER);
    expect(await served.line()).toMatchObject({ error: { errno: 1 } });
  });
});

describeWith(['fuse', 'program:unshare'], 'a mount inside a user namespace', () => {
  it('needs no helper', () => {
    const scratch = new Scratch();
    try {
      writeFileSync(scratch.at('lower/file'), 'lower\n');
      const options = JSON.stringify({ stack: scratch.stack('user'), mountPoint: scratch.at('mnt') });
      const program = new URL('./serve.mjs', import.meta.url).pathname;
      // The pipe is the server's stdin: the shell asks it to stop when it is done with the mount.
      writeFileSync(
        scratch.at('script'),
        `mkfifo ask said
        '${process.execPath}' '${program}' '${options}' < ask > said &
        trap "kill $! 2>/dev/null || :" EXIT
        exec 3> ask 4< said
        read live <&4; test "$live" = '"live"'
        grep " $PWD/mnt fuse.mica " /proc/mounts > mounts
        echo more >> mnt/file; cat mnt/file > read
        echo '{"op":"stop"}' >&3
        cat <&4 > end`,
      );
      scratch.sh(`unshare -Urm timeout 30 sh -e script`);
      expect(readFileSync(scratch.at('mounts'), 'utf8')).toMatch(/ rw,relatime,user_id=0,group_id=0/);
      expect(readFileSync(scratch.at('read'), 'utf8')).toBe('lower\nmore\n');
      expect(readFileSync(scratch.at('upper/file'), 'utf8')).toBe('lower\nmore\n');
      expect(readFileSync(scratch.at('end'), 'utf8')).toContain('unmounted');
    } finally {
      scratch.remove();
    }
  });
});
