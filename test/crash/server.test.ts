// The server of a mount is killed at the changes that it makes on disk, one at a time. The next mount shows each
// operation done or not done, and kernel overlayfs refuses the upper as it was left or shows the same.

import { spawnSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { buildCommanded, serveCommanded } from '../faults/commanded-server.js';
import { Scratch, type Served } from '../mount/mounted.js';
import { describeWith } from '../requires.js';
import { runs } from '../runs.js';
import { listTree } from '../tree.js';

interface Operation {
  readonly name: string;
  /** Shell, in the mount. */
  readonly prepare?: string;
  readonly act: string;
  /** It opens and writes, and what is written in the upper may be there without the rest. */
  readonly inSteps?: true;
}

const OPERATIONS: readonly Operation[] = [
  { name: 'append to a deep lower file', act: 'echo more >>d/sub/x', inSteps: true },
  { name: 'chmod a lower file', act: 'chmod 600 f' },
  { name: 'set an attribute of a lower file', act: 'setfattr -n user.k -v value f' },
  { name: 'chmod a lower link', act: 'chmod 600 h1' },
  { name: 'chmod through a second link', prepare: 'chmod 640 h1', act: 'chmod 600 h2' },
  { name: 'remove a lower file', act: 'rm f' },
  { name: 'remove a second link', prepare: 'chmod 640 h1', act: 'rm h2' },
  { name: 'remove a merged folder', prepare: 'rm d/a d/h3 d/sub/x; rmdir d/sub', act: 'rmdir d' },
  { name: 'make a folder over a whiteout', prepare: 'rmdir e', act: 'mkdir e' },
  { name: 'make a symlink over a whiteout', prepare: 'rm f', act: 'ln -s target f' },
  { name: 'link a lower file', act: 'ln f n' },
  { name: 'link a lower link', act: 'ln h1 n' },
  { name: 'rename a lower file over another', act: 'mv f g' },
  { name: 'rename over a lower link', act: 'mv f h1' },
  { name: 'rename a lower folder', act: 'mv d n' },
  { name: 'rename a lower folder into another', act: 'mv d e/n' },
  { name: 'rename a folder over a whiteout', prepare: 'mkdir u; rm f', act: 'mv -T u f' },
];

const LOWER = `
  mkdir -p lower/d/sub lower/e
  echo f >lower/f; echo g >lower/g; echo a >lower/d/a; echo x >lower/d/sub/x
  echo linked >lower/h1; ln lower/h1 lower/h2; ln lower/h1 lower/d/h3
  setfattr -n user.x -v kept lower/f
  find lower -exec touch -h -d @1000000000 {} +
`;

/** The long form kills at every change of every operation, the short one at every seventh of a third of them, by the day. */
const LONG = runs(1) > 1;
const TODAY = Math.floor(Date.now() / 86_400_000);
const TRIED = OPERATIONS.filter((_, n) => LONG || n % 3 === TODAY % 3);

describeWith(
  ['root', 'fuse', 'overlay', 'program:getfattr'],
  `a server that is killed (day ${TODAY})`,
  () => {
    let scratch: Scratch;
    let module: string;
    let served: Served | undefined;
    beforeAll(() => {
      scratch = new Scratch();
      scratch.sh(LOWER);
      module = buildCommanded(scratch.path);
    });
    beforeEach(() => {
      scratch.sh('rm -rf upper work; mkdir upper work');
    });
    afterEach(async () => {
      served?.process.kill('SIGKILL');
      await served?.exit;
      served = undefined;
      scratch.sh('umount -l mnt 2>/dev/null || true');
    });
    afterAll(() => scratch.remove());

    const start = async (): Promise<Served> => {
      served = await serveCommanded({ stack: scratch.stack(), mountPoint: scratch.at('mnt') }, module).live();
      return served;
    };
    const inMount = (script: string) =>
      spawnSync('timeout', ['30', 'sh', '-ec', script], { cwd: scratch.at('mnt'), encoding: 'utf8' });
    const shown = () => {
      const tree = listTree(scratch.at('mnt'));
      // What a change makes new is as new as the moment.
      for (const [path, line] of tree) tree.set(path, line.replace(/mtime=1[1-9]\d{8,}/, 'mtime=new'));
      return tree;
    };

    it.each(TRIED)('$name: is done or not done', async ({ prepare = '', act, inSteps }) => {
      let mount = await start();
      const changes = async (): Promise<[Map<string, string>, Map<string, string>]> => {
        const before = shown();
        expect(inMount(act)).toMatchObject({ status: 0 });
        return [before, shown()];
      };
      expect(inMount(prepare)).toMatchObject({ status: 0 });
      const [before, after] = await changes();
      await mount.stop();

      const left: string[] = [];
      for (let at = LONG ? 0 : TODAY % 7; ; at += LONG ? 1 : 7) {
        scratch.sh('rm -rf upper work; mkdir upper work');
        mount = await start();
        expect(inMount(prepare)).toMatchObject({ status: 0 });
        inMount(`test ! -e .kill-${at}`);
        const survived = inMount(act).status === 0;
        // What comes next would be the clearing up of an unmount.
        if (survived) mount.process.kill('SIGKILL');
        await mount.exit;
        scratch.sh('umount -l mnt');
        if (survived) break;
        scratch.sh('cp -a upper upper.left; cp -a work work.left');
        const byKernel = kernelShows();
        await start();
        const seen = shown();
        const isWhole = [before, after].some((tree) => same(tree, seen));
        if (!isWhole && inSteps !== true) left.push(`change ${at}: ${differences(seen, before)}`);
        if (byKernel !== undefined && !same(byKernel, seen)) {
          left.push(`change ${at}, by the kernel: ${differences(byKernel, seen)}`);
        }
        await served?.stop();
      }
      expect(left).toEqual([]);
    });

    /** What the kernel shows of the upper that was left; undefined if it refuses it. */
    function kernelShows(): Map<string, string> | undefined {
      const options = 'lowerdir=lower,upperdir=upper.left,workdir=work.left,index=off,redirect_dir=follow';
      const { status } = spawnSync('mount', ['-t', 'overlay', 'overlay', '-o', options, 'mnt'], {
        cwd: scratch.path,
      });
      try {
        return status === 0 ? shown() : undefined;
      } finally {
        scratch.sh('umount mnt 2>/dev/null || true; rm -rf upper.left work.left');
      }
    }
  },
);

function same(one: Map<string, string>, other: Map<string, string>): boolean {
  return differences(one, other) === '';
}

function differences(is: Map<string, string>, wanted: Map<string, string>): string {
  const lines: string[] = [];
  for (const [path, line] of is) if (wanted.get(path) !== line) lines.push(`\n  + ${path} ${line}`);
  for (const [path, line] of wanted) if (is.get(path) !== line) lines.push(`\n  - ${path} ${line}`);
  return lines.join('');
}
