// A /proc that shows other users' processes to nobody (hidepid=1, proc(5)): what cannot be seen is as good as not there.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeWith } from '../requires.js';

const dist = (path: string) => JSON.stringify(fileURLToPath(new URL(`../../dist/${path}`, import.meta.url)));

const LOOK = `
  const { sys } = await import(${dist('fs/index.js')});
  const { isAlive, mountNamespace } = await import(${dist('src/mounts/process-life.js')});
  const { readMounts } = await import(${dist('src/mounts/mountinfo.js')});
  const alive = isAlive({ pid: 1, started: '1' });
  const [groups, namespace, mounts] = [sys.groupsOf(1), mountNamespace(1), readMounts(1) ?? 'unseen'];
  console.log(JSON.stringify({ alive, groups, namespace, mounts }));
`;

describeWith(
  ['root', 'program:unshare', 'program:setpriv'],
  'another user’s process that /proc hides',
  () => {
    it('has no groups, no mounts and no life', () => {
      const script = `
      mount -t proc -o hidepid=1 proc /proc
      exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0" --input-type=module -e "$1"`;
      const done = spawnSync('unshare', ['-m', 'sh', '-ec', script, process.execPath, LOOK], {
        encoding: 'utf8',
      });
      expect(done.stderr).toBe('');
      expect(JSON.parse(done.stdout)).toEqual({ alive: false, groups: [], namespace: '', mounts: 'unseen' });
    });
  },
);
