// POSIX rules on a mount, by the answers that the same calls get on a plain folder of the same machine.

import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { Scratch, Served } from './mounted.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const PROGRAMS = ['program:python3', 'program:setcap', 'program:setfacl', 'program:setfattr'] as const;

describeWith(['root', 'fuse', ...PROGRAMS], 'POSIX calls on a mount', () => {
  let scratch: Scratch;
  let served: Served | undefined;
  beforeEach(() => {
    scratch = new Scratch();
    chmodSync(scratch.path, 0o755);
  });
  afterEach(async () => {
    served?.process.kill('SIGKILL');
    await served?.exit;
    scratch.remove();
  });

  const run = (script: string, folder: string) =>
    scratch.sh(`cd ${folder}; sh '${join(HERE, script)}' 2>&1`).split('\n');

  it('answer as on a plain folder, before and after a remount', async () => {
    mkdirSync(scratch.at('plain'));
    chmodSync(scratch.at('upper'), 0o777);
    for (const folder of ['lower', 'plain']) {
      run('posix-lower.sh', folder);
      scratch.sh(`chmod 777 ${folder}`);
    }
    const options = { stack: scratch.stack(), mountPoint: scratch.at('mnt') };
    served = await new Served(options).live();
    const expected = run('posix-calls.sh', 'plain');
    expect(expected.length).toBeGreaterThan(50);
    expect(run('posix-calls.sh', 'mnt')).toEqual(expected);
    const look =
      'find . ! -type d -printf "%p %m %U %G %n %s\\n" | sort; getfacl -R -c . ; getfattr -R -d -m - .';
    const plain = scratch.sh(`cd plain; ${look}`).split('\n');
    expect(scratch.sh(`cd mnt; ${look}`).split('\n')).toEqual(plain);
    expect(await served.stop()).toBe('unmounted');
    served = await new Served(options).live();
    expect(scratch.sh(`cd mnt; ${look}`).split('\n')).toEqual(plain);
  });
});
