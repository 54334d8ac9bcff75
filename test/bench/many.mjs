// `npm run bench -- many`: 1, 10 and 50 mounts of one image, each by a process of its own and all by the shared host. What
// they need of memory, how long each takes to be there, how long stat(2) of a name that nobody asked for before takes in
// one while another is busy, and what is left of the others when one server is killed, or runs out of memory.
import { spawn } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { debianImage } from './image.mjs';
import { assertEqual, median, must, percentile, shell, timed } from './measure.mjs';

const COUNTS = [1, 10, 50];
const STATS = 1500;
/** MB (10^6 bytes) of 50 mounts in one host, there or used, sum of Pss. */
const AT_MOST = 600;
/** A heap that is large enough for a mount of the image, and too small for one that is asked for so many names. */
const SMALL_HEAP = { NODE_OPTIONS: '--max-old-space-size=16' };
const TOO_MANY = 60_000;

const program = new URL('../../bin/mica', import.meta.url).pathname;

/** Mounts of one image in a store of its own, by one kind of host. */
class Mounts {
  #base;
  #hosting;
  #words;
  #env;

  constructor(base, hosting, env = {}) {
    this.#base = base;
    this.#hosting = hosting;
    this.#env = env;
    this.#words = ['--root', join(base, 'root'), '--state', join(base, `state-${hosting}`)];
  }

