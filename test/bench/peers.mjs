// The filesystems that are measured: ours, the kernel's overlayfs, fuse-overlayfs. Each is given the same kind of
// folders and is mounted and unmounted by its own ordinary command.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const top = new URL('../..', import.meta.url).pathname;

function must(command, args, cwd) {
  const done = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 120_000 });
  if (done.status !== 0)
    throw new Error(`${command}: ${done.stderr?.trim() || done.error?.message || done.status}`);
}

/** Layers are named relative to `base`, as all three take them and the kernel's page of options wants it. */
const PEERS = {
  micafs: (base, lowers, upper, work, target) =>
    must(
      join(top, 'bin/mica'),
      [
        'mount',
        '--lower',
        lowers.map((name) => join(base, name)).join(':'),
        '--upper',
        join(base, upper),
        '--work',
        join(base, work),
        join(base, target),
      ],
      base,
    ),
  kernel: (base, lowers, upper, work, target) =>
    must(
      'mount',
      [
        '-t',
        'overlay',
        'overlay',
        '-o',
        `lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work}`,
        target,
      ],
      base,
    ),
  'fuse-overlayfs': (base, lowers, upper, work, target) =>
    must(
      'fuse-overlayfs',
      ['-o', `lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work}`, target],
      base,
    ),
};

export const NAMES = Object.keys(PEERS);

/** True if the peer can be mounted here at all. */
export function present(name) {
  return name !== 'fuse-overlayfs' || spawnSync('sh', ['-c', 'command -v fuse-overlayfs']).status === 0;
}

let counter = 0;

/**
 * Mounts fresh upper and work folders of `base` over `lowers` (topmost first), calls `body(mountPoint)`, unmounts.
 * Returns what body returns.
 */
export function withMount(peer, base, lowers, body) {
  const id = `${peer}-${++counter}`;
  const [upper, work, target] = [`upper-${id}`, `work-${id}`, `mnt-${id}`];
  for (const name of [upper, work, target]) mkdirSync(join(base, name));
  PEERS[peer](base, lowers, upper, work, target);
  const mountPoint = join(base, target);
  try {
    return body(mountPoint);
  } finally {
    must('umount', [mountPoint]);
    must('rm', ['-rf', join(base, upper), join(base, work), mountPoint]);
  }
}
