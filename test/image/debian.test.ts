// An image of a real Debian root filesystem through the whole store, held against umoci and skopeo, and real
// programs at work inside a mount of it.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { listTree, treeDifferences } from '../tree.js';

const top = new URL('../..', import.meta.url).pathname;
const image = join(top, '.cache', 'image');

describeWith(
  ['root', 'fuse', 'program:umoci', 'program:skopeo', 'program:mmdebstrap', 'program:getfattr'],
  'an image of a Debian root filesystem',
  () => {
    let base: string;
    let mountPoint: string;
    let wanted: Map<string, string>;

    const mica = (...words: string[]): string =>
      execFileSync(
        join(top, 'bin/mica'),
        ['--root', join(base, 'root'), '--state', join(base, 'state'), ...words],
        {
          encoding: 'utf8',
          maxBuffer: 1 << 28,
          timeout: 600_000,
        },
      );
    const inside = (script: string): string =>
      execFileSync('timeout', ['300', 'chroot', mountPoint, '/bin/sh', '-ec', script], {
        encoding: 'utf8',
        maxBuffer: 1 << 26,
      });

    beforeAll(() => {
      execFileSync('sh', [join(top, 'test/image/make-image.sh'), image], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      base = mkdtempSync(join(tmpdir(), 'mica-debian-'));
      mountPoint = join(base, 'mnt');
      mkdirSync(mountPoint);
      execFileSync('umoci', ['unpack', '--image', `${image}/oci:debian`, join(base, 'umoci')]);
      wanted = listTree(join(base, 'umoci/rootfs'));
      mica('import', join(image, 'debian.oci.tar'), '--name', 'debian:test');
      mica('mount', 'debian:test', mountPoint, '--key', 'work', '--driver', 'fuse');
    });

    afterAll(() => {
      spawnSync('umount', ['-l', mountPoint]);
      rmSync(base, { recursive: true, force: true });
    });

    it('shows exactly the tree that umoci unpacks', () => {
      expect(treeDifferences(listTree(mountPoint), wanted)).toEqual([]);
    });

    it('gives the same tree without a mount', () => {
      mica('unpack', 'debian:test', join(base, 'unpacked'));
      expect(treeDifferences(listTree(join(base, 'unpacked')), wanted)).toEqual([]);
    });

    it('exports what skopeo copies and umoci unpacks alike', () => {
      mica('export', 'debian:test', '-o', join(base, 'export.tar'));
      execFileSync('skopeo', [
        'copy',
        '--quiet',
        `oci-archive:${base}/export.tar`,
        `oci:${base}/exported:debian`,
      ]);
      execFileSync('umoci', ['unpack', '--image', `${base}/exported:debian`, join(base, 'again')]);
      expect(treeDifferences(listTree(join(base, 'again/rootfs')), wanted)).toEqual([]);
      mica('export', 'debian:test', '--format', 'docker', '-o', join(base, 'export.docker.tar'));
      execFileSync('skopeo', ['inspect', `docker-archive:${base}/export.docker.tar`]);
    });

    it('imports a docker-archive of the same image to the same tree', () => {
      const other = join(base, 'docker-mnt');
      mkdirSync(other);
      mica('import', join(image, 'debian.docker.tar'), '--name', 'debian:docker');
      mica('mount', 'debian:docker', other, '--read-only', '--driver', 'fuse');
      try {
        expect(treeDifferences(listTree(other), wanted)).toEqual([]);
      } finally {
        mica('umount', other);
      }
    });

    it('gives the tar of its layers back to the byte when their blobs are gone', () => {
      const { layers } = JSON.parse(mica('--json', 'inspect', 'debian:test'));
      // All but the root filesystem: whoever compressed them, their tars come back.
      for (const { chainId, diffId, digest } of layers.slice(1)) {
        expect(mica('layer', 'drop', '--force', chainId)).toContain(digest);
        mica('layer', 'get', chainId, '-o', join(base, 'layer.tar'));
        const [sum] = execFileSync('sha256sum', [join(base, 'layer.tar')], { encoding: 'utf8' }).split(' ');
        expect(`sha256:${sum}`).toBe(diffId);
        mica('content', 'put', join(image, 'oci/blobs/sha256', digest.slice(7)));
        rmSync(join(base, 'layer.tar'));
      }
    });

    it('runs a shell and reads the package database', () => {
      expect(inside('echo from $0')).toBe('from /bin/sh\n');
      expect(inside('dpkg -s bash | grep ^Status')).toBe('Status: install ok installed\n');
      expect(Number(inside('dpkg-query -W | wc -l'))).toBeGreaterThan(80);
    });

    it('runs programs as containers, as root and as users of the image', () => {
      const run = (...words: string[]) => mica('run', '--rm', ...words);
      expect(run('debian:test', '--', 'sh', '-c', 'dpkg-query -W bash | cut -f1; id -un')).toBe(
        'bash\nroot\n',
      );
      // dpkg gives files to their owners, and su asks for the rights that a command of root has.
      const script = `
        dpkg --install /packages/acl_*.deb >/dev/null && setfacl --version | cut -d' ' -f1
        su -s /bin/sh nobody -c 'id -un; touch /etc/x 2>/dev/null || echo closed'
        (sleep 0.1 &) ; ls /proc | grep -c '^[0-9]'`;
      const path = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin';
      const said = run(
        '--env',
        path,
        '--bind',
        `${image}/debs:/packages:ro`,
        'debian:test',
        '--',
        'sh',
        '-c',
        script,
      );
      expect(said.split('\n').slice(0, 3)).toEqual(['setfacl', 'nobody', 'closed']);
      expect(run('--user', 'nobody', '--workdir', '/tmp', 'debian:test', '--', 'pwd')).toBe('/tmp\n');
    });

    it('compiles with make -j2', () => {
      const at = join(mountPoint, 'root/build');
      mkdirSync(at);
      const rules: string[] = ['all: prog\n'];
      const objects: string[] = [];
      for (let n = 0; n < 12; n++) {
        writeFileSync(join(at, `f${n}.c`), `int f${n}(void) { return ${n}; }\n`);
        objects.push(`f${n}.o`);
      }
      const calls = objects.map((_, n) => `f${n}()`).join(' + ');
      const prototypes = objects.map((_, n) => `int f${n}(void);`).join(' ');
      writeFileSync(
        join(at, 'main.c'),
        `#include <stdio.h>\n${prototypes}\nint main(void) { printf("%d\\n", ${calls}); }\n`,
      );
      rules.push(`prog: main.o ${objects.join(' ')}\n\tcc -o $@ $^\n`);
      writeFileSync(join(at, 'Makefile'), rules.join(''));
      expect(inside('cd /root/build && make -s -j2 && ./prog')).toBe('66\n');
    });

    it('clones a repository and packs it with tar', () => {
      const out = inside(`
        export HOME=/root; cd /root
        git init -q origin && cd origin
        git config user.name t && git config user.email t@example.invalid
        for n in $(seq 1 200); do echo "$n" > "file$n"; done
        git add . && git commit -q -m one && git gc -q && cd ..
        git clone -q origin copy && git -C copy status --porcelain && git -C copy fsck --strict 2>&1
        mkdir out && tar -C copy --exclude=.git -cf - . | tar -C out -xf - && diff -r --exclude=.git copy out && ls out | wc -l
      `);
      expect(out.trim().split('\n').at(-1)).toBe('200');
    });

    it('keeps a SQLite database in WAL mode', () => {
      const out = inside(`
        cd /root
        sqlite3 db.sqlite "pragma journal_mode=wal; create table t(n integer primary key, text);"
        for n in 1 2 3 4; do
          sqlite3 db.sqlite "pragma busy_timeout=20000; with recursive c(x) as (select 1 union all select x+1 from c where x<500) insert into t(text) select 'row ' || x from c;" &
        done
        wait
        sqlite3 db.sqlite "pragma integrity_check; select count(*) from t;"
      `);
      expect(out.trim().split('\n').slice(-2)).toEqual(['ok', '2000']);
    });

    it('installs a small project with npm ci from a cache', () => {
      // A project whose one dependency is a local archive: npm needs no network for it.
      const project = join(mountPoint, 'root/project');
      mkdirSync(join(project, 'dependency'), { recursive: true });
      writeFileSync(
        join(project, 'dependency/package.json'),
        '{"name":"dependency","version":"1.0.0","main":"index.js"}',
      );
      writeFileSync(join(project, 'dependency/index.js'), 'module.exports = 42;\n');
      const npm = (...words: string[]) =>
        execFileSync(
          'timeout',
          [
            '120',
            'npm',
            ...words,
            '--offline',
            '--no-audit',
            '--no-fund',
            '--loglevel=error',
            `--cache=${base}/npm-cache`,
          ],
          {
            cwd: project,
            stdio: ['ignore', 'ignore', 'inherit'],
          },
        );
      npm('pack', './dependency');
      writeFileSync(
        join(project, 'package.json'),
        '{"name":"p","version":"1.0.0","dependencies":{"dependency":"file:dependency-1.0.0.tgz"}}',
      );
      npm('install', '--package-lock-only');
      npm('ci');
      expect(execFileSync('node', ['-p', 'require("dependency")'], { cwd: project, encoding: 'utf8' })).toBe(
        '42\n',
      );
    });

    it('keeps the work of the mount through unmount and commit', () => {
      mica('umount', mountPoint);
      mica('commit', 'work', 'worked');
      mica('mount', 'worked', mountPoint, '--read-only', '--driver', 'fuse');
      expect(readFileSync(join(mountPoint, 'root/build/Makefile'), 'latin1')).toContain('prog:');
      expect(existsSync(join(mountPoint, 'root/copy/file200'))).toBe(true);
      mica('umount', mountPoint);
    });
  },
);
