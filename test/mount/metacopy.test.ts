// Changes of attributes and names on a real mount: no data gets into the upper, and none is ever lost.

import { spawnSync } from 'node:child_process';
import { closeSync, lstatSync, openSync, readdirSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SEEK_DATA } from '../../fs/filesystem.js';
import { sys } from '../../fs/index.js';
import { describeWith } from '../requires.js';
import { eachWithMount } from './mounted.js';

const LOWER = `
cd lower
mkdir -p a/b/c many
printf small > a/small; head -c 3000000 /dev/urandom > a/b/large; : > empty
truncate -s 8M sparse; printf end >> sparse
printf linked > a/one; ln a/one a/b/two; ln a/one three
printf suid > a/suid; chmod 4755 a/suid; ln -s a/small link; mkfifo pipe
for i in $(seq 100); do head -c $((i * 100)) /dev/urandom > many/$i; done
`;

/** Every file with its content, and the count of its names. */
const CONTENT = "find . -type f -printf '%n %s %p ' -exec sh -c 'sha256sum < \"$1\"' sh {} \\; | sort -k 3";

describeWith(
  ['root', 'fuse', 'overlay', 'program:getfattr', 'program:python3'],
  'attributes without data on a mount',
  () => {
    const at = eachWithMount((scratch) => scratch.sh(LOWER));

    function content(folder: string): string {
      return at.scratch.sh(`cd ${folder} && ${CONTENT}`);
    }

    /** Files of the upper in which there is any data. */
    function withData(folder = at.scratch.at('upper')): string[] {
      return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) return withData(path);
        if (!entry.isFile()) return [];
        const fd = openSync(path, 'r');
        try {
          return sys.seekFd(fd, 0, SEEK_DATA) === undefined ? [] : [entry.name];
        } finally {
          closeSync(fd);
        }
      });
    }

    it('chown -R, chmod -R, touch, mv, ln and rm over everything copy no data, whatever becomes of the server', async () => {
      const { process, exit } = await at.serve();
      const before = content('mnt');
      at.scratch.sh(
        'cd mnt && chown -hR 1234:5678 . && chmod -R g-rx . && find . -type f -exec touch -d 2001-01-01 {} +',
      );
      expect(content('mnt')).toBe(before);
      expect(withData()).toEqual([]);
      at.scratch.sh(
        'cd mnt && mv a/b/large L && mv a A && ln A/small also && rm three && mv many/7 many/b7 && mv L A/b/large',
      );
      const after = content('mnt');
      expect(withData()).toEqual([]);
      process.kill('SIGKILL');
      await exit;
      spawnSync('umount', ['-l', at.scratch.at('mnt')]);
      const served = await at.serve();
      expect(content('mnt')).toBe(after);
      expect(lstatSync(at.scratch.at('mnt/A/small'))).toMatchObject({ uid: 1234, gid: 5678, nlink: 2 });
      expect(await served.ask({ op: 'settle' })).toEqual({ settled: true });
      expect(content('mnt')).toBe(after);
      expect(await served.stop()).toBe('unmounted');
      expect(at.scratch.sh('getfattr -R -h -m trusted.overlay.metacopy upper')).toBe('');
      at.scratch.sh(
        'mount -t overlay o -o lowerdir=lower,upperdir=upper,workdir=work,metacopy=off,index=off,redirect_dir=on mnt',
      );
      expect(content('mnt').replaceAll(/^\d+ /gm, '')).toBe(after.replaceAll(/^\d+ /gm, ''));
    });

    it('a file that is open follows from the lower to attributes alone to data', async () => {
      await at.serve();
      const path = at.scratch.at('mnt/a/b/large');
      const reader = openSync(path, 'r');
      const byte = (): number => {
        const into = Buffer.alloc(1);
        readSync(reader, into, 0, 1, 2_000_000);
        return into[0]!;
      };
      const first = byte();
      at.scratch.sh('chmod 600 mnt/a/b/large');
      expect(byte()).toBe(first);
      const writer = openSync(path, 'r+');
      writeSync(writer, Buffer.of(first ^ 0xff), 0, 1, 2_000_000);
      expect(byte()).toBe(first ^ 0xff);
      closeSync(writer);
      closeSync(reader);
      at.scratch.sh(
        'cmp -n 2000000 lower/a/b/large mnt/a/b/large; cmp -i 2000001 lower/a/b/large mnt/a/b/large',
      );
    });

    it('keeps what a mapping has written, and shows what the file costs below', async () => {
      await at.serve();
      const map = `
import mmap, os, sys
f = os.open('mnt/a/b/large', os.O_RDWR); m = mmap.mmap(f, 0); r = mmap.mmap(os.open('mnt/a/b/large', os.O_RDONLY), 0, prot=mmap.PROT_READ)
m[5:9] = b'mine'; assert r[5:9] == b'mine'; m.flush()`;
      const blocks = lstatSync(at.scratch.at('lower/a/b/large')).blocks;
      at.scratch.sh('chmod 640 mnt/a/b/large');
      expect(lstatSync(at.scratch.at('mnt/a/b/large')).blocks).toBe(blocks);
      writeFileSync(at.scratch.at('map.py'), map);
      at.scratch.sh('python3 map.py');
      expect(at.scratch.sh('head -c 9 mnt/a/b/large | tail -c 4')).toBe('mine');
      expect(at.scratch.sh('cmp -i 9 lower/a/b/large mnt/a/b/large')).toBe('');
    });
  },
);
