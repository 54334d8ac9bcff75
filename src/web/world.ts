// A small world of layers, containers and images, on which the lessons are played: which layers there are, who stands on
// which, and the words that change that (commit, run, tag, gc, ...). What a layer or a union is it leaves to its backend:
// the union in this page's memory, or folders and real mounts. Words about files go to shell.ts.

import type { Explanation, UnionEvent } from '../../fs/memory.js';
import type { Contents } from './contents.js';
import { winnerOf } from './explained.js';
import { eventInText, explanationInText } from './in-text.js';
import type {
  ContainerState,
  FileSetup,
  ImageState,
  Lab,
  LayerState,
  MergedEntry,
  Ran,
  Setup,
  State,
} from './model.js';
import { assertNames, cleanFiles } from './setup.js';
import { sha256 } from './sha256.js';
import {
  type Command,
  FILE_COMMANDS,
  type Files,
  parse,
  runOnFiles,
  ShellError,
  subjectOf,
} from './shell.js';

/** What holds layers and shows unions of them. Layers go by their names, which are unique. */
export interface Backend {
  readonly engine: Lab['engine'];
  /** Begins with nothing. */
  reset(): Promise<void>;
  /** A layer with these files that never changes. */
  makeLayer(name: string, files: Readonly<Record<string, FileSetup>>): Promise<void>;
  /** A container on layers, topmost first, with an empty upper of its own that has its name. */
  start(container: string, lowers: readonly string[]): Promise<void>;
  /** Ends a container, and its upper is gone. */
  end(container: string): Promise<void>;
  /** The same upper on other layers. */
  restack(container: string, lowers: readonly string[]): Promise<void>;
  /** The upper becomes the layer `name`, and the container goes on with an empty one on top of it. */
  commit(container: string, name: string): Promise<void>;
  settle(container: string): Promise<void>;
  removeLayer(name: string): Promise<void>;
  files(container: string): Files;
  contents(layer: string): Promise<Contents>;
  /** What the union shows, topmost folders first. */
  merged(container: string): Promise<readonly Omit<MergedEntry, 'layer'>[]>;
  /** Its paths are bytes, as the union has them. */
  explain(container: string, path: string): Promise<Explanation>;
  /** What has happened in all containers since this was last asked, by bytes too; they are watched for some seconds from then on. */
  events(): Promise<readonly UnionEvent[]>;
}

interface Container {
  readonly name: string;
  /** Topmost first, without the upper, and with what is left out in the sandbox. */
  stack: readonly string[];
  hidden: ReadonlySet<string>;
}

type Word = (world: World, words: readonly string[]) => Promise<string>;

export class World implements Lab {
  readonly #backend: Backend;
  #layers: string[] = [];
  #containers: Container[] = [];
  #images = new Map<string, readonly string[]>();
  #active = '';

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get engine(): Lab['engine'] {
    return this.#backend.engine;
  }

  async load({ layers: asked, containers = ['box'] }: Setup): Promise<State> {
    const layers = asked.map(({ name, files }) => ({ name, files: cleanFiles(files) }));
    assertNames([...layers.map(({ name }) => name), ...containers]);
    await this.#backend.reset();
    this.#layers = [];
    this.#containers = [];
    this.#images.clear();
    for (const { name, files } of layers) {
      await this.#backend.makeLayer(name, files);
      this.#layers.unshift(name);
    }
    for (const name of containers) await this.#start(name, this.#layers);
    this.#active = containers[0] ?? '';
    await this.#backend.events();
    return this.state();
  }

  async run(line: string): Promise<Ran> {
    let output = '';
    let failed = false;
    let looked: Explanation | undefined;
    await this.#backend.events();
    try {
      const command = parse(line);
      looked = await this.#lookedAt(command);
      output = await this.#do(command);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      failed = true;
      output = `${error.message}\n`;
    }
    const events = (await this.#backend.events()).map(eventInText);
    const state = await this.state();
    return { line, output, failed, events, ...(looked && { looked }), state };
  }

  /** How the path of a command is before it runs; undefined too where that cannot be said, and the command itself says why. */
  async #lookedAt(command: Command): Promise<Explanation | undefined> {
    try {
      const subject = subjectOf(command);
      return subject === undefined ? undefined : await this.explain(subject);
    } catch (error) {
      if (error instanceof Error) return undefined;
      throw error;
    }
  }

