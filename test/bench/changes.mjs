// Workloads that change many small files. Requests are those of our servers; the kernel and fuse-overlayfs tell none.
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { assertEqual, shell, timed } from './measure.mjs';

/** `{ seconds, requests }` of a script, requests divided by `entries`; without, where the mount does not count any. */
async function counted(given, entries, script, ...args) {
  const before = await given.requests?.();
  const { seconds } = shell(script, ...args);
  const after = await given.requests?.();
  return before === undefined ? { seconds } : { seconds, requests: (after - before) / entries };
}

function unpack(given) {
  const at = join(given.mountPoint, 'untar');
  mkdirSync(at);
  return counted(given, given.sizes.tarFiles, 'tar -C "$1" -xf "$2"', at, given.tar);
}

async function untar(given) {
  const values = await unpack(given);
  const at = join(given.mountPoint, 'untar');
  assertEqual('files unpacked', Number(shell('find "$1" -type f | wc -l', at).out), given.sizes.tarFiles);
  assertEqual('content', readFileSync(join(at, 'd7/f42'), 'utf8'), 'content 7 42\n'.repeat(40));
  return values;
}

async function removeOwn(given) {
  await unpack(given);
  const { mountPoint } = given;
  const entries = Number(shell('find "$1/untar" | wc -l', mountPoint).out);
  const values = await counted(given, entries, 'rm -r "$1/untar"', mountPoint);
  assertEqual('entries left', shell('ls -A "$1" | grep -c untar || true', mountPoint).out, '0\n');
  return values;
}

async function removeLower(given) {
  const { mountPoint } = given;
  const entries = Number(shell('find "$1" -mindepth 1 | wc -l', mountPoint).out);
  const values = await counted(given, entries, 'cd "$1" && rm -r shared*', mountPoint);
  assertEqual('entries left', Number(shell('ls -A "$1" | wc -l', mountPoint).out), 0);
  return values;
}

function append({ mountPoint, merged }) {
  const paths = [...merged.keys()].slice(0, 3000);
  const seconds = timed(() => {
    for (const path of paths) {
      const fd = openSync(join(mountPoint, path), 'a');
      writeSync(fd, '!');
      closeSync(fd);
    }
  });
  for (const path of paths)
    assertEqual(`content of ${path}`, readFileSync(join(mountPoint, path), 'utf8'), `${merged.get(path)}!`);
  return { seconds };
}

function chmod({ mountPoint, merged }) {
  const { seconds } = shell('chmod -R o-r "$1"/shared*', mountPoint);
  for (const path of [...merged.keys()].slice(0, 500))
    assertEqual(`mode of ${path}`, statSync(join(mountPoint, path)).mode & 0o777, 0o640);
  return { seconds };
}

const GIT = `
cd "$1" && export GIT_CONFIG_GLOBAL=/dev/null HOME="$1" &&
git -c init.defaultBranch=main init -q && git add untar/d1 untar/d2 untar/d3 untar/d4 untar/d5 untar/d6 untar/d7 untar/d8 untar/d9 &&
git -c user.name=a -c user.email=a@b commit -qm one && rm -r untar/d1 untar/d2 && git reset -q --hard`;

async function git(given) {
  await unpack(given);
  const { seconds } = shell(GIT, given.mountPoint);
  const { out } = shell(
    'cd "$1" && HOME="$1" git status --short untar/d1 untar/d9 && git ls-files | wc -l',
    given.mountPoint,
  );
  assertEqual('changes and files', out, '900\n');
  return { seconds };
}

const not = ['view'];
const slower = (kernel, fuseOverlayfs) => [
  { ours: 'micafs', than: 'kernel', atMost: kernel },
  ...(fuseOverlayfs === undefined ? [] : [{ ours: 'micafs', than: 'fuse-overlayfs', atMost: fuseOverlayfs }]),
];
const requests = (entry, atMost) => ({
  unit: `requests a${entry === 'entry' ? 'n' : ''} ${entry}`,
  targets: [
    { ours: 'micafs', atMost },
    { ours: 'store', atMost },
  ],
});

export const CHANGES = [
  {
    name: 'untar 15,000 files',
    fixture: '2',
    run: untar,
    unpacks: true,
    not,
    measures: { seconds: slower(5.5, 0.75), requests: requests('file', 8) },
  },
  {
    name: 'rm -r of new files',
    fixture: '2',
    run: removeOwn,
    unpacks: true,
    not,
    measures: { seconds: slower(5), requests: requests('entry', 2) },
  },
  {
    name: 'rm -r of a lower tree',
    fixture: '40',
    run: removeLower,
    not,
    measures: { seconds: slower(3.5), requests: requests('entry', 2) },
  },
  {
    name: 'append to 3,000 lower files',
    fixture: '2',
    // Else whoever is first reads them from the disk for the others.
    caches: 'read',
    run: append,
    not,
    measures: { seconds: slower(4) },
  },
  { name: 'chmod -R of a lower tree', fixture: '2', run: chmod, not, measures: { seconds: slower(2) } },
  {
    name: 'git add, commit, reset',
    fixture: '2',
    run: git,
    unpacks: true,
    not,
    measures: { seconds: slower(1.5) },
  },
];
