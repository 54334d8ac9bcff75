// `mica commit`: an active snapshot becomes a committed one and, with --image, a new image of one more layer. One that is
// mounted goes on, on top of what was committed; else its key is consumed.

import type { Compression } from '../diff/compression.js';
import { isKind, StoreError } from '../errors.js';
import { MountTable } from '../mounts/table.js';
import type { Stop, StoredSnapshot } from '../snapshots/snapshot.js';
import type { Store } from '../store.js';
import type { Declare } from './commands.js';
import { COMPRESSION_WORDS, compressionWord, sourceDateEpoch } from './compression.js';
import { parseLabels, several } from './labels.js';
import { folderAt, isPath } from './mounted.js';

interface Words {
  readonly image?: string;
  readonly message?: string;
  readonly author?: string;
  readonly env?: readonly string[];
  readonly cmd?: string;
  readonly entrypoint?: string;
  readonly workdir?: string;
  readonly user?: string;
  readonly label?: readonly string[];
  readonly compression?: Compression;
}

export const declareCommit: Declare = (command, act) => {
  command
    .argument('<key>', 'an active snapshot, or the folder where it was mounted')
    .argument('<name>', 'of the committed snapshot')
    .option('--image <ref>', 'make an image of it as well')
    .option(
      '--compression <kind>',
      `of the image’s layer: ${COMPRESSION_WORDS}; default: gzip`,
      compressionWord,
    )
    .option('--message <text>', 'comment in the image’s history')
    .option('--author <name>')
    .option('--env <name=value>', 'may be given several times', several)
    .option('--cmd <words>', 'JSON array, or one word')
    .option('--entrypoint <words>', 'JSON array, or one word')
    .option('--workdir <dir>')
    .option('--user <user>')
    .option(
      '--label <key=value>',
      'of the image with --image, else of the snapshot; may be given several times',
      several,
    )
    .addHelpText(
      'after',
      '\nA key that is not mounted is consumed. One that is mounted by mica goes on: what was written before is\n' +
        'committed as NAME, and the key stays active, and mounted, on top of it.',
    )
    .action(
      act(async (context, word: string, name: string, words: Words) => {
        const { assertNotMounted, commitLiveKey } = await import('./commit-key.js');
        const store = await context.store();
        const labels = parseLabels(words.label ?? []).labels;
        const key = await keyOf(store, word);
        const { output } = context;
        if (words.image === undefined) {
          const { info, stop } = await commitLiveKey(store, key, name, labels);
          if (output.json) output.document({ ...info, ...(stop && { live: { key, ...stop } }) });
          else output.line(info.name);
          if (stop !== undefined) output.note(goesOn(key, name, stop));
          return;
        }
        const { commitImage } = await import('../images/commit-image.js');
        const { imageInfo } = await import('../images/stored.js');
        const { assertImageName } = await import('../images/reference.js');
        const { assertConfigChange } = await import('../images/config.js');
        const { assertCompresses } = await import('../diff/compression.js');
        const change = {
          labels,
          ...given({ message: words.message, author: words.author, env: words.env }),
          ...given({ workdir: words.workdir, user: words.user }),
          ...given({
            cmd: wordList(words.cmd, '--cmd'),
            entrypoint: wordList(words.entrypoint, '--entrypoint'),
          }),
        };
        const epoch = sourceDateEpoch();
        // Before the key is committed, which nothing takes back.
        assertImageName(words.image);
        assertConfigChange(change);
        if (words.compression !== undefined) await assertCompresses(words.compression);
        // A key that was committed by an earlier try goes on where that one ended.
        const info = await committable(store, key, name);
        let stop: Stop | undefined;
        if (info.kind !== 'committed') ({ stop } = await commitLiveKey(store, key, name, {}));
        else await assertNotMounted(store, key, `cannot commit snapshot ${key}`);
        const { row } = await commitImage(store, {
          snapshot: info.kind === 'committed' ? key : name,
          ref: words.image,
          signal: context.signal,
          onProgress: context.onProgress,
          ...given({ compression: words.compression }),
          ...epoch,
          ...change,
        });
        context.progress.clear();
        if (output.json) {
          const live = stop && { live: { key, ...stop } };
          output.document({ ...(await imageInfo(store, row)), snapshot: name, ...live });
        } else output.line(row.name);
        if (stop !== undefined) output.note(goesOn(key, name, stop));
      }),
    );
};

function goesOn(key: string, name: string, { stoppedMs, handedOver }: Stop): string {
  const copies = handedOver === 0 ? '' : `; ${handedOver} open for writing past the server were copied`;
  return `${key} stays mounted, on top of ${name}; it stood still for ${stoppedMs.toFixed(1)} ms${copies}`;
}

/** Without the fields that are undefined: absent means “as the base has it”. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** A folder stands for the active snapshot that is mounted there, which is then refused with the way to go on. */
async function keyOf(store: Store, word: string): Promise<string> {
  const target = folderAt(word);
  const key = word.replace(/^key:/, '');
  if (target === undefined || (!isPath(word) && (await isSnapshot(store, key)))) return key;
  const mount = new MountTable(store.state).at(target);
  if (mount?.snapshot !== undefined) return mount.snapshot.key;
  throw new StoreError('not-found', `cannot commit ${word}`, 'no snapshot of this program is mounted there', {
    hint: 'mica mounts, mica snapshot ls',
  });
}

/** What is to be committed. Where a try was cut short between snapshot and image, the hint says how to go on. */
async function committable(store: Store, key: string, name: string): Promise<StoredSnapshot> {
  try {
    return await store.snapshots.stat(key);
  } catch (error) {
    if (!isKind(error, 'not-found')) throw error;
    const hint = (await isSnapshot(store, name))
      ? `${name} is committed already: mica commit ${name} ${name} --image REF makes an image of it`
      : 'mica snapshot ls';
    throw new StoreError('not-found', `cannot commit snapshot ${key}`, error.why, { cause: error, hint });
  }
}

async function isSnapshot(store: Store, name: string): Promise<boolean> {
  try {
    await store.snapshots.stat(name);
    return true;
  } catch (error) {
    if (isKind(error, 'not-found')) return false;
    throw error;
  }
}

/** `["a","b"]` as JSON, anything else as one word. */
function wordList(text: string | undefined, option: string): readonly string[] | undefined {
  if (text === undefined || !text.startsWith('[')) return text === undefined ? undefined : [text];
  const wrong = new StoreError(
    'invalid-argument',
    `cannot use ${option} ${text}`,
    'it is no JSON array of strings',
  );
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every((one): one is string => typeof one === 'string')) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw wrong;
}
