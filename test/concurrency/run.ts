// Several processes at work on one mount, and what must hold of the tree when they are done: through the mount,
// after a remount, and where the kernel mounts the settled upper.

import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { fromText, sys } from '../../dist/fs/index.js';
import { Scratch, Served } from '../mount/mounted.js';
// @ts-expect-error: a plain program for Node, without types
import { layGround, layUpperGround } from './ground.mjs';

const program = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

interface Journal {
  readonly problems: readonly string[];
}

function work(mount: string, id: number, seed: number, operations: number): Promise<Journal> {
  const args = [program('./worker.mjs'), mount, `${id}`, `${seed * 1000 + id}`, `${operations}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(Buffer.concat(chunks).toString()));
      else reject(new Error(`process ${id} ended with ${code}`));
    });
  });
}

export interface Load {
  readonly processes: number;
  /** Of each process. */
  readonly operations: number;
  readonly seed: number;
}

export async function workTogether({ processes, operations, seed }: Load): Promise<void> {
  const scratch = new Scratch();
  const [mount, upper, work_] = [scratch.at('mnt'), scratch.at('upper'), scratch.at('work')];
  const check = (journals: string): unknown =>
    JSON.parse(
      spawnSync(process.execPath, [program('./ground-check.mjs'), mount, journals]).stdout.toString(),
    );
  let served: Served | undefined;
  try {
    layGround(scratch.at('lower'));
    served = await new Served({ mountPoint: mount, stack: scratch.stack() }).live();
    layUpperGround(mount);
    const ids = Array.from({ length: processes }, (_, id) => id);
    const done = await Promise.all(ids.map((id) => work(mount, id, seed, operations)));
    const journals = scratch.at('journals');
    writeFileSync(journals, JSON.stringify(done));
    expect(check(journals), 'through the mount').toEqual([]);
    await served.stop();
    served = await new Served({ mountPoint: mount, stack: scratch.stack() }).live();
    expect(check(journals), 'after a remount').toEqual([]);
    expect(await served.ask({ op: 'settle' })).not.toHaveProperty('error');
    await served.stop();
    served = undefined;
    const layers = `lowerdir=${scratch.at('lower')},upperdir=${upper},workdir=${work_}`;
    sys.mount('overlay', fromText(mount), 'overlay', 0, fromText(`${layers},index=on,redirect_dir=on`));
    expect(check(journals), 'mounted by the kernel').toEqual([]);
  } finally {
    await served?.stop();
    scratch.remove();
  }
}
