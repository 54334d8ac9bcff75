// The main job on real input, told step by step: an image is imported, mounted through the union, changed,
// committed, exported and imported again, and at every stage compared, entry by entry, with a plain copy on which
// the same was done by ordinary file calls. The process that tells it never serves the mount.

import { spawn } from 'node:child_process';
import { lstatSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ByteString, Explanation, StackDescription } from '../../../fs/index.js';
import { StoreError } from '../../errors.js';
import { commitImage } from '../../images/commit-image.js';
import { exportImage } from '../../images/export.js';
import { importImage } from '../../images/import.js';
import { withUnion } from '../../images/open-snapshot.js';
import { imageInfo, topSnapshot } from '../../images/stored.js';
import { unpackTo } from '../../images/unpack-to.js';
import { withServer } from '../../mounts/settle.js';
import type { MountRow } from '../../mounts/table.js';
import type { Store } from '../../store.js';
import type { Context } from '../context.js';
import { EXIT } from '../failure.js';
import { countText, quoteName, sizeText } from '../output.js';
import { APPEND, type Change, newName, REMOVE, RENAME, REPLACE } from './changes.js';
import { placeOf } from './edits.js';
import { makeDemoImage } from './image.js';
import { Narrator } from './narrator.js';
import { Places } from './places.js';
import { readTree } from './read-tree.js';
import { assertEnough, copyNodeInstallation } from './source.js';
import { Stage } from './stage.js';
import { type CompareOptions, compareTrees, type Difference, type Tree } from './tree.js';
import { upperLines } from './upper.js';

export interface DemoOptions {
  /** An archive or layout instead of the one that is made on the spot. */
  readonly archive: string | undefined;
  readonly teach: boolean;
  readonly keep: boolean;
}

const KEY = 'work';
const MIB = 1024 * 1024;
const NO_PLACE = 'the image has no place for it that this user may change';

/** Runs the demo and sets the context's exit code: 0 verified, 1 something differed, 6 without a union. */
export async function runDemo(context: Context, options: DemoOptions): Promise<void> {
  const stage = new Stage(context.settings);
  const demo = new Demo(context, options, stage);
  try {
    await demo.run();
  } finally {
    demo.close();
    await stage.strike(options.keep);
  }
  if (options.keep) context.output.note(`kept ${stage.folder}`);
}

/** The places that the demo works on; undefined where the image has none that this user may change. */
interface Cast {
  readonly read: ByteString | undefined;
  readonly append: ByteString | undefined;
  readonly remove: ByteString | undefined;
  readonly replace: ByteString | undefined;
  readonly rename: ByteString | undefined;
}

class Demo {
  readonly #context: Context;
  readonly #options: DemoOptions;
  readonly #stage: Stage;
  readonly #narrator: Narrator;
  /** The plain copy. */
  readonly #plain: string;
  #upper: string | undefined;
  #compare: CompareOptions = {};
  readonly #compared: string[] = [];
  readonly #differences: { readonly where: string; readonly difference: Difference }[] = [];

