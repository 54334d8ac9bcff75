// The lessons on real mounts: each layer is a folder of a scratch folder, each container a mount of this program with an
// upper of its own, and a commit is what `mica commit` asks the server of a live mount for. All of it goes with the lab.

import { mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  type Explanation,
  eventsOf,
  fromText,
  type LowerDescription,
  type UnionEvent,
  type UpperDescription,
} from '../../../fs/index.js';
import { StoreError } from '../../errors.js';
import type { ControlClient } from '../../mounts/control.js';
import { connectControl } from '../../mounts/control-socket.js';
import { mountStack, unmountSnapshot } from '../../mounts/mount-snapshot.js';
import { PARTS_FROM } from '../../mounts/parts.js';
import { type MountRow, MountTable } from '../../mounts/table.js';
import { removeTree } from '../../snapshots/folders.js';
import type { Contents } from '../../web/contents.js';
import type { FileSetup, MergedEntry } from '../../web/model.js';
import { type LayerNames, withNames } from '../../web/naming.js';
import type { Files } from '../../web/shell.js';
import type { Backend } from '../../web/world.js';
import { explainServed } from '../layer-names.js';
import { fillFolder, marksHere, readFolder } from './layer-folder.js';
import { MountFiles } from './mount-files.js';

const MOST_SHOWN = 400;

interface Running {
  readonly row: MountRow;
  readonly server: ControlClient;
  upper: string;
  /** The last event that was told. */
  seq: number;
}

export class MountBackend implements Backend {
  readonly engine = 'mount';
  readonly #scratch: string;
  readonly #state: string;
  readonly #transport: string;
  /** Folders of layers, uppers too, by their names. */
  readonly #folders = new Map<string, string>();
  readonly #running = new Map<string, Running>();
  /** What servers that have ended since told last. */
  #left: UnionEvent[] = [];
  #last = 0;

  /** `scratch`: an empty folder; `state`: the state folder of the program; `transport`: how the FUSE protocol travels. */
  constructor(scratch: string, state: string, transport = 'auto') {
    this.#scratch = scratch;
    this.#state = state;
    this.#transport = transport;
  }

