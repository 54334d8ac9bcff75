// buildah with mica-overlayfs as its mount program, as root and rootless: working containers by hand, and Containerfiles.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { treeDifferences } from '../tree.js';
import { DEBIAN, debianImage, IMAGE_NEEDS } from './debian.js';
import { type By, engineNeeds, PodmanHome } from './podman-home.js';
import { inSeconds, listTreeInside, withoutEngines } from './tree-inside.js';

for (const by of ['root', 'a rootless user'] as const satisfies readonly By[]) {
  describeWith([...engineNeeds(by), ...IMAGE_NEEDS], `buildah of ${by}`, () => {
    let home: PodmanHome;

    beforeAll(() => {
      home = new PodmanHome(by);
      home.buildah('pull', '--quiet', `oci-archive:${debianImage().archive}`);
    });
    afterAll(() => home.remove());

    it('makes an image of a working container, step by step, which shows the tree of the container', () => {
      home.buildah('from', '--name', 'working', DEBIAN);
      const run = (script: string) =>
        home.buildah('run', '--isolation', 'chroot', 'working', '--', 'sh', '-ec', script);
      run('rm -rf /opt/opaque /usr/share/doc && mkdir /opt/opaque && echo new >/opt/opaque/a');
      writeFileSync(home.path('file'), 'copied in\n', { mode: 0o644 });
      home.buildah('copy', '--quiet', 'working', home.path('file'), '/opt/opaque/d');
      run('mv /usr/share/perl5-moved /opt/moved && chown -R games /opt/moved && echo more >>/opt/links/b');
      const working = tree('working');
      expect(working.get('opt/opaque/d')).toContain('size=10');
      expect([...working.keys()].filter((path) => path.startsWith('usr/share/doc/'))).toEqual([]);
      home.buildah('config', '--env', 'MADE=1', 'working');
      home.buildah('commit', '--quiet', '--rm', 'working', 'localhost/committed');
      home.buildah('from', '--name', 'again', 'localhost/committed');
      expect(treeDifferences(tree('again'), working)).toEqual([]);
      home.buildah('rm', 'again');
    });

    it('builds from a Containerfile, a layer a step, and takes the layers again', () => {
      const context = home.context('layers', CONTAINERFILE);
      writeFileSync(join(context, 'file'), 'from the context\n');
      const words = ['build', '--layers', '--isolation', 'chroot', '--tag', 'localhost/built', context];
      home.buildah(...words);
      home.buildah('from', '--name', 'built', 'localhost/built');
      expect(
        home.buildah(
          'run',
          '--isolation',
          'chroot',
          'built',
          '--',
          'sh',
          '-ec',
          'cat /opt/d/file /opt/links/*; ls /opt/d',
        ),
      ).toBe('from the context\none\nmore\none\nmore\none\nmore\nfile');
      home.buildah('rm', 'built');
      expect(home.buildah(...words)).toContain('Using cache');
    });

    it('leaves no mount behind', () => {
      expect(home.servers()).toEqual([]);
    });

    function tree(container: string): Map<string, string> {
      const inside = by === 'root' ? [] : [...home.who, 'buildah', 'unshare'];
      const shown = listTreeInside(home, `buildah mount ${container}`, `buildah umount ${container}`, inside);
      return inSeconds(withoutEngines(shown));
    }
  });
}

const CONTAINERFILE = `FROM ${DEBIAN}
RUN mkdir /opt/d && touch /opt/d/gone /opt/links/new && rm /opt/links/new
COPY file /opt/d/file
RUN rm /opt/d/gone && rm -f /opt/links/d && echo more >>/opt/links/a && ln /opt/links/b /opt/links/again
`;