  constructor(context: Context, options: DemoOptions, stage: Stage) {
    this.#context = context;
    this.#options = options;
    this.#stage = stage;
    this.#plain = stage.path('plain');
    this.#narrator = new Narrator({
      output: context.output,
      teach: options.teach,
      signal: context.signal,
      upper: () => (this.#upper === undefined ? undefined : upperLines(this.#upper)),
    });
  }

  close(): void {
    this.#narrator.close();
  }

  async run(): Promise<void> {
    const made = this.#options.archive === undefined ? await this.#makeImage() : undefined;
    const store = await this.#stage.openStore('store');
    const parent = await this.#import(store, made?.layout ?? this.#options.archive ?? '');
    const reasons: string[] = [];
    const row = await this.#mount(store, parent, reasons);
    if (row === undefined) return this.#withoutUnion(store, parent, reasons);
    const base = made?.tree ?? (await readTree({ folder: row.target }, this.#context.signal));
    const cast = chooseCast(base, made?.touched ?? []);
    await this.#change(row.target, cast);
    await this.#compareMount(row);
    await this.#explain(store, row, cast);
    const name = await this.#commit(store, row);
    const archive = await this.#export(store, name);
    const entries = await this.#reimport(archive, row);
    this.#verdict(entries, row);
  }

  async #makeImage() {
    const { signal } = this.#context;
    return this.#narrator.step({
      title: 'make an image of real files',
      about:
        'The files of this Node are copied to a folder, and an OCI image of three layers is made of it. The second layer deletes, replaces a folder as a whole and links to a file of the first.',
      question: 'How does a layer that holds only additions say that a file is gone?',
      run: async () => {
        const copied = copyNodeInstallation(this.#plain, signal);
        assertEnough(copied);
        const image = await makeDemoImage(this.#plain, this.#stage.path('layout'), signal);
        const files = `${countText(copied.entries)} entries, ${sizeText(copied.bytes)}, from ${copied.origin}`;
        return {
          lines: [files, `${image.layers} layers, ${sizeText(image.size)} compressed`],
          value: image,
        };
      },
    });
  }

  /** Imports the image; the snapshot that shows it. */
  async #import(store: Store, source: string): Promise<string> {
    const { signal, onProgress } = this.#context;
    return this.#narrator.step({
      title: 'import it',
      about:
        'Each blob is checked against its digest and each layer against its diff ID while it is unpacked. Every layer becomes a committed snapshot, named by the chain of diff IDs up to it.',
      question: 'How many folders will lie in snapshots/ afterwards?',
      run: async () => {
        const options = {
          signal,
          onProgress,
          ...(this.#options.archive === undefined ? {} : { name: 'demo:latest' }),
        };
        const imported = await importImage(store, source, options);
        this.#context.progress.clear();
        const [first] = imported;
        const top = first === undefined ? undefined : topSnapshot(first.image);
        if (first === undefined || top === undefined) {
          throw new StoreError('failed-precondition', `cannot show ${source}`, 'the image has no layers');
        }
        const info = await imageInfo(store, first.row);
        if (this.#options.archive !== undefined) {
          const { warning } = await unpackTo(store, first.image, this.#plain, 'cannot copy the image', {
            signal,
          });
          if (warning !== undefined) this.#compare = { ownOnly: true };
        }
        const lines = [
          `${info.name}: ${info.layers.length} layers, ${sizeText(info.size)}, verified`,
          ...info.layers.map(({ chainId, diffId }) => `${chainId.slice(7, 19)}  diff ${diffId.slice(7, 19)}`),
        ];
        return { lines, value: top };
      },
    });
  }

  async #mount(store: Store, parent: string, reasons: string[]): Promise<MountRow | undefined> {
    return this.#narrator.step({
      title: 'mount it, writable',
      about:
        'A new active snapshot, an empty folder, is put on top of the image’s layers. A process of its own shows all of them as one tree.',
      question: 'How many bytes does that copy?',
      run: async () => {
        await store.snapshots.prepare(KEY, parent);
        const row = await this.#stage.mount(store, KEY, 'mnt', reasons);
        const stack = await store.snapshots.stack(KEY);
        if (row === undefined) return { lines: reasons, value: undefined };
        this.#upper = stack.upper?.path;
        const by =
          row.driver === 'fuse'
            ? `fuse, ${transportText(row)}, served by process ${row.process.pid}`
            : 'the kernel’s overlayfs';
        return {
          lines: [`${row.target}: ${by}; ${stack.lowers.length} layers and an empty upper`],
          value: row,
        };
      },
    });
  }

  async #change(mount: string, cast: Cast): Promise<void> {
    await this.#read(mount, cast.read);
    await this.#both(mount, cast.append, APPEND);
    await this.#both(mount, cast.remove, REMOVE);
    await this.#both(mount, cast.replace, REPLACE);
    await this.#both(mount, cast.rename, RENAME);
  }

  async #read(mount: string, path: ByteString | undefined): Promise<void> {
    await this.#narrator.step({
      title: 'read a file of a lower layer',
      about:
        'Nothing in the upper has this name, so the lookup falls through to a layer below. The bytes come from there.',
      question: 'Does reading put anything into the upper folder?',
      run: async () => {
        if (path === undefined) return { lines: [NO_PLACE], value: undefined };
        const { first, size } = await readHead(placeOf(mount, path));
        const line = `${quoteName(path)}: ${sizeText(size)}, begins ${JSON.stringify(first)}`;
        return { lines: [line], value: undefined };
      },
    });
  }

  /** One change, to the mount and to the plain copy. */
  async #both(mount: string, path: ByteString | undefined, change: Change): Promise<void> {
    const { title, about, question } = change;
    await this.#narrator.step({
      title,
      about,
      question,
      run: async () => {
        if (path === undefined) return { lines: [NO_PLACE], value: undefined };
        await change.edit(mount, path);
        await change.edit(this.#plain, path);
        return { lines: this.#upper === undefined ? [] : change.show(this.#upper, path), value: undefined };
      },
    });
  }

  async #compareMount({ target }: MountRow): Promise<void> {
    await this.#narrator.step({
      title: 'compare the mount with the plain copy',
      about:
        'The same changes were made to a plain copy by ordinary file calls. Every entry of both trees is read and compared.',
      question: 'Will the two differ in anything?',
      run: async () => ({ lines: await this.#comparison('the mount', { folder: target }), value: undefined }),
    });
  }

  /** Compares a tree with the plain copy and remembers what differs. */
  async #comparison(
    where: string,
    task: { readonly folder: string } | { readonly stack: StackDescription },
  ): Promise<readonly string[]> {
    const { signal } = this.#context;
    const expected = await readTree({ folder: this.#plain }, signal);
    const actual = await readTree(task, signal);
    this.#compared.push(where);
    const differences = compareTrees(expected, actual, this.#compare);
    for (const difference of differences) this.#differences.push({ where, difference });
    if (differences.length === 0) return [`${countText(expected.size)} entries are equal`];
    return differences.map(({ path, what }) => `${quoteName(path)}: ${what}`);
  }

  async #explain(store: Store, row: MountRow, cast: Cast): Promise<void> {
    await this.#narrator.step({
      title: 'explain one path of each kind',
      about: 'For a path each layer is asked from the top. The first that answers for good decides.',
      question: 'For which of the paths is only the upper looked at?',
      run: async () => {
        const lines: string[] = [];
        const renamed = cast.rename === undefined ? undefined : newName(cast.rename);
        for (const path of [cast.read, cast.append, cast.remove, cast.replace, renamed]) {
          if (path === undefined) continue;
          lines.push(...explainText(await explain(store, row, path)));
        }
        return { lines, value: undefined };
      },
    });
  }

  /** Unmounts and commits; the name of the new image. */
  async #commit(store: Store, row: MountRow): Promise<string> {
    const { signal } = this.#context;
    return this.#narrator.step({
      title: 'unmount and commit',
      about:
        'The upper becomes a committed snapshot, which never changes again, and a layer of a new image. Only what changed goes into it.',
      question: 'How big is the new layer, compressed?',
      run: async () => {
        await this.#stage.unmount(row.target);
        this.#upper = undefined;
        await store.snapshots.commit('changed', KEY);
        const { row: image } = await commitImage(store, {
          snapshot: 'changed',
          ref: 'mica.demo/changed:latest',
          message: 'what the demo changed',
          signal,
        });
        const info = await imageInfo(store, image);
        const layer = info.layers.at(-1);
        const stack = await store.snapshots.stack('changed');
        return {
          lines: [
            `${info.name}: ${info.layers.length} layers, the new one ${sizeText(layer?.size ?? 0)}`,
            ...(await this.#comparison('the committed snapshot', { stack })),
          ],
          value: image.name,
        };
      },
    });
  }

  /** The archive of the new image. */
  async #export(store: Store, name: string): Promise<string> {
    const { signal, onProgress } = this.#context;
    return this.#narrator.step({
      title: 'export the new image',
      about:
        'Blobs, manifest and config are written as an OCI layout in a tar. Any other tool for images can read it.',
      question: 'Is what tar lists the files of the image?',
      run: async () => {
        const archive = this.#stage.path('changed.tar');
        const row = store.images.get(name);
        if (row === undefined) throw new Error(`the image ${name} is gone`);
        await exportImage(store, row, archive, { signal, onProgress });
        this.#context.progress.clear();
        const listed = await listedByTar(archive);
        const members = listed === undefined ? 'there is no tar to list it' : `tar lists ${listed} members`;
        return { lines: [`${sizeText(lstatSync(archive).size)}; ${members}`], value: archive };
      },
    });
  }

  /** Imports the archive into a second store and compares what it shows; the number of entries. */
  async #reimport(archive: string, row: MountRow): Promise<number> {
    const { signal, onProgress } = this.#context;
    return this.#narrator.step({
      title: 'import the export into a second store and mount it',
      about: 'The second store knows nothing but the archive. What it shows must be what the mount showed.',
      question: 'Will times and hard links have survived?',
      run: async () => {
        const store = await this.#stage.openStore('second');
        const [imported] = await importImage(store, archive, { signal, onProgress });
        this.#context.progress.clear();
        const top = imported === undefined ? undefined : topSnapshot(imported.image);
        if (top === undefined) throw new Error('the exported image has no layers');
        await store.snapshots.view('again', top);
        const reasons: string[] = [];
        const again = await this.#stage.mount(store, 'again', 'again', reasons);
        if (again === undefined)
          throw new StoreError('failed', `cannot mount as ${row.driver} again`, reasons.join('; '));
        const lines = await this.#comparison('the re-imported mount', { folder: again.target });
        const { size } = await readTree({ folder: this.#plain }, signal);
        await this.#stage.unmount(again.target);
        return { lines, value: size };
      },
    });
  }

  #verdict(entries: number, row: MountRow): void {
    const by =
      row.driver === 'fuse'
        ? `fuse, ${transportText(row)}`
        : `the kernel’s overlayfs, ${this.#context.settings.driver === 'overlay' ? 'as asked for' : 'because FUSE does not work here'}`;
    if (this.#differences.length === 0) {
      const aspects =
        this.#compare.ownOnly === true
          ? 'type, permissions, times, own xattrs, link groups and content'
          : 'type, mode, owner, times, xattrs, link groups and content';
      this.#end(
        `verified: ${countText(entries)} entries of ${this.#compared.join(', ')} equal a plain copy in ${aspects} (${by})`,
        {
          verified: true,
          entries,
          compared: this.#compared,
          driver: row.driver,
          transport: row.transport ?? null,
        },
      );
      return;
    }
    this.#context.exitCode = EXIT.failed;
    const first = this.#differences[0];
    const what =
      first === undefined
        ? ''
        : `${first.where}: ${quoteName(first.difference.path)}: ${first.difference.what}`;
    this.#end(
      `differs: ${this.#differences.length} differences from the plain copy, first in ${what} (${by})`,
      {
        verified: false,
        entries,
        differences: this.#differences.map(({ where, difference }) => ({ where, ...difference })),
        driver: row.driver,
      },
    );
  }

  /** No union can be mounted: the image is compared without a mount, and that is said. */
  async #withoutUnion(store: Store, parent: string, reasons: readonly string[]): Promise<void> {
    const entries = await this.#narrator.step({
      title: 'compare the imported image with the plain copy, without a mount',
      about: 'No union can be mounted here. The same union code reads the layers inside this process.',
      question: 'Does that need any privilege?',
      run: async () => {
        const stack = await store.snapshots.stack(parent);
        const lines = await this.#comparison('the imported image', { stack });
        const { size } = await readTree({ folder: this.#plain }, this.#context.signal);
        return { lines, value: size };
      },
    });
    const equal = this.#differences.length === 0;
    this.#context.exitCode = equal ? EXIT.unsupported : EXIT.failed;
    const verdict = equal
      ? `${countText(entries)} entries equal a plain copy`
      : 'entries differ from a plain copy';
    this.#end(`demonstrated without a union: ${verdict}; ${reasons.join('; ')}`, {
      verified: false,
      union: false,
      entries,
      reasons,
    });
    this.#context.output.note('hint: mica doctor');
  }

  #end(line: string, report: object): void {
    const { output } = this.#context;
    output.line(output.json ? JSON.stringify(report) : line);
  }
}

