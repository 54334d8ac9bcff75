// POSIX rules on a mount, by the answers that the same calls get on a plain folder of the same machine.

import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { eachWithMount } from './mounted.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const PROGRAMS = ['program:python3', 'program:setcap', 'program:setfacl', 'program:setfattr'] as const;

describeWith(['root', 'fuse', ...PROGRAMS], 'POSIX calls on a mount', () => {
  const at = eachWithMount((made) => chmodSync(made.path, 0o755));

  const run = (script: string, folder: string) =>
    at.scratch.sh(`cd ${folder}; sh '${join(HERE, script)}' 2>&1`).split('\n');

  it('answer as on a plain folder, before and after a remount', async () => {
    mkdirSync(at.scratch.at('plain'));
    chmodSync(at.scratch.at('upper'), 0o777);
    for (const folder of ['lower', 'plain']) {
      run('posix-lower.sh', folder);
      at.scratch.sh(`chmod 777 ${folder}`);
    }
    let served = await at.serve();
    const expected = run('posix-calls.sh', 'plain');
    expect(expected.length).toBeGreaterThan(50);
    expect(run('posix-calls.sh', 'mnt')).toEqual(expected);
    const look =
      'find . ! -type d -printf "%p %m %U %G %n %s\\n" | sort; getfacl -R -c . ; getfattr -R -d -m - .';
    const plain = at.scratch.sh(`cd plain; ${look}`).split('\n');
    expect(at.scratch.sh(`cd mnt; ${look}`).split('\n')).toEqual(plain);
    expect(await served.stop()).toBe('unmounted');
    served = await at.serve();
    expect(at.scratch.sh(`cd mnt; ${look}`).split('\n')).toEqual(plain);
  });
});
