// podman with mica-overlayfs as its mount program, as root and rootless: a real image is loaded, shown, run, changed,
// compared, committed and built on, and what containers show is held against what umoci unpacks. What fuse-overlayfs is
// known to lose under podman is tried by name.

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { top } from '../program.js';
import { describeWith } from '../requires.js';
import { treeDifferences } from '../tree.js';
import { DEBIAN, debianImage, IMAGE_NEEDS } from './debian.js';
import { type By, engineNeeds, PodmanHome } from './podman-home.js';
import { inSeconds, listTreeInside, OF_THE_ENGINE, withoutEngines } from './tree-inside.js';

/** Ids that an account with 65536 subordinate ids has, beside its own. */
const LAST_ID = 65536;

for (const by of ['root', 'a rootless user'] as const satisfies readonly By[]) {
  describeWith([...engineNeeds(by), ...IMAGE_NEEDS], `podman of ${by}`, () => {
    let home: PodmanHome;

    beforeAll(() => {
      home = new PodmanHome(by);
      home.podman('load', '--quiet', '--input', debianImage().archive);
    });
    afterAll(() => home.remove());

    it('names the program and its version', () => {
      expect(home.podman('info')).toMatch(/mica-overlayfs: version \d/);
    });

    it('shows the image as umoci unpacks it', () => {
      expect(treeDifferences(shown('podman', 'image', 'mount', DEBIAN), wantedTree())).toEqual([]);
    });

    it('shows a container as umoci unpacks the image', () => {
      const id = home.podman('create', DEBIAN);
      expect(treeDifferences(shown('podman', 'mount', id), wantedTree())).toEqual([]);
      home.podman('rm', id);
    });

    it('runs programs, as root and as users of the image', () => {
      expect(home.inContainer(DEBIAN, 'dpkg-query -W bash | cut -f1; id -un')).toBe('bash\nroot');
      expect(home.inContainer(DEBIAN, 'id -un; touch /etc/x || echo closed', '--user', 'nobody')).toBe(
        'nobody\nclosed',
      );
    });

    it('compares and commits what a container has changed, and the commit shows the same tree', () => {
      home.podman('run', '--name', 'changed', DEBIAN, 'sh', '-ec', CHANGES);
      const changed = shown('podman', 'mount', 'changed');
      const diff = home.podman('diff', 'changed').split('\n');
      const ours = diff.filter((line) => !OF_THE_ENGINE.test(line.slice(3)));
      expect(ours.sort()).toEqual(changesBetween(shown('podman', 'image', 'mount', DEBIAN), changed));
      home.podman('commit', '--quiet', 'changed', 'localhost/committed');
      const committed = shown('podman', 'image', 'mount', 'localhost/committed');
      expect(treeDifferences(inSeconds(committed), inSeconds(changed))).toEqual([]);
      home.podman('rm', 'changed');
    });

    it('compares and commits a container that goes on', () => {
      home.podman('run', '--name', 'going', '--detach', DEBIAN, 'sleep', '1000');
      home.podman(
        'exec',
        'going',
        'sh',
        '-ec',
        'echo more >>/opt/links/a; chmod 600 /etc/fstab; rm /etc/issue.net',
      );
      const diff = home.podman('diff', 'going').split('\n');
      for (const line of [
        'C /opt/links/a',
        'C /opt/links/b',
        'C /opt/names/c',
        'C /etc/fstab',
        'D /etc/issue.net',
      ])
        expect(diff).toContain(line);
      home.podman('commit', '--quiet', '--pause=false', 'going', 'localhost/going');
      const script =
        'cat /opt/links/b; stat -c %a /etc/fstab; test ! -e /etc/issue.net; stat -c %h /opt/links/a';
      expect(home.inContainer('localhost/going', script)).toBe('one\nmore\n600\n3');
      home.podman('rm', '--force', '--time', '0', 'going');
    });

    it('builds an image in several steps', () => {
      const context = home.context('built', BUILD);
      writeFileSync(join(context, 'file'), 'from the context\n');
      const isolation = by === 'root' ? 'oci' : 'rootless';
      const words = ['--quiet', '--isolation', isolation, '--network', 'none', '--tag', 'localhost/built'];
      home.podman('build', ...words, context);
      const content = 'find /usr/share/doc -type f | sort | xargs cat | md5sum';
      const script = `cat /file /opt/renamed/x /made/one; ls -A /opt/swap /opt/again; test ! -e /opt/links
        stat -c '%a %U' /made/one; find /usr/share/doc -maxdepth 1 ! -user games | wc -l; ls /made | wc -c; ${content}`;
      expect(home.inContainer('localhost/built', script).split('\n')).toEqual([
        ...['from the context', 'x', 'one', '/opt/again:', '', '/opt/swap:', '640 games', '0'],
        ...[String(253 + 254 + 255 + 256 + 4), home.inContainer(DEBIAN, content)],
      ]);
      // A second time every step is a step of the first.
      expect(home.podman('build', ...words.slice(1), context)).toContain('Using cache');
    });

    it('mounts a folder of the machine with what a container writes kept apart', () => {
      const volume = home.path('volume');
      mkdirSync(volume, { recursive: true });
      writeFileSync(join(volume, 'kept'), 'kept\n');
      const script = 'cat /v/kept; echo changed >/v/kept; rm -f /v/none; echo new >/v/new; ls /v';
      expect(home.inContainer(DEBIAN, script, '--volume', `${volume}:/v:O`)).toBe('kept\nkept\nnew');
      expect(readdirSync(volume)).toEqual(['kept']);
      rmSync(volume, { recursive: true });
    });

    it('removes a container whose mount has lost its server, and runs the next', () => {
      home.podman('run', '--name', 'lost', '--detach', DEBIAN, 'sleep', '1000');
      const servers = home.servers();
      expect(servers).toHaveLength(1);
      for (const { pid } of servers) process.kill(pid, 'SIGKILL');
      expect(home.try(['podman', 'exec', 'lost', 'ls', '/opt']).code).not.toBe(0);
      home.podman('rm', '--force', '--time', '0', 'lost');
      expect(home.inContainer(DEBIAN, 'echo again', '--name', 'lost')).toBe('again');
      expect(home.servers()).toEqual([]);
    });

    it('starts a container again whose mount has lost its server, with all that it had written', () => {
      home.podman(
        'run',
        '--name',
        'lost',
        '--detach',
        DEBIAN,
        'sh',
        '-c',
        'echo kept >>/kept; sync; sleep 1000',
      );
      const wait = 'while ! test -s /kept; do sleep 0.05; done';
      home.podman('exec', 'lost', 'sh', '-c', wait);
      for (const { pid } of home.servers()) process.kill(pid, 'SIGKILL');
      home.podman('kill', 'lost');
      home.podman('wait', 'lost');
      home.podman('start', 'lost');
      home.podman(
        'exec',
        'lost',
        'sh',
        '-c',
        'while ! test "$(cat /kept)" = "$(printf "kept\\nkept")"; do sleep 0.05; done',
      );
      home.podman('rm', '--force', '--time', '0', 'lost');
    });

    it('is settled after a container has ended, for programs that read its folder as it lies there', () => {
      const id = home.podman('create', DEBIAN, 'chown', '-R', 'games', '/usr/share/doc/bash');
      home.podman('start', '--attach', id);
      const diff = home.podman('inspect', '--format', '{{.GraphDriver.Data.UpperDir}}', id);
      const read = `cat '${diff}'/usr/share/doc/bash/* | md5sum`;
      const wanted = home.inContainer(DEBIAN, 'cat /usr/share/doc/bash/* | md5sum');
      expect(home.run(['sh', '-c', read], home.inside)).not.toBe(wanted);
      const mica = [process.execPath, join(top, 'bin/mica')];
      expect(home.run([...mica, 'settle', diff], home.inside)).toBe(diff);
      expect(home.run(['sh', '-c', read], home.inside)).toBe(wanted);
      home.podman('rm', id);
    });

    if (by !== 'root') {
      it.each([[['--userns', 'keep-id']], [['--uidmap', '0:1:1000', '--gidmap', '0:1:1000']]])(
        'shows the image to other users by %j, and copies none of it',
        (words) => {
          const layers = () => readdirSync(join(home.storage, 'overlay')).length;
          const before = layers();
          home.podman('create', '--name', 'mapped', ...words, DEBIAN, 'sh', '-ec', MAPPED);
          // The container's own.
          expect(layers()).toBe(before + 1);
          expect(home.podman('start', '--attach', 'mapped')).toBe('0:0\n0:42\nhis own');
          home.podman('rm', 'mapped');
        },
      );
    }

    it('leaves no mount behind', () => {
      expect(home.servers()).toEqual([]);
    });

    /** The tree of what a command mounts, without what the engine puts into it. */
    function shown(...words: string[]): Map<string, string> {
      const unmount = words.map((word) => (word === 'mount' ? 'umount' : word));
      return withoutEngines(listTreeInside(home, words.join(' '), unmount.join(' ')));
    }

    /**
     * What podman's unpacking makes of the image: no times before 1970, and, for this user, no devices and no owners
     * without a number.
     */
    function wantedTree(): Map<string, string> {
      const tree = [...debianImage().tree].map(
        ([path, line]) => [path, line.replace(/mtime=-\d+/, 'mtime=0')] as const,
      );
      if (by === 'root') return withoutEngines(new Map(tree));
      const shown = tree.filter(([, line]) => !/^mode=[26]\d{4,5} /.test(line) || !line.includes('rdev='));
      return withoutEngines(
        new Map(
          shown.map(([path, line]) => [
            path,
            line.replace(/owner=(\d+):(\d+)/, (owner, uid, gid) =>
              Math.max(Number(uid), Number(gid)) > LAST_ID ? 'owner=0:0' : owner,
            ),
          ]),
        ),
      );
    }
  });
}

