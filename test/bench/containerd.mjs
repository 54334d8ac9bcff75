// A containerd of a turn's own: root, state and socket in one folder.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, shell } from './measure.mjs';

/** Starts a program and waits until `isUp`, a script of sh with `$1`…, succeeds. Returns what ends it. */
export async function started(command, words, isUp, ...args) {
  const child = spawn(command, words, { stdio: 'ignore', cwd: '/' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const end = async () => {
    child.kill();
    await ended;
  };
  try {
    shell(`for i in $(seq 100); do ${isUp} >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1`, ...args);
    return end;
  } catch (error) {
    await end();
    throw error;
  }
}

/** Calls `use` with a function that runs ctr on a containerd in `at`; `config` are further lines of its configuration. */
export async function withContainerd(at, config, use) {
  const socket = join(at, 'c.sock');
  const file = join(at, 'config.toml');
  writeFileSync(
    file,
    `version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[plugins."io.containerd.internal.v1.opt"]
  path = "${join(at, 'opt')}"
${config}`,
  );
  const places = ['--root', join(at, 'containerd'), '--state', join(at, 'run'), '--address', socket];
  const words = ['--config', file, '--log-level', 'error', ...places];
  const end = await started('containerd', words, 'ctr --address "$1" version', socket);
  try {
    return use((...more) => must('ctr', ['--address', socket, ...more]));
  } finally {
    await end();
  }
}

/** What `show` says of the one image of a containerd, mounted. */
export function ofMountedImage(ctr, at, snapshotter, show) {
  const [name] = ctr('images', 'ls', '-q').split('\n');
  const mountPoint = join(at, 'mnt');
  mkdirSync(mountPoint);
  ctr('images', 'mount', '--snapshotter', snapshotter, name, mountPoint);
  try {
    return show(mountPoint);
  } finally {
    must('umount', [mountPoint]);
  }
}
