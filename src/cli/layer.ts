// `mica layer`: the store as layers, in Docker's words.

import { readFileSync } from 'node:fs';
import { type Digest, parseDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import type { LayerInfo, RwLayerInfo } from '../layers/layers.js';
import type { ForeignDescriptor } from '../metadata/layers.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
import { sizeText } from './output.js';

interface RegisterWords {
  readonly parent?: string;
  readonly diffId?: string;
  readonly descriptor?: string;
}

export const declareLayer: Declare = (command, act) => {
  command
    .command('ls')
    .description('list layers, and read-write layers after them')
    .action(
      act(async (context) => {
        const { survey } = await import('../layers/survey.js');
        const { listRw } = await import('../layers/read-write.js');
        const store = await context.store();
        const layers = [...(await survey(store)).layers.values()];
        const readWrite = listRw(store);
        const { output } = context;
        if (output.json) return output.document([...layers.map(layerJson), ...readWrite.map(rwJson)]);
        if (output.quiet) {
          for (const { chainId } of layers) output.line(chainId);
          for (const { name } of readWrite) output.line(name);
          return;
        }
        output.table(
          ['CHAIN ID', 'DIFF ID', 'CACHE ID', 'SIZE', 'REFS', 'PARENT', ''],
          layers.map(layerCells),
        );
        if (readWrite.length === 0) return;
        output.table(
          ['READ-WRITE', 'MOUNT ID', 'PARENT', 'MOUNTS', ''],
          readWrite.map(({ name, mountId, parent, mounts, target, damage }) => [
            name,
            mountId.slice(0, 12),
            shortOf(parent),
            String(mounts),
            damage === undefined ? (target ?? '') : `damaged: ${damage}`,
          ]),
        );
      }),
    );

  command
    .command('inspect')
    .description('what is known of a layer, and what refers to it')
    .argument('<layer>', 'a chain ID, the beginning of one, or the name of a read-write layer')
    .action(
      act(async (context, word: string) => {
        const { layerNamed } = await import('../layers/layer-store.js');
        const { rwLayer } = await import('../layers/read-write.js');
        const store = await context.store();
        const readWrite = rwLayer(store, word);
        const layer = readWrite === undefined ? await layerNamed(store, word) : undefined;
        const json = layer === undefined ? rwJson(readWrite!) : layerJson(layer);
        if (context.output.json) return context.output.document(json);
        for (const [name, value] of Object.entries(json)) {
          const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
          if (name !== 'holders') context.output.line(`${name.padEnd(10)} ${text}`);
        }
        for (const { kind, name } of layer?.references ?? []) {
          context.output.line(`${'holder'.padEnd(10)} ${kind} ${name}`.trimEnd());
        }
      }),
    );

  command
    .command('register')
    .description('make a layer of its tar, and hold it once')
    .argument('<tar>', 'gzip, zstd or plain; - for stdin')
    .option('--parent <layer>', 'the layer below; default: none')
    .option('--diff-id <digest>', 'refuse another tar than this')
    .option('--descriptor <json>', 'of a foreign layer: its descriptor, or @FILE with it')
    .action(act(register));

  command
    .command('create')
    .description('a read-write layer, with an init layer below it; prints the key to mount')
    .argument('<name>')
    .argument('[layer]', 'what it stands on; default: nothing')
    .action(
      act(async (context, name: string, word: string | undefined) => {
        const { createRwLayer } = await import('../layers/read-write.js');
        const store = await context.store();
        const parent = word === undefined ? undefined : await chainOf(context, word);
        const made = await createRwLayer(store, name, parent);
        if (context.output.json) context.output.document(rwJson(made));
        else context.output.line(made.mountId);
      }),
    );

  command
    .command('release')
    .description('hold layers once less, remove read-write ones; prints the layers that went')
    .argument('<layers...>')
    .action(
      act(async (context, words: readonly string[]) => {
        const { layerNamed, releaseLayer } = await import('../layers/layer-store.js');
        const { releaseRw, rwLayer } = await import('../layers/read-write.js');
        const store = await context.store();
        const removed: Digest[] = [];
        for (const word of words) {
          const went =
            rwLayer(store, word) === undefined
              ? await releaseLayer(store, (await layerNamed(store, word)).chainId)
              : await releaseRw(store, word);
          removed.push(...went);
          if (!context.output.json) for (const chainId of went) context.output.line(chainId);
        }
        if (context.output.json) context.output.document(removed.map((chainId) => ({ chainId })));
      }),
    );

  command
    .command('mount')
    .description('mount a read-write layer, or count one more who uses its mount; prints where it is')
    .argument('<name>')
    .argument('<dir>', 'an existing folder; not looked at if it is mounted already')
    .action(
      act(async (context, name: string, dir: string) => {
        const { mountRw } = await import('../layers/read-write.js');
        showRw(context, await mountRw(await context.store(), name, dir));
      }),
    );

  command
    .command('umount')
    .description('one uses the mount no more; with the last it ends')
    .argument('<name>')
    .action(
      act(async (context, name: string) => {
        const { unmountRw } = await import('../layers/read-write.js');
        showRw(context, await unmountRw(await context.store(), name));
      }),
    );

  command
    .command('commit')
    .description('what was changed in a read-write layer as a layer, held once')
    .argument('<name>')
    .action(
      act(async (context, name: string) => {
        const { commitRw } = await import('../layers/read-write.js');
        showLayer(context, await commitRw(await context.store(), name));
      }),
    );

  command
    .command('get')
    .description('the tar that a layer was made of, to the byte')
    .argument('<layer>')
    .option('-o, --output <file>', 'into a file that does not exist yet')
    .action(act(getTar));

  command
    .command('drop')
    .description('drop the blobs of a layer: its files and the framing of its tar say them')
    .argument('<layer>')
    .option('--force', 'also those that would not come back under their digest')
    .action(
      act(async (context, word: string, { force }: { readonly force?: boolean }) => {
        const { dropBlobs } = await import('../layers/dropped-blobs.js');
        const { requireLayer } = await import('../layers/layer-store.js');
        const store = await context.store();
        const dropped = await dropBlobs(store, await requireLayer(store, word), force === true);
        if (context.output.json) return context.output.document(dropped);
        for (const { digest } of dropped) context.output.line(digest);
      }),
    );

  command
    .command('restore')
    .description('put the blobs of a layer back that were dropped')
    .argument('<layer>')
    .action(
      act(async (context, word: string) => {
        const { restoreBlobs } = await import('../layers/dropped-blobs.js');
        const { requireLayer } = await import('../layers/layer-store.js');
        const store = await context.store();
        const restored = await restoreBlobs(store, await requireLayer(store, word));
        if (context.output.json) return context.output.document(restored.map((digest) => ({ digest })));
        for (const digest of restored) context.output.line(digest);
      }),
    );
};

async function register(context: Context, source: string, words: RegisterWords): Promise<void> {
  const { registerLayer } = await import('../layers/layer-store.js');
  const { readSource } = await import('../images/members.js');
  const store = await context.store();
  const what = `cannot register ${source}`;
  const tar = () => readSource(source, what, { signal: context.signal });
  const layer = await registerLayer(store, tar, {
    signal: context.signal,
    ...(words.parent === undefined ? {} : { parent: await chainOf(context, words.parent) }),
    ...(words.diffId === undefined ? {} : { diffId: parseDigest(words.diffId) }),
    ...(words.descriptor === undefined ? {} : { descriptor: descriptorOf(words.descriptor) }),
  });
  if (!layer.hasTar) {
    context.output.warn(
      `mica: the tar of ${layer.chainId} cannot be given back: it came once, and has a file twice`,
    );
  }
  showLayer(context, layer);
}

function descriptorOf(word: string): ForeignDescriptor {
  const wrong = (why: string) => new StoreError('invalid-argument', 'cannot use --descriptor', why);
  const text = word.startsWith('@') ? readFileSync(word.slice(1), 'utf8') : word;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw wrong('it is no JSON');
    throw error;
  }
  if (typeof value !== 'object' || value === null) throw wrong('it is no object');
  const { mediaType, digest, size, urls } = value as Record<string, unknown>;
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || typeof size !== 'number') {
    throw wrong('it has mediaType, digest and size');
  }
  const isUrls = Array.isArray(urls) && urls.every((url) => typeof url === 'string');
  if (urls !== undefined && !isUrls) throw wrong('its urls are a list of texts');
  return { mediaType, digest: parseDigest(digest), size, ...(isUrls ? { urls } : {}) };
}

