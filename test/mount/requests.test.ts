// How many requests everyday work costs, by kind: a round trip that is not needed is time that nobody gets back. Each
// is held to the least that the protocol allows, which ARCHITECTURE.md lists with the reasons.

import { expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { eachWithMount, type Scratch, type Served } from './mounted.js';

const FILES = 100;
/** Paths, first opens and listings, which do not grow with the number of files. */
const FEW = 12;

const PREPARE = `
  mkdir lower/low archive
  for n in $(seq ${FILES}); do echo $n > lower/low/$n; echo $n > archive/$n; done
  tar -C archive -cf new.tar .
`;

/** What a script asked for beyond what it asks for once; what is forgotten is not asked for. */
async function perFile(served: Served, script: () => void): Promise<Readonly<Record<string, number>>> {
  const counts = async () => (await served.ask({ op: 'status' }))['counts'] as Record<string, number>;
  const before = await counts();
  script();
  const after = await counts();
  const rows = Object.entries(after)
    .map(([name, count]) => [name, Math.floor((count - (before[name] ?? 0) + FILES - FEW) / FILES)] as const)
    .filter(([name, count]) => count > 0 && !name.endsWith('forget'));
  return Object.fromEntries(rows);
}

const unpack = (scratch: Scratch) => scratch.sh('mkdir mnt/new && tar -C mnt/new -xf new.tar');

describeWith(['root', 'fuse'], 'requests', () => {
  const at = eachWithMount((scratch) => scratch.sh(PREPARE));
  const untar = () => unpack(at.scratch);

  it('of an archive that is unpacked: nine a file, and no release', async () => {
    const served = await at.serve({ passthrough: false });
    expect(await perFile(served, untar)).toEqual({
      lookup: 1,
      getattr: 1,
      mknod: 1,
      getxattr: 2,
      write: 1,
      setattr: 3,
    });
  });

  it('of a new tree that is removed: two a file', async () => {
    const served = await at.serve({ passthrough: false });
    untar();
    const remove = () => at.scratch.sh('rm -r mnt/new');
    expect(await perFile(served, remove)).toEqual({ getattr: 1, unlink: 1 });
  });

  it('of a lower tree that is removed: two a file', async () => {
    const served = await at.serve({ passthrough: false });
    const remove = () => at.scratch.sh('rm -r mnt/low');
    expect(await perFile(served, remove)).toEqual({ getattr: 1, unlink: 1 });
  });

  it('of lower files that are appended to: two a file that was seen', async () => {
    const served = await at.serve({ passthrough: false });
    at.scratch.sh('ls -l mnt/low');
    const append = () => at.scratch.sh(`cd mnt/low; for n in $(seq ${FILES}); do echo more >> $n; done`);
    expect(await perFile(served, append)).toEqual({ getxattr: 1, write: 1 });
  });

  it('of a lower tree that is given other modes: one a file', async () => {
    const served = await at.serve({ passthrough: false });
    const chmod = () => at.scratch.sh('chmod -R o-r mnt/low');
    expect(await perFile(served, chmod)).toEqual({ setattr: 1 });
  });

  it('of small files that are written anew: five a file', async () => {
    const served = await at.serve({ passthrough: false });
    const write = () => at.scratch.sh(`cd mnt; mkdir w; for n in $(seq ${FILES}); do echo $n > w/$n; done`);
    expect(await perFile(served, write)).toEqual({ lookup: 1, getattr: 1, mknod: 1, getxattr: 1, write: 1 });
  });
});

describeWith(['root', 'fuse', 'passthrough'], 'requests of files that pass by the server', () => {
  const at = eachWithMount((scratch) => scratch.sh(PREPARE));

  it('of an archive that is unpacked: eight a file, and a release that nobody waits for', async () => {
    const served = await at.serve();
    expect(await perFile(served, () => unpack(at.scratch))).toEqual({
      lookup: 1,
      getattr: 1,
      create: 1,
      getxattr: 2,
      setattr: 3,
      release: 1,
    });
  });
});