  mica(...words) {
    const all = [program, ...this.#words, '--host', this.#hosting, ...words];
    return must(process.execPath, all, { cwd: '/', env: { ...process.env, ...this.#env } });
  }

  place(n) {
    return join(this.#base, 'mnt', `${n}`);
  }

  /** Makes `count` mounts one after the other; how long each took. */
  make(count) {
    return Array.from({ length: count }, (_, n) => {
      mkdirSync(this.place(n), { recursive: true });
      return timed(() => this.mica('mount', 'bench', this.place(n)));
    });
  }

  pids() {
    return [...new Set(JSON.parse(this.mica('mounts', '--json')).map(({ pid }) => pid))];
  }

  states() {
    return JSON.parse(this.mica('mounts', '--json')).map(({ state }) => state);
  }

  /** MB of all servers. */
  memory() {
    const texts = this.pids().map((pid) => readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
    const sum = (pattern) =>
      texts
        .flatMap((text) => [...text.matchAll(pattern)])
        .reduce((total, [, kib]) => total + (Number(kib) * 1024) / 1e6, 0);
    return { pss: sum(/^Pss: +(\d+)/gm), private: sum(/^Private_(?:Clean|Dirty): +(\d+)/gm) };
  }

  /** Every mount is walked, and changed a little. */
  use(count) {
    for (let n = 0; n < count; n++) {
      const script = 'cd "$1" && find . -printf "%s\\n" | wc -l && cp -a etc etc.new && rm -r etc.new';
      shell(script, this.place(n));
    }
  }

  /** p50 and p99 in ms of stat on new names of the first mount, while `script` runs in the second one. */
  async latency(script) {
    const busy =
      script === undefined ? undefined : spawn('sh', ['-c', script], { cwd: this.place(1), detached: true });
    const times = [];
    for (let n = 0; n < STATS; n++) {
      const start = process.hrtime.bigint();
      const found = lstatSync(join(this.place(0), `usr/none-${++names}`), { throwIfNoEntry: false });
      times.push(Number(process.hrtime.bigint() - start) / 1e6);
      assertEqual('a name that nobody made', found, undefined);
      await sleep(1);
    }
    if (busy !== undefined) {
      assertEqual('what keeps the other mount busy', busy.exitCode, null);
      // With what it has started.
      process.kill(-busy.pid, 'SIGKILL');
      while (isAnyOf(busy.pid)) await sleep(10);
      shell('rm -rf "$1"/busy*', this.place(1));
    }
    return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
  }

  async kill() {
    const [pid] = this.pids();
    process.kill(pid, 'SIGKILL');
    while (this.states().every((state) => state === 'live')) await sleep(10);
    const dead = this.states().filter((state) => state === 'dead').length;
    this.mica('umount', '--stale');
    return dead;
  }

  /** How many mounts are gone when the heap of one's thread is full. */
  async exhaust() {
    const [many, place] = [join(this.#base, 'many'), join(this.#base, 'mnt', 'many')];
    for (const folder of [many, place]) mkdirSync(folder, { recursive: true });
    shell('cd "$1" && seq -f "name-%06.0f" "$2" | xargs touch', many, `${TOO_MANY}`);
    this.mica('mount', '--read-only', '--lower', many, place);
    const before = this.states().length;
    // Its asker is told that the mount is gone.
    shell('timeout 60 ls -l "$1" >/dev/null 2>&1 || :', place);
    const until = performance.now() + 10_000;
    while (this.states().length === before && performance.now() < until) await sleep(10);
    return before - this.states().filter((state) => state === 'live').length;
  }

  end() {
    return timed(() => this.mica('umount', '--all', '--rm'));
  }
}

let names = 0;

/** Whether a process of that group is still there. */
function isAnyOf(group) {
  try {
    return process.kill(-group, 0);
  } catch (error) {
    if (error.code === 'ESRCH') return false;
    throw error;
  }
}

const CHURN = 'while :; do cp -a usr/share/doc busy; rm -r busy; done';
const WRITE = 'while :; do dd if=/dev/zero of=busy bs=4k count=20000 2>/dev/null; done';

/** Rows `{ host, mounts, ... }`; `say` hears each. */
export async function many(dir, say, counts = COUNTS) {
  const base = mkdtempSync(join(dir, 'mica-many-'));
  const rows = [];
  try {
    const { archive } = debianImage(base);
    new Mounts(base, 'own').mica('import', archive, '--name', 'bench');
    for (const hosting of ['own', 'shared']) {
      for (const count of counts) {
        const mounts = new Mounts(base, hosting);
        const starts = mounts.make(count).map((seconds) => seconds * 1000);
        const idle = mounts.memory();
        const alone = await mounts.latency();
        const others = count === 1 ? undefined : await mounts.latency(CHURN);
        const writing = count === 1 ? undefined : await mounts.latency(WRITE);
        mounts.use(count);
        const used = mounts.memory();
        const killed = await mounts.kill();
        const endSeconds = mounts.end();
        const small = new Mounts(base, hosting, SMALL_HEAP);
        small.make(count);
        const exhausted = await small.exhaust();
        small.end();
        const row = {
          host: hosting,
          mounts: count,
          firstMs: starts[0],
          startMs: median(starts),
          idle,
          used,
          alone,
          busy: others,
          writing,
          killed,
          exhausted,
          endSeconds,
        };
        rows.push(row);
        say(row);
      }
    }
    return rows;
  } finally {
    shell('grep -o "$1[^ ]*" /proc/self/mounts | xargs -r umount -l', `${base}/mnt/`);
    rmSync(base, { recursive: true, force: true });
  }
}

const HEADS = [
  ...['host', 'mounts', 'first', 'start', 'Pss', 'private', 'Pss used', 'private'],
  ...['p99', 'p99 churn', 'p99 write', 'dead', 'full', 'end'],
];
const WIDTH = 10;

export const manyHeader = () => `${HEADS.map((head) => head.padStart(WIDTH)).join('')}\n`;

/** Milliseconds, MB; how many mounts died with one server, and with one whose heap was full. */
export function manyLine(row) {
  const number = (value, digits = 0) => (value === undefined ? '-' : value.toFixed(digits));
  return `${[
    row.host,
    `${row.mounts}`,
    ...[row.firstMs, row.startMs, row.idle.pss, row.idle.private, row.used.pss, row.used.private].map(
      (value) => number(value),
    ),
    ...[row.alone, row.busy, row.writing].map((times) => number(times?.p99, 2)),
    `${row.killed}`,
    `${row.exhausted}`,
    number(row.endSeconds * 1000),
  ]
    .map((cell) => cell.padStart(WIDTH))
    .join('')}\n`;
}

/** What is above its target, a line each. */
export function manyFailures(rows) {
  return rows
    .filter(({ host, mounts }) => host === 'shared' && mounts === 50)
    .flatMap(({ idle, used, exhausted }) => [
      ...tooMuch('are there', idle.pss),
      ...tooMuch('were used', used.pss),
      ...(exhausted === 1 ? [] : [`${exhausted} mounts of one host are gone with one thread`]),
    ]);
}

function tooMuch(what, mb) {
  return mb > AT_MOST
    ? [`50 mounts in one host that ${what} take ${mb.toFixed(0)} MB, more than ${AT_MOST}`]
    : [];
}