async function getTar(
  context: Context,
  word: string,
  { output }: { readonly output?: string },
): Promise<void> {
  const { pipeline } = await import('node:stream/promises');
  const { writeToFile } = await import('./to-file.js');
  const { layerTar, requireLayer } = await import('../layers/layer-store.js');
  const store = await context.store();
  const tar = layerTar(store, await requireLayer(store, word));
  const { signal } = context;
  if (output === undefined) {
    await pipeline(tar, process.stdout, { signal, end: false });
    return;
  }
  await writeToFile(output, tar, { what: `cannot write ${output}`, signal });
  if (context.output.json) context.output.document({ file: output });
  else context.output.line(output);
}

/** A chain ID in full. */
async function chainOf(context: Context, word: string): Promise<Digest> {
  const { requireLayer } = await import('../layers/layer-store.js');
  return (await requireLayer(await context.store(), word)).chainId;
}

function showLayer({ output }: Context, layer: LayerInfo): void {
  if (output.json) output.document(layerJson(layer));
  else output.line(layer.chainId);
}

function showRw({ output }: Context, layer: RwLayerInfo): void {
  if (output.json) output.document(rwJson(layer));
  else if (layer.target !== undefined) output.line(layer.target);
}

function layerJson({ references, ...layer }: LayerInfo): Record<string, unknown> {
  return { kind: 'layer', ...layer, references: references.length, holders: references };
}

function rwJson(layer: RwLayerInfo): Record<string, unknown> {
  return { kind: 'read-write', ...layer };
}

function layerCells(layer: LayerInfo): string[] {
  const { chainId, diffId, cacheId, size, references, parent, damage, descriptor } = layer;
  const note = damage === undefined ? (descriptor === undefined ? '' : 'foreign') : `damaged: ${damage}`;
  return [
    shortOf(chainId),
    shortOf(diffId),
    cacheId,
    sizeText(size),
    String(references.length),
    shortOf(parent),
    note,
  ];
}

function shortOf(digest: Digest | undefined): string {
  return digest === undefined ? '' : digest.replace('sha256:', '').slice(0, 12);
}
