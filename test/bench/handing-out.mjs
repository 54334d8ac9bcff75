// `npm run bench -- handing-out`: what a container costs by the way in which containerd is handed its snapshot: the name of
// a program that mounts (`mica serve --mounts program`), a bind of what the mount host has mounted (`bind`), and beside them
// containerd's own overlayfs. All three serve one containerd; they take turns, and what runs inside answers from its tree.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { debianImage } from './image.mjs';
import { assertEqual, median, must, percentile, shell, timed } from './measure.mjs';

const program = new URL('../../bin/mica', import.meta.url).pathname;
const WAYS = ['overlayfs', 'program', 'bind'];
const CONTAINERS = 10;

/** One containerd, and a server of ours for each way. */
class Engine {
  #base;
  #children = [];

  constructor(base) {
    this.#base = base;
  }

  async start() {
    const ours = WAYS.filter((way) => way !== 'overlayfs');
    const plugins = ours.map(
      (way) => `[proxy_plugins.${way}]\n  type = "snapshot"\n  address = "${join(this.#base, way, 's')}"\n`,
    );
    const off = ['grpc.v1.cri', 'snapshotter.v1.btrfs', 'snapshotter.v1.zfs', 'snapshotter.v1.devmapper'];
    const disabled = off.map((name) => `"io.containerd.${name}"`).join(', ');
    writeFileSync(
      join(this.#base, 'config'),
      `version = 2\nroot = "${join(this.#base, 'r')}"\nstate = "${join(this.#base, 't')}"\ndisabled_plugins = [${disabled}]\n` +
        `[grpc]\n  address = "${join(this.#base, 'c')}"\n[ttrpc]\n  address = "${join(this.#base, 'c.t')}"\n${plugins.join('')}`,
    );
    for (const way of ours) {
      mkdirSync(join(this.#base, way));
      this.#launch(process.execPath, [
        ...[program, ...this.#store(way), 'serve', '--mounts', way, '--address', join(this.#base, way, 's')],
      ]);
    }
    this.#launch('containerd', ['--config', join(this.#base, 'config'), '--log-level', 'fatal']);
    for (
      let tries = 0;
      spawnSync('ctr', ['--address', join(this.#base, 'c'), 'version']).status !== 0;
      tries++
    ) {
      if (tries === 100) throw new Error('containerd does not answer');
      await sleep(100);
    }
    for (const way of ours)
      shell(
        'for i in $(seq 100); do [ -S "$1" ] && exit; sleep 0.1; done; exit 1',
        join(this.#base, way, 's'),
      );
  }

  #launch(command, words) {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...words], { stdio: 'ignore' });
    this.#children.push({ child, ended: new Promise((resolve) => child.once('exit', resolve)) });
  }

  #store(way) {
    return ['--root', join(this.#base, way, 'root'), '--state', join(this.#base, way, 'state')];
  }

  get address() {
    return join(this.#base, 'c');
  }

  ctr(...words) {
    return must('ctr', ['--address', join(this.#base, 'c'), ...words], { cwd: '/' });
  }

  /** Whether a file of its tree can be read inside the container, which was not read there before. */
  answers(id) {
    const words = [
      '--address',
      join(this.#base, 'c'),
      'task',
      'exec',
      '--exec-id',
      `e${id}`,
      id,
      'cat',
      '/etc/debian_version',
    ];
    return spawnSync('timeout', ['20', 'ctr', ...words], { cwd: '/' }).status === 0;
  }

  mounts(way) {
    if (way === 'overlayfs') return [];
    return JSON.parse(
      must(process.execPath, [program, ...this.#store(way), 'mounts', '--json'], { cwd: '/' }),
    );
  }

  async stop() {
    for (const { child } of this.#children) child.kill('SIGTERM');
    await Promise.all(this.#children.map(({ ended }) => ended));
    for (const way of WAYS.slice(1)) {
      spawnSync(process.execPath, [program, ...this.#store(way), 'umount', '--all'], { cwd: '/' });
    }
    shell('grep -o "$1[^ ]*" /proc/self/mounts | xargs -r umount -l', `${this.#base}/`);
  }
}

/** MB, sum of Pss. */
function memoryOf(pids) {
  const texts = pids.map((pid) => readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  return texts.reduce((sum, text) => sum + (Number(/^Pss: +(\d+)/m.exec(text)?.[1]) * 1024) / 1e6, 0);
}

/** What many containers take that run, how many of them answer after SIGKILL of one server, and whether all can go then. */
async function held(engine, way, name) {
  const ids = Array.from({ length: CONTAINERS }, (_, n) => `${way}-${process.pid}-held${n}`);
  for (const id of ids) engine.ctr('run', '-d', '--snapshotter', way, name, id, 'sleep', '1000');
  // What rests has given back what it does not need.
  await sleep(5000);
  const pids = [...new Set(engine.mounts(way).map(({ pid }) => pid))];
  const mb = memoryOf(pids) / CONTAINERS;
  let dead = 0;
  if (pids.length > 0) {
    process.kill(pids.at(-1), 'SIGKILL');
    while (engine.mounts(way).every(({ state }) => state === 'live')) await sleep(20);
    dead = ids.filter((id) => !engine.answers(id)).length;
  }
  for (const id of ids) engine.ctr('task', 'kill', '--signal', 'KILL', id);
  for (const id of ids) {
    shell(
      'for i in $(seq 100); do ctr --address "$1" task rm "$2" 2>/dev/null && exit; sleep 0.1; done; exit 1',
      engine.address,
      id,
    );
    engine.ctr('container', 'rm', id);
  }
  engine.ctr('run', '--rm', '--snapshotter', way, name, `${way}-${process.pid}-after`, 'true');
  return { mb, dead, left: engine.mounts(way).length };
}

/** Rows `{ way, seconds, mb, dead, left }` of containers; `rounds` of each in turn. */
export async function handingOut(dir, rounds) {
  const base = mkdtempSync(join(dir, 'mh-'));
  const engine = new Engine(base);
  try {
    const { archive } = debianImage(base);
    await engine.start();
    for (const way of WAYS) engine.ctr('images', 'import', '--snapshotter', way, archive);
    const [name] = engine.ctr('images', 'ls', '-q').split('\n');
    const seconds = new Map(WAYS.map((way) => [way, []]));
    for (let round = 0; round <= rounds; round++) {
      for (const way of WAYS) {
        const words = [
          'run',
          '--rm',
          '--snapshotter',
          way,
          name,
          `${way}-${process.pid}-${round}`,
          'cat',
          '/etc/debian_version',
        ];
        const time = timed(() =>
          assertEqual('what is read inside', engine.ctr(...words).trim() !== '', true),
        );
        // The first one finds nothing in any cache.
        if (round > 0) seconds.get(way).push(time);
      }
    }
    const rows = [];
    for (const way of WAYS) rows.push({ way, seconds: seconds.get(way), ...(await held(engine, way, name)) });
    return rows;
  } finally {
    await engine.stop();
    rmSync(base, { recursive: true, force: true });
  }
}

const WIDTH = 12;
const HEADS = ['way', 'run ms', 'p90', 'MB each', 'dead', 'left'];
export const handingHeader = () => `${HEADS.map((head) => head.padStart(WIDTH)).join('')}\n`;

/** Milliseconds of `ctr run --rm`, MB of servers for each container that runs, how many of ten a dead server took along. */
export const handingLine = ({ way, seconds, mb, dead, left }) =>
  `${[
    way,
    (median(seconds) * 1000).toFixed(0),
    (percentile(seconds, 0.9) * 1000).toFixed(0),
    mb.toFixed(1),
    `${dead}`,
    `${left}`,
  ]
    .map((cell) => cell.padStart(WIDTH))
    .join('')}\n`;

/** What was not cleaned up, a line each. */
export const handingFailures = (rows) =>
  rows.filter(({ left }) => left > 0).map(({ way, left }) => `${left} mounts of ${way} are left`);
