// The filesystems that are measured: ours over plain folders, on a store, as a view and through the mount program, the
// kernel's overlayfs, fuse-overlayfs; and, through fusermount3, what an ordinary user has of them (`user:NAME`). Each
// is given the same layers and is mounted and unmounted by its own ordinary command. Uppers lie on a tmpfs, to keep
// the disk out of it; those of a store lie in the store. containerd and umoci are there to import an image, and mount nothing.
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { must } from './measure.mjs';
import { serverAt, serverOf, upperOf } from './server.mjs';
import { asUser } from './user-turn.mjs';

const top = new URL('../..', import.meta.url).pathname;
const micaOf = (checkout) => join(checkout, 'bin/mica');

let counter = 0;

/** New folders of the user, where one mount has its parts. */
function foldersFor(parent, user, parts) {
  const at = join(parent, `${++counter}`);
  const paths = [at, ...parts.map((part) => join(at, part))];
  for (const path of paths) {
    mkdirSync(path);
    if (user !== undefined) chownSync(path, user.uid, user.gid);
  }
  return paths;
}

/** Runs a workload on a mount: in this process as root, and in one of his own as an ordinary user. */
function runOn(workload, fixtures, layers, user, place) {
  const { sizes } = fixtures;
  const tar = workload.unpacks ? fixtures.tar : undefined;
  const known = { sizes, tar, files: layers.files, ...place };
  if (user !== undefined) return asUser(user, workload, { ...known, mergedFile: layers.mergedFile });
  return workload.run({ ...known, merged: layers.merged });
}

