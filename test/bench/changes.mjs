// Workloads that change many small files.
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { TAR_FILES } from './fixture.mjs';
import { assertEqual, shell, timed } from './measure.mjs';

function unpacked({ mountPoint, fixtures }) {
  const at = join(mountPoint, 'untar');
  mkdirSync(at);
  return { at, ...shell('tar -C "$1" -xf "$2"', at, fixtures.tar) };
}

function untar(given) {
  const { at, seconds } = unpacked(given);
  assertEqual('files unpacked', Number(shell('find "$1" -type f | wc -l', at).out), TAR_FILES);
  assertEqual('content', readFileSync(join(at, 'd7/f42'), 'utf8'), 'content 7 42\n'.repeat(40));
  return seconds;
}

function removeOwn(given) {
  unpacked(given);
  const { seconds } = shell('rm -r "$1/untar"', given.mountPoint);
  assertEqual('entries left', shell('ls -A "$1" | grep -c untar || true', given.mountPoint).out, '0\n');
  return seconds;
}

function removeLower({ mountPoint }) {
  const { seconds } = shell('cd "$1" && rm -r shared*', mountPoint);
  assertEqual('entries left', Number(shell('ls -A "$1" | wc -l', mountPoint).out), 0);
  return seconds;
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
  return seconds;
}

function chmod({ mountPoint, merged }) {
  const { seconds } = shell('chmod -R o-r "$1"/shared*', mountPoint);
  for (const path of [...merged.keys()].slice(0, 500))
    assertEqual(`mode of ${path}`, statSync(join(mountPoint, path)).mode & 0o777, 0o640);
  return seconds;
}

const GIT = `
cd "$1" && export GIT_CONFIG_GLOBAL=/dev/null HOME="$1" &&
git -c init.defaultBranch=main init -q && git add untar/d1 untar/d2 untar/d3 untar/d4 untar/d5 untar/d6 untar/d7 untar/d8 untar/d9 &&
git -c user.name=a -c user.email=a@b commit -qm one && rm -r untar/d1 untar/d2 && git reset -q --hard`;

function git(given) {
  unpacked(given);
  const { seconds } = shell(GIT, given.mountPoint);
  assertEqual('changes', shell('cd "$1" && git status --short untar/d1 untar/d9', given.mountPoint).out, '');
  return seconds;
}

const not = ['view'];
const slower = (kernel, fuseOverlayfs) => [
  { ours: 'micafs', than: 'kernel', atMost: kernel },
  ...(fuseOverlayfs === undefined ? [] : [{ ours: 'micafs', than: 'fuse-overlayfs', atMost: fuseOverlayfs }]),
];

export const CHANGES = [
  { name: 'untar 15,000 files', fixture: 2, run: untar, not, targets: slower(5.5, 0.75) },
  { name: 'rm -r of new files', fixture: 2, run: removeOwn, not, targets: slower(5) },
  { name: 'rm -r of a lower tree', fixture: 40, run: removeLower, not, targets: slower(3.5) },
  { name: 'append to 3,000 lower files', fixture: 2, run: append, not, targets: slower(4) },
  { name: 'chmod -R of a lower tree', fixture: 2, run: chmod, not, targets: slower(2) },
  { name: 'git add, commit, reset', fixture: 2, run: git, not, targets: slower(1.5) },
];