function chooseCast(tree: Tree, touched: readonly ByteString[]): Cast {
  const places = new Places(tree);
  for (const path of touched) places.take(path);
  return {
    read: places.file(/^(license|copying|readme|package\.json|os-release)/i, 4 * MIB),
    append: places.bigFile(8 * MIB),
    remove: places.file(/^(license|readme|changelog|copyright)/i, 4 * MIB),
    replace: places.folder(false),
    rename: places.folder(true),
  };
}

function transportText(row: MountRow): string {
  return row.transport === 'device' ? '/dev/fuse' : (row.transport ?? 'unknown');
}

async function readHead(path: Buffer): Promise<{ readonly first: string; readonly size: number }> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(48), 0, 48, 0);
    return { first: buffer.toString('utf8', 0, bytesRead).split('\n')[0] ?? '', size };
  } finally {
    await file.close();
  }
}

async function explain(store: Store, row: MountRow, path: ByteString): Promise<Explanation> {
  if (row.socket !== undefined) {
    const pathBase64 = Buffer.from(path, 'latin1').toString('base64');
    return withServer({ ...row, state: 'live' }, (server) => server.ask({ op: 'explain', pathBase64 }));
  }
  // The kernel serves the mount and holds its upper: it is read as one more lower.
  const { upper, lowers } = await store.snapshots.stack(KEY);
  const layers = upper === undefined ? lowers : [upper, ...lowers];
  return withUnion({ lowers: layers }, 'cannot explain', (union) => union.explain(path));
}

function explainText({ path, layers, why }: Explanation): readonly string[] {
  const findings = layers.map(({ role, id, finding }) => `${role === 'upper' ? 'upper' : id}: ${finding}`);
  return [`${quoteName(path)}  [${findings.join(', ')}]`, `  ${why}`];
}

/** How many members the system's tar lists; undefined if there is none. failed if it cannot read the archive. */
async function listedByTar(archive: string): Promise<number | undefined> {
  const child = spawn('tar', ['-tf', archive], { stdio: ['ignore', 'pipe', 'ignore'] });
  let lines = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 0x0a) lines++;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? resolve(-1) : reject(error),
    );
    child.once('close', resolve);
  });
  if (code === -1) return undefined;
  if (code !== 0) throw new StoreError('failed', `cannot list ${archive}`, `tar ended with ${code}`);
  return lines;
}