function timedMount(mount) {
  const start = process.hrtime.bigint();
  mount();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/**
 * A contender that is handed upper and work folders: `mount(layers, lowers, upper, work, target, state)`, where lowers
 * are names relative to the folder `layers`, topmost first. upper and target are absolute. `serverFor(target, state)`
 * is the server of its mount, undefined where there is none.
 */
function overFolders(given, mount, serverFor) {
  const { fixtures, user } = given;
  return {
    ...given,
    async withMount(workload, ready) {
      const layers = fixtures.layers(workload.fixture, user);
      const parent = workload.upperOnDisk ? fixtures.onDisk : fixtures.uppers;
      const [at, upper, work, mountPoint] = foldersFor(parent, user, ['upper', 'work', 'mnt']);
      const state = fixtures.stateFor(user);
      const mountSeconds = timedMount(() =>
        mount(layers.folder, layers.names, upper, work, mountPoint, state),
      );
      try {
        const server = user === undefined ? serverFor(mountPoint, state) : undefined;
        ready(layers.folder);
        const { mica } = given;
        const place = { mica, state, mountPoint, upper, mountSeconds, ...server };
        return await runOn(workload, fixtures, layers, user, place);
      } finally {
        must('umount', [mountPoint]);
        rmSync(at, { recursive: true, force: true });
      }
    },
  };
}

/** A mount of the topmost snapshot of a store that holds the layers; `words` go to `mica mount`. */
function onStore(given, words, globalWords = []) {
  const { fixtures, checkout, user } = given;
  const warm = new Set();
  return {
    ...given,
    async withMount(workload, ready) {
      const { fixture } = workload;
      const layers = fixtures.layers(fixture, user);
      const { root, state, snapshot } = fixtures.store(fixture, checkout, user);
      const [at] = foldersFor(fixtures.uppers, user, []);
      const mica = (...args) =>
        must(
          process.execPath,
          [micaOf(checkout), '--root', root, '--state', state, ...globalWords, ...args],
          { cwd: '/', user },
        );
      const key = `bench-${counter}`;
      const mount = () => mica('mount', ...words, '--key', key, snapshot, at);
      // The first mount of a chain writes its index, which later ones find.
      if (!warm.has(fixture)) {
        mount();
        mica('umount', '--rm', at);
        warm.add(fixture);
      }
      const mountSeconds = timedMount(mount);
      try {
        const upper = words.includes('--read-only') ? undefined : upperOf(root, state, at);
        const server = user === undefined ? serverOf(checkout, state, at) : undefined;
        ready(join(root, 'snapshots'));
        return await runOn(workload, fixtures, layers, user, {
          mica: given.mica,
          state,
          mountPoint: at,
          upper,
          mountSeconds,
          ...server,
        });
      } finally {
        mica('umount', '--rm', at);
        rmSync(at, { recursive: true, force: true });
      }
    },
  };
}

function plain(given) {
  const { checkout, user } = given;
  const mount = (layers, lowers, upper, work, target, state) => {
    const lower = lowers.map((name) => join(layers, name)).join(':');
    const words = ['--state', state, 'mount', '--lower', lower, '--upper', upper, '--work', work, target];
    must(process.execPath, [micaOf(checkout), ...words], { cwd: '/', user });
  };
  return overFolders(given, mount, (target, state) => serverOf(checkout, state, target));
}

function byOption(given, command, serverFor) {
  const { user } = given;
  const mount = (layers, lowers, upper, work, target, state) => {
    const folders = `lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work}`;
    must(command[0], [...command.slice(1), '-o', folders, target], {
      cwd: layers,
      user,
      env: { MICA_STATE: state },
    });
  };
  return overFolders(given, mount, serverFor);
}

/** Ours of one checkout, as root. */
function oursOf(prefix, given) {
  return [
    plain({ ...given, name: `${prefix}micafs`, kind: 'plain' }),
    onStore({ ...given, name: `${prefix}store`, kind: 'store' }, []),
    onStore({ ...given, name: `${prefix}view`, kind: 'view' }, ['--read-only']),
  ];
}

/** Whoever may not read this checkout or has no fusermount3 cannot take part; the answer is the reason. */
function whyNotAs(user) {
  if (spawnSync('sh', ['-c', 'command -v fusermount3']).status !== 0) return 'there is no fusermount3';
  const tried = spawnSync(process.execPath, [micaOf(top), '--help'], { cwd: '/', ...user });
  return tried.status === 0 ? undefined : `user ${user.uid} cannot run ${micaOf(top)}`;
}

/**
 * All that can be mounted here; of two builds of ours, old ones are called `old NAME`. `fuseOverlayfs` is undefined
 * where there is none, and `user` where nobody but root is to take part. `note` is told what is left out, and why.
 */
export function contenders(fixtures, { against, fuseOverlayfs, user }, note) {
  const here = { fixtures, checkout: top, mica: micaOf(top) };
  if (against !== undefined) {
    const checkout = resolve(against);
    return [...oursOf('', here), ...oursOf('old ', { ...here, checkout, mica: micaOf(checkout) })];
  }
  const peer = (name, more) => ({ ...here, name, kind: name, ...more });
  const fuse = (name, more) =>
    byOption(peer('fuse-overlayfs', { name, ...more }), [fuseOverlayfs], (target) => serverAt(target));
  const all = [
    ...oursOf('', here),
    byOption(
      { ...here, name: 'mica-overlayfs', kind: 'program' },
      [join(top, 'bin/mica-overlayfs')],
      (target, state) => serverOf(top, state, target),
    ),
    onStore({ ...here, name: 'driver', kind: 'driver' }, ['--read-only'], ['--driver', 'overlay']),
    byOption(peer('kernel'), ['mount', '-t', 'overlay', 'overlay'], () => undefined),
  ];
  if (fuseOverlayfs === undefined) note('there is no fuse-overlayfs to compare with');
  else all.push(fuse('fuse-overlayfs', {}));
  for (const program of ['containerd', 'umoci']) {
    if (spawnSync(program, ['--version']).status === 0) all.push(peer(program));
    else note(`there is no ${program} to compare with`);
  }
  if (user === undefined) return all;
  const why = whyNotAs(user);
  if (why !== undefined) {
    note(`nothing is measured as an ordinary user: ${why}`);
    return all;
  }
  const his = { ...here, user };
  all.push(
    plain({ ...his, name: 'user:micafs', kind: 'plain' }),
    onStore({ ...his, name: 'user:store', kind: 'store' }, []),
  );
  if (fuseOverlayfs !== undefined) all.push(fuse('user:fuse-overlayfs', { user }));
  return all;
}

/** These have a turn where they are named. */
const SPECIAL = new Set(['driver', 'containerd', 'umoci']);

/** Whether a contender has a turn at a workload. */
export function takesPart({ kind, user }, { only, not = [], upperOnDisk, series }) {
  if ((series !== undefined || upperOnDisk) && user !== undefined) return false;
  if (only !== undefined) return user === undefined && only.includes(kind);
  return !SPECIAL.has(kind) && !not.includes(kind);
}
