// The filesystems that are measured: ours over plain folders, on a store and through the mount program, the kernel's
// overlayfs, fuse-overlayfs. Each is given the same layers and is mounted and unmounted by its own ordinary command.
// Uppers lie on a tmpfs, to keep the disk out of it; those of a store lie in the store.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const top = new URL('../..', import.meta.url).pathname;

export function must(command, args, cwd) {
  const done = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 300_000, maxBuffer: 1 << 28 });
  if (done.status !== 0) {
    throw new Error(`${command} ${args[0]}: ${done.stderr?.trim() || done.error?.message || done.status}`);
  }
  return done.stdout;
}

let counter = 0;

/**
 * A contender that is handed upper and work folders: `mount(layers, lowers, upper, work, target)`, where lowers are
 * names relative to the folder `layers`, topmost first. upper and target are absolute.
 */
function overFolders(name, kind, fixtures, mount) {
  return {
    name,
    kind,
    withMount(fixture, body) {
      const { folder, names, merged } = fixtures.layers(fixture);
      const at = join(fixtures.uppers, `${++counter}`);
      const [upper, work, mountPoint] = ['upper', 'work', 'mnt'].map((part) => join(at, part));
      for (const path of [upper, work, mountPoint]) mkdirSync(path, { recursive: true });
      mount(folder, names, upper, work, mountPoint);
      try {
        return body({ mountPoint, merged, upper });
      } finally {
        must('umount', [mountPoint]);
        rmSync(at, { recursive: true, force: true });
      }
    },
  };
}

/** A mount of the topmost snapshot of a store that holds the layers; `words` go to `mica mount`. */
function onStore(name, kind, fixtures, checkout, words) {
  return {
    name,
    kind,
    withMount(fixture, body) {
      const { merged } = fixtures.layers(fixture);
      const { root, state, snapshot } = fixtures.store(fixture, checkout);
      const mountPoint = join(fixtures.uppers, `${++counter}`);
      mkdirSync(mountPoint);
      const mica = (...args) => must(join(checkout, 'bin/mica'), ['--root', root, '--state', state, ...args]);
      const key = `bench-${counter}`;
      mica('mount', ...words, '--key', key, snapshot, mountPoint);
      try {
        const upper = JSON.parse(mica('snapshot', 'mounts', key, '--json'))
          .flatMap(({ options }) => options)
          .find((option) => option.startsWith('upperdir='));
        return body({ mountPoint, merged, upper: upper?.slice('upperdir='.length) });
      } finally {
        mica('umount', '--rm', mountPoint);
        rmSync(mountPoint, { recursive: true, force: true });
      }
    },
  };
}

function plain(name, fixtures, checkout) {
  return overFolders(name, 'plain', fixtures, (layers, lowers, upper, work, target) =>
    must(join(checkout, 'bin/mica'), [
      'mount',
      '--lower',
      lowers.map((lower) => join(layers, lower)).join(':'),
      '--upper',
      upper,
      '--work',
      work,
      target,
    ]),
  );
}

function byOption(name, kind, fixtures, command) {
  return overFolders(name, kind, fixtures, (layers, lowers, upper, work, target) =>
    must(
      command[0],
      [...command.slice(1), '-o', `lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work}`, target],
      layers,
    ),
  );
}

function found(command) {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', command]).status === 0;
}

/** All that can be mounted here; of two builds of ours, old ones are called `old NAME`. */
export function contenders(fixtures, options) {
  const ours = (prefix, checkout) => [
    plain(`${prefix}micafs`, fixtures, checkout),
    onStore(`${prefix}store`, 'store', fixtures, checkout, []),
    onStore(`${prefix}view`, 'view', fixtures, checkout, ['--read-only']),
  ];
  if (options.against !== undefined) {
    return [...ours('', top), ...ours('old ', resolve(options.against))];
  }
  const fuseOverlayfs = options['fuse-overlayfs'];
  return [
    ...ours('', top),
    byOption('mica-overlayfs', 'program', fixtures, [join(top, 'bin/mica-overlayfs')]),
    byOption('kernel', 'peer', fixtures, ['mount', '-t', 'overlay', 'overlay']),
    ...(found(fuseOverlayfs) ? [byOption('fuse-overlayfs', 'peer', fixtures, [fuseOverlayfs])] : []),
  ];
}
