// Two uppers over the same lowers, one mounted by us and one by the kernel, and a process that makes every call on
// both. Between the parts of a history both are mounted anew; where the history says so they are swapped: ours is
// settled and mounted by the kernel, and the kernel's is mounted by us.

import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { leaveExt4, mountExt4 } from '../ext4.js';
import { Scratch } from '../mount/mounted.js';
import { GROUNDS, type Ground, type History, type Kernel } from './commands.js';
import type { Report } from './coverage.js';
import { inNamespace, type Partner } from './partner.js';

const LOWEST = readFileSync(new URL('./lowest.sh', import.meta.url), 'utf8');
/** In a user namespace the kernel has no index, and so splits the hard links of a lower layer. */
const UNLINKED = LOWEST.replaceAll(/\bln ([a-z])/g, 'cp $1');
const program = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** What the kernel's mount is asked for; ours is asked for the same marks. */
const OPTIONS: Readonly<Record<Kernel, string>> = {
  plain: 'index=on,redirect_dir=on,metacopy=off',
  metacopy: 'index=on,redirect_dir=on,metacopy=on',
  userxattr: 'userxattr,index=on',
};

/** Numbers of layers on several filesystems are told apart by their upper bits. */
const SEVERAL = 'xino=on';
const GROUND_BYTES = 64 * 1024 ** 2;

/** The process that makes the calls, the one that serves our mounts, and the lowest layer. All histories share them. */
export class Stage {
  readonly scratch: Scratch;
  readonly caller: Partner;
  readonly server: Partner;

  /** The kernel has an index of hard links, so that lower layers can have some. */
  readonly index: boolean;

  private constructor(scratch: Scratch, caller: Partner, server: Partner, index: boolean) {
    this.scratch = scratch;
    this.caller = caller;
    this.server = server;
    this.index = index;
    // An ordinary user makes calls, too.
    scratch.sh('chmod 755 .');
    for (const ground of GROUNDS) scratch.sh(`cd lower-${ground}\n${index ? LOWEST : UNLINKED}`);
  }

  static async begin(where: 'first namespace' | 'user namespace'): Promise<Stage> {
    const scratch = new Scratch();
    for (const ground of GROUNDS) mkdirSync(scratch.at(`lower-${ground}`));
    mountExt4(scratch.at('lower-ext4'), GROUND_BYTES);
    scratch.sh('rmdir lower-ext4/lost+found; mount -t tmpfs -o mode=755 tmpfs lower-tmpfs');
    const user = where === 'user namespace';
    const [caller, server] = await inNamespace(program('./twin.mjs'), program('./server.mjs'), {
      own: scratch.path,
      user,
    });
    return new Stage(scratch, caller, server, !user);
  }

  async report(): Promise<Report> {
    return (await this.caller.ask({ do: 'report' })) as unknown as Report;
  }

  async end(): Promise<void> {
    await Promise.all([this.caller.end(), this.server.end()]);
    for (const ground of GROUNDS) leaveExt4(this.scratch.at(`lower-${ground}`));
    this.scratch.remove();
  }
}

/** The layers of one history, and what is mounted of them. */
class Twins {
  readonly #stage: Stage;
  readonly #options: string;
  readonly #marks: 'trusted' | 'user';
  readonly #at: (name: string) => string;
  #kernelMounted = false;
  #served = false;
  #swapped = false;
  /** Which of the two uppers is mounted by us. */
  #ours = 'one';
  #mounts = 0;

