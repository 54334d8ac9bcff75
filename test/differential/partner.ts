// A process that answers each line of JSON with a line: the one that makes the calls, and the one that serves our
// mounts. They can share a user namespace of their own.

import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';

interface Answer {
  readonly mismatch?: string;
  readonly error?: string;
  readonly log?: readonly string[];
  /** Whether there was anything to settle. */
  readonly settled?: boolean;
}

/** The process is gone, and nothing more can be tried with it. */
export class Ended extends Error {}

export class Partner {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** How it went: a signal, or a status. */
  readonly #exit: Promise<string>;

  /** `wrap`: words of a command that runs the program. */
  constructor(program: string, wrap: readonly string[] = []) {
    const [command, ...args] = [...wrap, process.execPath, program];
    this.process = spawn(command as string, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream });
    this.#lines = lines[Symbol.asyncIterator]();
    this.#exit = new Promise((resolve) =>
      this.process.once('exit', (code, signal) => resolve(signal ?? `status ${code}`)),
    );
    // A request that nobody reads any more is told of by the answer that does not come.
    this.process.stdin?.on('error', () => this.process.stdin?.destroy());
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Ended(`${this.process.spawnargs.at(-1)} has ended: ${await this.#exit}`);
    return value;
  }

  /** Throws, with all operations that led there, if the answer tells of a fault. */
  async ask(request: object): Promise<Answer> {
    this.process.stdin?.write(`${JSON.stringify(request)}\n`);
    const answer = JSON.parse(await this.line()) as Answer;
    const fault = answer.mismatch ?? answer.error;
    if (fault === undefined) return answer;
    throw new Error(`${fault}\nafter ${JSON.stringify(request).slice(0, 80)}\n  ${answer.log?.join('\n  ')}`);
  }

  async end(): Promise<void> {
    this.process.stdin?.end();
    await this.#exit;
  }
}

/**
 * Runs "$@" without the mounts that others have below the folder "$0", all but those below "$1": a copy would keep a
 * filesystem alive, and so its server, its upper or its disk in use, when its owner has unmounted it. Other folders
 * may be the system's. Not to be asked what they are: their servers may answer nobody.
 */
const WITHOUT_FOREIGN = `
  own=$1 foreign=
  shift
  for at in $(cut -d ' ' -f 5 /proc/self/mountinfo); do
    case $at in "$own"/*) ;; "$0"/*) foreign="$at $foreign" ;; esac
  done
  [ -z "$foreign" ] || umount --internal-only --no-canonicalize --lazy $foreign 2>/dev/null
  exec "$@"`;

/**
 * Two programs in a mount namespace of their own: what others copy of theirs keeps no mount of ours busy, nor ours one
 * of theirs. Of what is mounted in the temp dir they see the folder `own` alone. With `user` also in one user
 * namespace, in which every id means what it means outside.
 */
export async function inNamespace(
  first: string,
  second: string,
  { own, user }: { readonly own: string; readonly user: boolean },
): Promise<[Partner, Partner]> {
  const unshare = ['unshare', '--mount', '--propagation', 'private'];
  const words = [...unshare, 'sh', '-c', WITHOUT_FOREIGN, tmpdir(), own];
  // In the namespace of another user what was copied cannot be unmounted: so it is made after that.
  if (user) words.push(...unshare, '--user');
  const one = new Partner(first, [...words, 'sh', '-c', 'echo; read go; exec "$@"', 'sh']);
  await one.line();
  const { pid } = one.process;
  // unshare(1) would ask newuidmap(1) for this many ids, which gives only what /etc/subuid has.
  if (user)
    for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${pid}/${map}`, '0 0 4294967295\n');
  one.process.stdin?.write('\n');
  const kinds = user ? ['--user', '--mount'] : ['--mount'];
  const two = new Partner(second, ['nsenter', `--target=${pid}`, ...kinds, '--']);
  return [one, two];
}