/** What podman says of two trees: of removed folders the topmost alone, of added ones all, and every folder above a change. */
function changesBetween(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const lines = new Set<string>();
  const say = (letter: string, path: string) => {
    lines.add(`${letter} /${path}`);
    for (let above = parent(path); above !== ''; above = parent(above))
      if (before.has(above) && after.has(above)) lines.add(`C /${above}`);
  };
  for (const [path, line] of after) {
    const old = before.get(path);
    if (old === undefined) say('A', path);
    else if (compared(old) !== compared(line)) say('C', path);
  }
  const isFolder = (path: string) => path === '' || after.get(path)?.startsWith('mode=4');
  for (const path of before.keys()) if (!after.has(path) && isFolder(parent(path))) say('D', path);
  return [...lines].map((line) => Buffer.from(line, 'latin1').toString()).sort();
}

function parent(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
}

/** Without what podman does not look at. */
function compared(line: string): string {
  return line.replace(/ (?:one-with|xattrs|content)=[^ ]*/g, '');
}

const LONG = ['252', '253', '254', '255'].map((length) => `$(printf '%0${length}d' 1)`);

/** Of every kind: among them what fuse-overlayfs refuses or forgets. */
const CHANGES = `
  cd /opt
  rm -rf opaque /usr/share/doc/apt && mkdir opaque /usr/share/doc/apt && echo again >opaque/again
  rm names/-dash
  mv /usr/share/perl5-moved moved
  for name in ${LONG.join(' ')}; do echo "$name" >"$name"; done
  rm swap/x-dir && mkdir swap/x-dir && rm -r swap/x-file && echo file >swap/x-file
  echo more >>links/a
  chown -R games /etc/skel
  mkfifo fifo && ln -s kept link && mkdir -p deep/er && touch deep/er/file
  rm /usr/bin/gcc
`;
const BUILD = `FROM ${DEBIAN}
COPY file /file
RUN mkdir /made && echo one >/made/one && chmod 640 /made/one
RUN chown games /made/one && chown -R games /usr/share/doc
RUN mv /usr/share/perl5-moved /opt/renamed && echo x >/opt/renamed/x
RUN rm -r /opt/links && rm -r /opt/swap && mkdir /opt/swap && mkdir /opt/again
RUN for n in 252 253 254 255; do touch /made/$(printf "%0\${n}d" 1); done
`;
const MAPPED = `
  stat -c %u:%g /etc/passwd /etc/shadow
  echo copied >/tmp/copied && test "$(stat -c %u:%g /tmp/copied)" = "$(id -u):$(id -g)" && echo his own
`;