  async explain(path: string): Promise<Explanation> {
    return explanationInText(await this.#backend.explain(this.#active, path));
  }

  async state(): Promise<State> {
    const active = this.#container(this.#active);
    const merged: MergedEntry[] = [];
    for (const entry of await this.#backend.merged(active.name)) {
      merged.push({ ...entry, ...winnerOf(await this.#backend.explain(active.name, entry.path)) });
    }
    const others = this.#containers.filter((one) => one !== active).map(({ name }) => name);
    const shown = [active.name, ...others, ...inOrderOf(active.stack, this.#layers)];
    const layers: LayerState[] = [];
    for (const name of shown) layers.push(await this.#layerState(name, active.hidden.has(name)));
    return {
      layers: withDigests(layers),
      containers: this.#containers.map(containerState),
      active: active.name,
      images: [...this.#images].map(([name, layers]): ImageState => ({ name, layers })),
      focus: '',
      merged,
      more: 0,
    };
  }

  async #layerState(name: string, hidden: boolean): Promise<LayerState> {
    const isUpper = this.#containers.some((one) => one.name === name);
    const contents = await this.#backend.contents(name);
    return {
      id: name,
      name,
      ...contents,
      ...(isUpper && { upperOf: name }),
      ...(hidden && { hidden }),
    };
  }

  async #do(command: Command): Promise<string> {
    const onFiles = runOnFiles(this.#backend.files(this.#active), command);
    if (onFiles !== undefined) return onFiles;
    const word = Object.hasOwn(WORDS, command.name) ? WORDS[command.name] : undefined;
    if (word === undefined) throw new ShellError(`${command.name}: no such command here; help lists them`);
    return word.act(this, command.words);
  }

  async #start(
    name: string,
    stack: readonly string[],
    hidden: ReadonlySet<string> = new Set(),
  ): Promise<void> {
    const container = { name, stack: [...stack], hidden };
    await this.#backend.start(name, lowersOf(container));
    this.#containers.push(container);
  }

  #container(name: string): Container {
    const found = this.#containers.find((one) => one.name === name);
    if (found === undefined) throw new ShellError(`${name}: no such container`);
    return found;
  }

  #assertFree(name: string | undefined): string {
    assertNames([...this.#layers, ...this.#containers.map((one) => one.name), name ?? '']);
    return name ?? '';
  }

  /** The upper of the active container becomes a layer. */
  async commit(name: string | undefined): Promise<string> {
    const free = this.#assertFree(name);
    const container = this.#container(this.#active);
    await this.#backend.commit(container.name, free);
    container.stack = [free, ...container.stack];
    this.#layers.unshift(free);
    return `${free}\n`;
  }

  /** Another container on the layers of the active one, or of an image. */
  async start(name: string | undefined, image: string | undefined): Promise<string> {
    const free = this.#assertFree(name);
    const active = this.#container(this.#active);
    const stack = image === undefined ? active.stack : this.#images.get(image);
    if (stack === undefined) throw new ShellError(`${image}: no such image`);
    await this.#start(free, stack, image === undefined ? active.hidden : undefined);
    this.#active = free;
    return `${free}\n`;
  }

  use(name = ''): string {
    this.#active = this.#container(name).name;
    return '';
  }

  async kill(name = ''): Promise<string> {
    const container = this.#container(name);
    if (this.#containers.length === 1)
      throw new ShellError('the last container stays, to have something to see');
    await this.#backend.end(name);
    this.#containers = this.#containers.filter((one) => one !== container);
    if (this.#active === name) this.#active = this.#containers[0]!.name;
    return '';
  }

  tag(name = ''): string {
    if (!/^[\w.:-]{1,30}$/.test(name)) throw new ShellError('tag NAME');
    this.#images.set(name, lowersOf(this.#container(this.#active)));
    return '';
  }

  untag(name = ''): string {
    if (!this.#images.delete(name)) throw new ShellError(`${name}: no such image`);
    return '';
  }

  /** Removes every layer that no image and no container stands on, and none could be shown to. */
  async collect(): Promise<string> {
    const used = new Set([...this.#images.values(), ...this.#containers.map(({ stack }) => stack)].flat());
    const gone = this.#layers.filter((name) => !used.has(name));
    for (const name of gone) await this.#backend.removeLayer(name);
    this.#layers = this.#layers.filter((name) => !gone.includes(name));
    return gone.length === 0 ? 'nothing to collect\n' : gone.map((name) => `removed ${name}\n`).join('');
  }

  async settle(): Promise<string> {
    await this.#backend.settle(this.#active);
    return '';
  }

  /** In the sandbox: the active container stands on this layer of its own, or not any more. */
  async hide(name: string, on: boolean): Promise<string> {
    const { stack, hidden } = this.#standingOn(name);
    return this.#arrange(stack, new Set(stack.filter((one) => (one === name ? on : hidden.has(one)))));
  }

  /** One place up or down among the layers of the active container. */
  async move(name: string, by: 1 | -1): Promise<string> {
    const { stack, hidden } = this.#standingOn(name);
    const at = stack.indexOf(name);
    const to = Math.min(Math.max(at - by, 0), stack.length - 1);
    return this.#arrange(stack.toSpliced(at, 1).toSpliced(to, 0, name), hidden);
  }

  /** A further layer, on top of those of the active container. */
  async add(name: string | undefined, path: string | undefined, text: readonly string[]): Promise<string> {
    const free = this.#assertFree(name);
    const files = cleanFiles(path === undefined ? {} : { [path]: `${text.join(' ') || free}\n` });
    await this.#backend.makeLayer(free, files);
    this.#layers.unshift(free);
    const { stack, hidden } = this.#container(this.#active);
    return this.#arrange([free, ...stack], hidden);
  }

  async #arrange(stack: readonly string[], hidden: ReadonlySet<string>): Promise<string> {
    const container = this.#container(this.#active);
    const lowers = lowersOf({ stack, hidden });
    if (lowers.length === 0) throw new ShellError('a union needs a layer below its upper');
    await this.#backend.restack(container.name, lowers);
    container.stack = stack;
    container.hidden = hidden;
    return '';
  }

  /** The active container, if the layer is under it or left out of it: nothing comes under it that is another one's. */
  #standingOn(name: string): Container {
    if (!this.#layers.includes(name)) throw new ShellError(`${name}: no such layer`);
    const container = this.#container(this.#active);
    if (!container.stack.includes(name)) throw new ShellError(`${name}: it is not under ${container.name}`);
    return container;
  }
}

function lowersOf({ stack, hidden }: Pick<Container, 'stack' | 'hidden'>): readonly string[] {
  return stack.filter((name) => !hidden.has(name));
}

/** All layers, those of a stack in its order at the places that they have together. */
function inOrderOf(stack: readonly string[], all: readonly string[]): readonly string[] {
  const left = [...stack];
  return all.map((name) => (stack.includes(name) ? left.shift()! : name));
}

function containerState(container: Container): ContainerState {
  const { name, hidden } = container;
  return { name, layers: [name, ...lowersOf(container)], ...(hidden.size > 0 && { hidden: [...hidden] }) };
}

/** Words about layers and containers; `help` prints what they take. */
const WORDS: Readonly<Record<string, { readonly usage: string; readonly act: Word }>> = {
  commit: { usage: 'commit NAME          the upper becomes a layer', act: (w, [name]) => w.commit(name) },
  run: {
    usage: 'run NAME [IMAGE]     another container on the same layers',
    act: (w, [name, image]) => w.start(name, image),
  },
  use: { usage: 'use NAME             look at another container', act: async (w, [name]) => w.use(name) },
  kill: { usage: 'kill NAME            end a container', act: (w, [name]) => w.kill(name) },
  tag: { usage: 'tag NAME             call these layers an image', act: async (w, [name]) => w.tag(name) },
  untag: { usage: 'untag NAME           forget the name', act: async (w, [name]) => w.untag(name) },
  gc: { usage: 'gc                   remove the layers that nobody needs', act: (w) => w.collect() },
  settle: { usage: 'settle               make the upper plain', act: (w) => w.settle() },
  layer: {
    usage: 'layer NAME [FILE TEXT]  a further layer',
    act: (w, [name, path, ...text]) => w.add(name, path, text),
  },
  hide: {
    usage: 'hide LAYER, show LAYER  leave a layer out, or not',
    act: (w, [name = '']) => w.hide(name, true),
  },
  show: { usage: '', act: (w, [name = '']) => w.hide(name, false) },
  raise: { usage: 'raise LAYER, sink LAYER  change the order', act: (w, [name = '']) => w.move(name, 1) },
  sink: { usage: '', act: (w, [name = '']) => w.move(name, -1) },
  help: { usage: '', act: async () => helpText() },
};

/** Whether a line may begin with it. */
export function isCommand(name: string): boolean {
  return FILE_COMMANDS.includes(name) || Object.hasOwn(WORDS, name);
}

function helpText(): string {
  const files = `files: ${FILE_COMMANDS.join(' ')}\n  echo TEXT > FILE, echo TEXT >> FILE\n  printf TEXT | dd of=FILE seek=BYTES, dd if=FILE of=FILE [bs= count= skip= seek=]\n`;
  const usages = Object.values(WORDS).flatMap(({ usage }) => (usage === '' ? [] : [`  ${usage}\n`]));
  return `${files}layers and containers:\n${usages.join('')}`;
}

/**
 * Chain IDs as the OCI image specification has them: that of the lowest layer is its own digest, each further one the digest
 * of the chain ID below, a space and its own digest. What is digested of a layer is the lab's listing of it, and not a tar.
 */
function withDigests(layers: readonly LayerState[]): readonly LayerState[] {
  const digested: LayerState[] = [];
  let below = '';
  for (const layer of layers.toReversed()) {
    if (layer.upperOf !== undefined || layer.hidden === true) {
      digested.push(layer);
      continue;
    }
    const lines = layer.entries.map(({ path, kind, mode, size, text, target, redirect, opaque }) =>
      JSON.stringify([path, kind, mode, kind === 'folder' ? 0 : size, text, target, redirect, opaque]),
    );
    const diffId = sha256(lines.join('\n'));
    below = below === '' ? diffId : sha256(`${below} ${diffId}`);
    digested.push({ ...layer, diffId, chainId: below });
  }
  return digested.reverse();
}
