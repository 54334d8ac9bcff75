// Two uppers over the same lowers, one mounted by us and one by the kernel (index and redirect_dir on), and a
// process that makes every call on both. Between the parts of a history both are mounted anew; where the history
// says so they are swapped: ours is settled and mounted by the kernel, and the kernel's is mounted by us.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fromText, sys } from '../../dist/fs/index.js';
import { Scratch, Served } from '../mount/mounted.js';
import type { History } from './commands.js';
import type { Report } from './coverage.js';

const PROGRAM = fileURLToPath(new URL('./twin.mjs', import.meta.url));
const LOWEST = readFileSync(new URL('./lowest.sh', import.meta.url), 'utf8');

interface Answer {
  readonly mismatch?: string;
  readonly log?: readonly string[];
}

/** The process that makes the calls. One is enough for many histories. */
export class Caller {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    this.#process = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** Throws, with all operations that led there, if the two sides differ. */
  async ask(request: object): Promise<Answer> {
    this.#process.stdin?.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the calling process has ended');
    const answer = JSON.parse(value) as Answer;
    if (answer.mismatch === undefined) return answer;
    throw new Error(`${answer.mismatch}\nafter\n  ${answer.log?.join('\n  ')}`);
  }

  async report(): Promise<Report> {
    return (await this.ask({ do: 'report' })) as unknown as Report;
  }

  end(): void {
    this.#process.stdin?.end();
  }
}

/** The layers of one history, and what is mounted of them. */
class Twins {
  readonly #scratch = new Scratch();
  readonly #caller: Caller;
  #served: Served | undefined;
  #kernel = false;
  /** Which of the two uppers is mounted by us. */
  #ours = 'one';

  constructor(caller: Caller) {
    this.#caller = caller;
    for (const name of ['layer', 'layer-work', 'one', 'one-work', 'two', 'two-work', 'theirs']) {
      mkdirSync(this.#scratch.at(name));
    }
    // An ordinary user makes calls, too.
    this.#scratch.sh(`chmod 755 .\ncd lower\n${LOWEST}`);
  }

  /** Operations through the kernel make the topmost lower, with every mark that it knows. */
  async makeLayer(commands: History['layer']): Promise<void> {
    this.#mountKernel('lower', 'layer');
    const [theirs, upper] = [this.#scratch.at('theirs'), this.#scratch.at('layer')];
    await this.#caller.ask({ do: 'mounts', what: 'the topmost lower', sides: [theirs], upper });
    await this.#caller.ask({ do: 'run', commands });
    await this.unmount();
    this.#scratch.sh('rm -rf layer-work');
  }

  async mount(what: string): Promise<void> {
    const at = (name: string): string => this.#scratch.at(name);
    const theirs = this.#ours === 'one' ? 'two' : 'one';
    const marks = 'trusted';
    const lowers = ['layer', 'lower'].map((id) => ({ id, path: at(id), dialect: 'overlay', marks }) as const);
    const upper = {
      id: 'upper',
      path: at(this.#ours),
      work: at(`${this.#ours}-work`),
      dialect: 'overlay',
      marks,
    } as const;
    this.#served = await new Served({ mountPoint: at('mnt'), stack: { lowers, upper } }).live();
    this.#mountKernel(`layer:lower`, theirs);
    await this.#caller.ask({ do: 'mounts', what, sides: [at('mnt'), at('theirs')], upper: at(theirs) });
  }

  /** Both are mounted anew, and must show what they showed. */
  async remount(swap: boolean): Promise<void> {
    if (swap) await this.#settle();
    await this.unmount();
    if (swap) this.#ours = this.#ours === 'one' ? 'two' : 'one';
    await this.mount(swap ? 'swapped: each mounts what the other wrote' : 'mounted anew');
    await this.#caller.ask({ do: 'trees', since: !swap });
  }

  async #settle(): Promise<void> {
    await this.#caller.ask({ do: 'close' });
    const answer = await this.#served?.ask({ op: 'settle' });
    if (answer?.['error'] !== undefined) throw new Error(JSON.stringify(answer));
  }

  #mountKernel(lowers: string, upper: string): void {
    const lowerdir = lowers
      .split(':')
      .map((name) => this.#scratch.at(name))
      .join(':');
    const dirs = `lowerdir=${lowerdir},upperdir=${this.#scratch.at(upper)},workdir=${this.#scratch.at(`${upper}-work`)}`;
    const options = fromText(`${dirs},index=on,redirect_dir=on,metacopy=off`);
    sys.mount('overlay', fromText(this.#scratch.at('theirs')), 'overlay', 0, options);
    this.#kernel = true;
  }

  async unmount(): Promise<void> {
    await this.#caller.ask({ do: 'close' });
    if (this.#kernel) sys.unmount(fromText(this.#scratch.at('theirs')), 0);
    this.#kernel = false;
    const served = this.#served;
    this.#served = undefined;
    if (served !== undefined) await served.stop();
  }

  remove(): void {
    this.#scratch.remove();
  }
}

/** Lives through one history, and returns how often both were mounted anew. Throws where the two sides differ. */
export async function live(caller: Caller, { layer, parts }: History): Promise<number> {
  const twins = new Twins(caller);
  try {
    await caller.ask({ do: 'begin' });
    await twins.makeLayer(layer);
    await twins.mount('mounted');
    await caller.ask({ do: 'trees', since: false });
    for (const { commands, swap } of parts) {
      await caller.ask({ do: 'run', commands });
      await caller.ask({ do: 'trees', since: false });
      await twins.remount(swap);
    }
    await twins.remount(true);
    return parts.length + 1;
  } finally {
    await twins.unmount();
    twins.remove();
  }
}