  async reset(): Promise<void> {
    for (const name of [...this.#running.keys()]) await this.end(name);
    for (const name of [...this.#folders.keys()]) await this.removeLayer(name);
    this.#left = [];
  }

  async makeLayer(name: string, files: Readonly<Record<string, FileSetup>>): Promise<void> {
    fillFolder(this.#newFolder(name), files);
  }

  async start(container: string, lowers: readonly string[]): Promise<void> {
    await this.#mount(container, lowers, this.#newFolder(container));
  }

  async end(container: string): Promise<void> {
    await this.#unmount(container);
    await this.removeLayer(container);
  }

  async restack(container: string, lowers: readonly string[]): Promise<void> {
    const running = this.#container(container);
    const { upper, server } = running;
    await server.ask({ op: 'settle' });
    // The data that settling copied is told by this server alone, which ends.
    this.#left.push(...(await eventsSince(running)));
    await this.#unmount(container);
    await this.#mount(container, lowers, upper);
  }

  async commit(container: string, name: string): Promise<void> {
    const running = this.#container(container);
    const { upper, server } = running;
    const fresh = this.#newFolder(container);
    const marker = join(this.#scratch, `marker-${this.#last}`);
    await server.ask({ op: 'exchange', upper: this.#upper(fresh), below: this.#layer(upper), marker });
    // It tells who comes after a killed one what was decided; the scratch folder of a killed lab goes as a whole.
    rmSync(marker, { force: true });
    running.upper = fresh;
    this.#folders.set(name, upper);
    this.#noteNames(running);
  }

  async settle(container: string): Promise<void> {
    await this.#container(container).server.ask({ op: 'settle' });
  }

  async removeLayer(name: string): Promise<void> {
    const folder = this.#folders.get(name);
    if (folder === undefined) return;
    this.#folders.delete(name);
    for (const path of [folder, workOf(folder)]) removeTree(path);
  }

  files(container: string): Files {
    return new MountFiles(this.#container(container).row.target);
  }

  async contents(name: string): Promise<Contents> {
    const path = this.#folders.get(name);
    if (path === undefined) throw missing(name);
    const isUpper = this.#running.has(name);
    return readFolder(isUpper ? this.#upper(path) : this.#layer(path));
  }

  async merged(container: string): Promise<readonly Omit<MergedEntry, 'layer'>[]> {
    const running = this.#container(container);
    const files = new MountFiles(running.row.target);
    const entries: Omit<MergedEntry, 'layer'>[] = [];
    const visit = async (dir: string): Promise<void> => {
      const names = (await files.list(dir)).map(({ name }) => name).sort();
      for (const name of names) {
        if (entries.length >= MOST_SHOWN) return;
        const path = dir === '' ? name : `${dir}/${name}`;
        const { kind, mode, size, nlink } = await files.stat(path);
        entries.push({ path, kind: kind as MergedEntry['kind'], mode, size, nlink });
        if (kind === 'folder') await visit(path);
      }
    };
    await visit('');
    // What was asked for the picture's sake is nobody's event.
    running.seq = (await running.server.ask({ op: 'events', since: Number.MAX_SAFE_INTEGER })).lastSeq;
    return entries;
  }

  async explain(container: string, path: string): Promise<Explanation> {
    const { server } = this.#container(container);
    const names = this.#names();
    return withNames(await explainServed(server, fromText(path), names), (id) => names.get(id) ?? id);
  }

  async events(): Promise<readonly UnionEvent[]> {
    const all = this.#left;
    this.#left = [];
    for (const running of this.#running.values()) all.push(...(await eventsSince(running)));
    const names = this.#names();
    const nameOf = (id: string) => names.get(id) ?? id;
    return all
      .sort((a, b) => a.timeNs - b.timeNs)
      .map((event) => (event.layer === undefined ? event : { ...event, layer: nameOf(event.layer) }));
  }

  async #mount(container: string, lowers: readonly string[], upper: string): Promise<void> {
    const target = join(this.#scratch, `mnt-${container}`);
    mkdirSync(target, { recursive: true });
    const stack = {
      lowers: lowers.map((name) => this.#layer(this.#folders.get(name) ?? '')),
      upper: this.#upper(upper),
    };
    const row = await mountStack(stack, target, {
      driver: 'fuse',
      state: this.#state,
      transport: this.#transport,
      tied: true,
      // What is written past the server would stand against a commit, and no event tells of it.
      fuse: { passthrough: false },
    });
    const server = await connectControl(row.socket ?? '');
    const running = { row, server, upper, seq: 0 };
    this.#running.set(container, running);
    this.#noteNames(running);
  }

  async #unmount(container: string): Promise<void> {
    const { row, server } = this.#container(container);
    this.#running.delete(container);
    server.close();
    await unmountSnapshot(row.target, this.#state);
    rmSync(row.target, { recursive: true, force: true });
  }

  /** A server calls a layer always the same, and it may become another one's lower: so its id is that of the folder. */
  #layer(path: string): LowerDescription {
    return { path, id: basename(path), dialect: 'overlay', marks: marksHere() };
  }

  #upper(path: string): UpperDescription {
    return { ...this.#layer(path), marks: marksHere(), work: workOf(path), partsFrom: PARTS_FROM };
  }

  /** Of all layers that there are, by their ids. */
  #names(): LayerNames {
    return new Map([...this.#folders].map(([name, path]) => [basename(path), name]));
  }

  /** So that other programs call the layers of the mount as the page does. */
  #noteNames({ row }: Running): void {
    new MountTable(this.#state).put({ ...row, layers: Object.fromEntries(this.#names()) });
  }

  #newFolder(name: string): string {
    const path = join(this.#scratch, `${++this.#last}`);
    mkdirSync(path);
    mkdirSync(workOf(path));
    this.#folders.set(name, path);
    return path;
  }

  #container(name: string): Running {
    const found = this.#running.get(name);
    if (found === undefined) throw missing(name);
    return found;
  }
}

/** What was not told yet. */
async function eventsSince(running: Running): Promise<Iterable<UnionEvent>> {
  const reply = await running.server.ask({ op: 'events', since: running.seq, requests: true });
  running.seq = reply.lastSeq;
  return eventsOf(reply);
}

function workOf(folder: string): string {
  return `${folder}-work`;
}

function missing(name: string): StoreError {
  return new StoreError('not-found', `cannot use ${name}`, 'the lab has none of this name');
}
