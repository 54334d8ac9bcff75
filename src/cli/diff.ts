// `mica diff`: what changed between two trees, or in a snapshot since its parent.

import { statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import {
  type Filesystem,
  fromText,
  openLowerDir,
  type ReadLayer,
  type StackDescription,
} from '../../fs/index.js';
import type { Change } from '../diff/change.js';
import { changesBetween } from '../diff/changes.js';
import { writeLayerTar } from '../diff/layer-tar.js';
import { isKind, StoreError } from '../errors.js';
import { MountTable } from '../mounts/table.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
import { folderAt, isPath } from './mounted.js';
import { type Output, pathFields, sizeText } from './output.js';
import { openUnion, stackToRead } from './reading.js';
import { meaningOf } from './words.js';

interface Words {
  readonly stat?: boolean;
  readonly tar?: boolean;
  readonly output?: string;
  readonly '0'?: boolean;
}

export const declareDiff: Declare = (command, act) => {
  command
    .argument('<a>', 'a key, mount, snapshot, image or folder')
    .argument('[b]', 'default: what A is built on')
    .option('--stat', 'sums only')
    .option('--tar', 'the changes as an OCI layer')
    .option('-o, --output <file>', 'where the tar goes; default: stdout')
    .option('-0', 'end each name with NUL')
    .action(
      act(async (context, a: string, b: string | undefined, words: Words) => {
        const opened: { close(): void }[] = [];
        try {
          const { from, to, layer } = await trees(context, a, b, opened);
          const changes = changesBetween(from, to, layer === undefined ? {} : { layer });
          if (words.tar === true) await writeTar(context, to, changes, words.output);
          else show(context.output, changes, words);
        } finally {
          for (const one of opened.reverse()) one.close();
        }
      }),
    );
};

interface Trees {
  /** Undefined: nothing is below. */
  readonly from: Filesystem | undefined;
  readonly to: Filesystem;
  readonly layer?: ReadLayer;
}

async function trees(
  context: Context,
  a: string,
  b: string | undefined,
  opened: { close(): void }[],
): Promise<Trees> {
  const what = `cannot compare ${a}`;
  const one = await stackMeant(context, a, what);
  if (b !== undefined) {
    // A is what is there now, B what it is compared with.
    const other = await stackMeant(context, b, `cannot compare ${b}`);
    if (one.isImage && other.isImage) {
      throw new StoreError(
        'invalid-argument',
        `cannot compare ${a} and ${b}`,
        'this version compares no two images',
        {
          hint: `mica diff snapshot:… compares their trees`,
        },
      );
    }
    return { from: openUnion(other.stack, opened), to: openUnion(one.stack, opened) };
  }
  if (one.isFolder) {
    throw new StoreError('invalid-argument', what, 'a folder has no parent', { hint: `mica diff ${a} B` });
  }
  const { stack } = one;
  const top = stack.upper ?? stack.lowers[0];
  if (top === undefined) throw new StoreError('invalid-argument', what, 'it has no layers');
  const below = { lowers: stack.upper === undefined ? stack.lowers.slice(1) : stack.lowers };
  const { dialect, id, path, numbering } = top;
  const marks = top.marks === undefined ? {} : { marks: [top.marks] };
  const layer = openLowerDir(fromText(path), { id, dialect, ...marks, ...(numbering && { numbering }) });
  opened.push(layer);
  const from = below.lowers.length === 0 ? undefined : openUnion(below, opened);
  return { from, to: openUnion(stack, opened), layer };
}

interface MeantStack {
  readonly stack: StackDescription;
  readonly isImage: boolean;
  readonly isFolder: boolean;
}

/** The layers of a word: of a snapshot or image, of what is mounted at a folder, or a plain folder as one layer. */
async function stackMeant(context: Context, word: string, what: string): Promise<MeantStack> {
  const path = folderAt(word);
  if (isPath(word)) {
    if (path === undefined) throw new StoreError('not-found', what, 'there is no such folder');
    return stackAt(context, path, word, what);
  }
  const store = await context.store();
  try {
    const meant = await meaningOf(store, word, what);
    return {
      stack: await stackToRead(store, meant.snapshot),
      isImage: meant.kind === 'image',
      isFolder: false,
    };
  } catch (error) {
    // What no key, snapshot or image is called may still be a folder, typed without ./ before it.
    if (path !== undefined && isKind(error, 'not-found')) return stackAt(context, path, word, what);
    throw error;
  }
}

async function stackAt(context: Context, path: string, word: string, what: string): Promise<MeantStack> {
  const mount = new MountTable(context.settings.state).at(path);
  if (mount?.snapshot !== undefined) {
    const store = await context.store();
    const info = await store.snapshots.stat(mount.snapshot.key);
    return { stack: await stackToRead(store, info), isImage: false, isFolder: false };
  }
  if (!statSync(path).isDirectory()) throw new StoreError('invalid-argument', what, 'it is not a folder');
  return { stack: { lowers: [{ path, id: word, dialect: 'overlay' }] }, isImage: false, isFolder: true };
}

function show(output: Output, changes: readonly Change[], words: Words): void {
  if (words.stat === true) {
    showSums(output, changes);
    return;
  }
  if (output.json) {
    output.document(changes.map(({ op, path, kind, size }) => ({ op, ...pathFields(path), kind, size })));
    return;
  }
  for (const { op, path } of changes) output.nameLine(`${op} `, path, words['0'] === true);
}

function showSums(output: Output, changes: readonly Change[]): void {
  const count = (op: Change['op']) => changes.filter((change) => change.op === op).length;
  const bytes = changes.reduce((sum, { op, size }) => sum + (op === 'D' ? 0 : size), 0);
  const sums = { added: count('A'), modified: count('M'), deleted: count('D'), bytes };
  if (output.json) output.document(sums);
  else
    output.line(
      `${sums.added} added, ${sums.modified} modified, ${sums.deleted} deleted, ${sizeText(bytes)}`,
    );
}

/** The layer goes under a temporary name first, so that a failure leaves no half tar. */
async function writeTar(
  context: Context,
  tree: Filesystem,
  changes: readonly Change[],
  file: string | undefined,
): Promise<void> {
  const { pipeline } = await import('node:stream/promises');
  const { createWriteStream } = await import('node:fs');
  const tar = writeLayerTar(tree, changes);
  if (file === undefined || file === '-') {
    if (context.output.terminal) {
      throw new StoreError('invalid-argument', 'cannot write a layer', 'stdout is a terminal', {
        hint: '-o FILE',
      });
    }
    await pipeline(tar, process.stdout, { signal: context.signal, end: false });
    return;
  }
  const temporary = `${file}.${process.pid}.part`;
  try {
    await pipeline(tar, createWriteStream(temporary, { flags: 'wx' }), { signal: context.signal });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  if (context.output.json) context.output.document({ file });
  else context.output.line(file);
}
