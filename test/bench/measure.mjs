// What all workloads share: running a shell script and its time, dropping caches, holding a result to what is wanted.
import { spawnSync } from 'node:child_process';

/** Runs a script of sh with `$1`…; `{ seconds, out }`. Throws with the first of stderr where it fails. */
export function shell(script, ...args) {
  const start = process.hrtime.bigint();
  const done = spawnSync('sh', ['-c', script, 'sh', ...args], {
    encoding: 'latin1',
    maxBuffer: 1 << 28,
    timeout: 600_000,
  });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (done.status !== 0)
    throw new Error(`${script}: ${done.stderr.trim().slice(0, 200) || done.signal || done.status}`);
  return { seconds, out: done.stdout };
}

/** Runs a program to its end and returns what it wrote; `user` is `{ uid, gid }` of who runs it, if not root. */
export function must(command, args, { cwd, user, input, env = {} } = {}) {
  const done = spawnSync(command, args, {
    cwd,
    input,
    encoding: 'utf8',
    // Certificates that a machine adds for Node take it 30 ms at each start, and no program here is there to read them.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined, ...env },
    timeout: 600_000,
    maxBuffer: 1 << 28,
    ...user,
  });
  if (done.status !== 0) {
    throw new Error(`${command} ${args[0]}: ${done.stderr?.trim() || done.error?.message || done.status}`);
  }
  return done.stdout;
}

/** Seconds that `body` takes. */
export function timed(body) {
  const start = process.hrtime.bigint();
  body();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** The value that `part` (0 to 1) of the values do not exceed. */
export function percentile(values, part) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}

/** `inodes`: names and attributes are forgotten; `disk`: the content of files and disk blocks too. */
export function dropCaches(what) {
  shell(`sync; echo ${what === 'disk' ? 3 : 2} > /proc/sys/vm/drop_caches`);
}

/** Brings the content of all files below a folder into the page cache. */
export function readAll(folder) {
  shell('find "$1" -xdev -type f -exec cat {} + > /dev/null', folder);
}

export function assertEqual(what, seen, wanted) {
  if (seen !== wanted) throw new Error(`${what}: ${seen}, not ${wanted}`);
}
