// `mica diff`: what changed between two trees, or in a snapshot since its parent.

import type { Change } from '../diff/change.js';
import type { Compression } from '../diff/compression.js';
import { changesOf, layerOf, type Trees } from '../diff/differ.js';
import { StoreError } from '../errors.js';
import type { ImageChange } from '../images/compare-images.js';
import type { Declare } from './commands.js';
import { COMPRESSION_WORDS, compressionWord, sourceDateEpoch } from './compression.js';
import type { Context } from './context.js';
import { type MeantTrees, mountsIn, treesMeant, withTrees } from './diff-trees.js';
import { type Output, pathFields, sizeText } from './output.js';

interface Words {
  readonly stat?: boolean;
  readonly tar?: boolean;
  readonly output?: string;
  readonly compression?: Compression;
  readonly mounts?: boolean;
  readonly '0'?: boolean;
}

export const declareDiff: Declare = (command, act) => {
  command
    .argument('<a>', 'a key, mount, snapshot, image or folder')
    .argument('[b]', 'default: what A is built on')
    .option('--stat', 'sums only')
    .option('--tar', 'the changes as an OCI layer; none of its times is after SOURCE_DATE_EPOCH')
    .option('--compression <kind>', `of the layer: ${COMPRESSION_WORDS}; default: none`, compressionWord)
    .option('-o, --output <file>', 'where the tar goes; default: stdout')
    .option('--mounts', 'A and B are files of mounts as snapshot mounts --json prints them; - is stdin')
    .option('-0', 'end each name with NUL')
    .action(
      act(async (context, a: string, b: string | undefined, words: Words) => {
        assertWords(words);
        if (words.mounts === true) {
          const { withMountedTrees } = await import('../diff/mounted-trees.js');
          const right = mountsIn(a);
          const left = b === undefined ? [] : mountsIn(b);
          const { MountTable } = await import('../mounts/table.js');
          const table = new MountTable(context.settings.state);
          return withMountedTrees(left, right, table, (trees) => answer(context, trees, [], words));
        }
        const meant = await treesMeant(context, a, b);
        const images = words.tar === true ? [] : await changesOfImages(context, meant);
        await withTrees(context, meant, (trees) => answer(context, trees, images, words));
      }),
    );
};

/** Lists what changed in `a` since what it is built on. */
export async function showChanges(context: Context, a: string): Promise<void> {
  const meant = await treesMeant(context, a, undefined);
  await withTrees(context, meant, (trees) => answer(context, trees, [], {}));
}

function assertWords({ tar, stat, compression, output }: Words): void {
  const refuse = (option: string, why: string) => {
    throw new StoreError('invalid-argument', `cannot use ${option}`, why, { hint: 'mica diff --help' });
  };
  if (tar === true && stat === true) refuse('--stat', '--tar writes a layer');
  if (tar !== true && compression !== undefined) refuse('--compression', 'it is of what --tar writes');
  if (tar !== true && output !== undefined) refuse('--output', 'it is for what --tar writes');
}

/** Of two images what differs beside their trees; of anything else nothing. */
async function changesOfImages(context: Context, { a, b }: MeantTrees): Promise<readonly ImageChange[]> {
  if (a.image === undefined || b?.image === undefined) return [];
  const { imageChanges } = await import('../images/compare-images.js');
  const { openImage } = await import('../images/stored.js');
  const store = await context.store();
  const what = `cannot compare ${a.image.name} and ${b.image.name}`;
  return imageChanges(await openImage(store, b.image, what), await openImage(store, a.image, what));
}

async function answer(
  context: Context,
  trees: Trees,
  images: readonly ImageChange[],
  words: Words,
): Promise<void> {
  if (words.tar === true) await writeTar(context, trees, words);
  else if (words.stat === true) showSums(context.output, changesOf(trees));
  else show(context.output, images, changesOf(trees), words['0'] === true);
}

function show(
  output: Output,
  images: readonly ImageChange[],
  changes: readonly Change[],
  nul: boolean,
): void {
  if (output.json) {
    const paths = changes.map(({ op, path, kind, size }) => ({ op, ...pathFields(path), kind, size }));
    output.document([...images, ...paths]);
    return;
  }
  // A list for programs is of paths alone.
  if (!nul) for (const change of images) output.line(imageLine(change));
  for (const { op, path } of changes) output.nameLine(`${op} `, path, nul);
}

function imageLine({ op, part, name, from, to }: ImageChange): string {
  const subject = part === 'platform' ? '' : ` ${name}`;
  const values = [from, to].filter((value) => value !== undefined).join(' -> ');
  return `${op} ${part}${subject}${values === '' ? '' : `: ${values.replaceAll(/\s+/g, ' ')}`}`;
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

async function writeTar(context: Context, trees: Trees, { output: file, compression }: Words): Promise<void> {
  const { pipeline } = await import('node:stream/promises');
  const { compress } = await import('../diff/compression.js');
  const { writeToFile } = await import('./to-file.js');
  const layer = compress(layerOf(trees, sourceDateEpoch()), compression ?? 'none');
  if (file === undefined || file === '-') {
    if (context.output.terminal) {
      throw new StoreError('invalid-argument', 'cannot write a layer', 'stdout is a terminal', {
        hint: '-o FILE',
      });
    }
    await pipeline(layer, process.stdout, { signal: context.signal, end: false });
    return;
  }
  await writeToFile(file, layer, { what: `cannot write ${file}`, signal: context.signal });
  if (context.output.json) context.output.document({ file });
  else context.output.line(file);
}