  constructor(stage: Stage, kernel: Kernel, ground: Ground) {
    this.#stage = stage;
    this.#options = ground === 'here' ? OPTIONS[kernel] : `${OPTIONS[kernel]},${SEVERAL}`;
    this.#marks = kernel === 'userxattr' ? 'user' : 'trusted';
    this.#at = (name) => stage.scratch.at(name === 'lower' ? `lower-${ground}` : `history/${name}`);
    mkdirSync(this.#at(''));
    for (const name of ['layer', 'layer-work', 'one', 'one-work', 'two', 'two-work', 'mnt', 'theirs']) {
      mkdirSync(this.#at(name));
    }
  }

  /** Operations through the kernel make the topmost lower, with every mark that it knows. */
  async makeLayer(commands: History['layer']): Promise<void> {
    await this.#mountKernel('lower', 'layer', this.#options);
    await this.#enter('the topmost lower', [this.#at('theirs')], 'layer', this.#stage.index);
    await this.#stage.caller.ask({ do: 'run', commands });
    await this.unmount();
    this.#stage.scratch.sh('rm -rf history/layer-work');
  }

  async mount(what: string): Promise<void> {
    const theirs = this.#ours === 'one' ? 'two' : 'one';
    const rest = { dialect: 'overlay', marks: this.#marks } as const;
    const lowers = ['layer', 'lower'].map((id) => ({ id, path: this.#at(id), ...rest }));
    const folders = { path: this.#at(this.#ours), work: this.#at(`${this.#ours}-work`) };
    // In turn files are written in part, and copied whole.
    const parts = this.#mounts++ % 2 === 0 ? { partsFrom: 1 } : {};
    const upper = { id: 'upper', ...folders, ...parts, ...rest };
    await this.#stage.server.ask({ mount: { mountPoint: this.#at('mnt'), stack: { lowers, upper } } });
    this.#served = true;
    await this.#mountKernel('layer:lower', theirs, this.#options);
    await this.#enter(what, [this.#at('mnt'), this.#at('theirs')], theirs);
  }

  async compare(): Promise<void> {
    await this.#stage.caller.ask({ do: 'trees', since: false });
  }

  /** Both are mounted anew, and must show what they showed. */
  async remount(swap: boolean): Promise<void> {
    const settled = swap && (await this.#settle());
    await this.unmount();
    if (settled || (swap && !this.#swapped)) await this.#compareWithoutIndex();
    this.#swapped ||= swap;
    if (swap) this.#ours = this.#ours === 'one' ? 'two' : 'one';
    await this.mount(swap ? 'swapped: each mounts what the other wrote' : 'mounted anew');
    await this.#stage.caller.ask({ do: 'trees', since: !swap });
  }

  async #enter(what: string, sides: readonly string[], upper: string, links = true): Promise<void> {
    const { index } = this.#stage;
    const about = { marks: this.#marks, links, index, swapped: this.#swapped };
    const request = { do: 'mounts', what, sides, upper: this.#at(upper), ...about };
    await this.#stage.caller.ask(request);
  }

  /** False if there was nothing to settle. */
  async #settle(): Promise<boolean> {
    await this.#stage.caller.ask({ do: 'close' });
    return (await this.#stage.server.ask({ op: 'settle' })).settled === true;
  }

  /**
   * What ours has settled shows the same tree under the kernel, without the index as well. An upper that the kernel
   * wrote and ours had nothing to settle in may need its index.
   */
  async #compareWithoutIndex(): Promise<void> {
    await this.#mountKernel('layer:lower', this.#ours, this.#options.replace('index=on', 'index=off'));
    await this.#stage.caller.ask({ do: 'settled', root: this.#at('theirs') });
    await this.unmount();
  }

  async #mountKernel(lowers: string, upper: string, options: string): Promise<void> {
    const lowerdir = lowers.split(':').map(this.#at).join(':');
    const dirs = `lowerdir=${lowerdir},upperdir=${this.#at(upper)},workdir=${this.#at(`${upper}-work`)}`;
    const request = { do: 'kernel-mount', target: this.#at('theirs'), options: `${dirs},${options}` };
    await this.#stage.caller.ask(request);
    this.#kernelMounted = true;
  }

  async unmount(): Promise<void> {
    await this.#stage.caller.ask({ do: 'close' });
    if (this.#kernelMounted)
      await this.#stage.caller.ask({ do: 'kernel-unmount', target: this.#at('theirs') });
    this.#kernelMounted = false;
    if (this.#served) await this.#stage.server.ask({ op: 'stop' });
    this.#served = false;
  }

  remove(): void {
    this.#stage.scratch.sh('rm -rf history');
  }
}

/** Lives through one history, and returns how often both were mounted anew. Throws where the two sides differ. */
export async function live(stage: Stage, { kernel, ground, layer, parts }: History): Promise<number> {
  const twins = new Twins(stage, kernel, ground);
  try {
    await stage.caller.ask({ do: 'begin' });
    await twins.makeLayer(layer);
    await twins.mount('mounted');
    await twins.compare();
    for (const { commands, swap } of parts) {
      await stage.caller.ask({ do: 'run', commands });
      await twins.compare();
      await twins.remount(swap);
    }
    await twins.remount(true);
    return parts.length + 1;
  } finally {
    await twins.unmount();
    twins.remove();
  }
}
