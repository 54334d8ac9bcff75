// `mica mount`: an image, a snapshot or plain folders at a folder. It prints the key and returns when the mount is
// live; the server lives on in a process of its own.

import type { OwnerRules } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { GC_ROOT, rootLabels } from '../labels.js';
import type { FuseOptions } from '../mounts/host-spec.js';
import { joinLayers } from '../mounts/layer-words.js';
import type { Driver } from '../mounts/mount.js';
import { parseIdMap, parseSquash } from '../mounts/owner-words.js';
import { parseQuota } from '../mounts/quota-words.js';
import type { MountHost } from '../mounts/start.js';
import type { MountRow } from '../mounts/table.js';
import type { SnapshotInfo } from '../snapshots/snapshot.js';
import type { Store } from '../store.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
import { hinted } from './failure.js';
import { freeKey } from './free-key.js';
import { mountJson } from './mounts.js';

interface Words {
  readonly key?: string;
  readonly readOnly?: boolean;
  readonly settle?: boolean;
  readonly foreground?: boolean;
  readonly quota?: string;
  readonly lower?: string;
  readonly upper?: string;
  readonly work?: string;
  readonly dialect?: string;
  readonly uidMap?: string;
  readonly gidMap?: string;
  readonly squash?: string;
  readonly lowerChanges?: boolean;
  readonly writeback?: boolean;
  readonly passthrough: boolean;
  readonly stats?: boolean;
}

interface KeyedRow {
  readonly key: string;
  readonly row: MountRow;
}

/** What is said of plain folders only. */
const FOLDER_WORDS = [
  { option: '--upper', word: 'upper' },
  { option: '--work', word: 'work' },
  { option: '--dialect', word: 'dialect' },
  { option: '--lower-changes', word: 'lowerChanges' },
] as const;

export const declareMount: Declare = (command, act) => {
  command
    .argument('<word>', 'an image, a snapshot or an active key; with --lower the folder, alone')
    .argument('[dir]', 'an existing folder')
    .option('--key <key>', 'name of the new active snapshot or view; default: made up')
    .option('--read-only', 'a view: nothing can be changed')
    .option('--settle', 'make the upper plain at the unmount')
    .option('--quota <size>', 'SIZE[:INODES]: what the changes may take (10G, 512M:20000)')
    .option('--foreground', 'return when the mount has ended')
    .option(
      '--lower <dir:dir>',
      'plain folders, topmost first, without a store; b of a::b has data alone; again: below these',
      joinLayers,
    )
    .option('--upper <dir>', 'where changes to plain folders go')
    .option('--work <dir>', 'an empty folder on the filesystem of --upper')
    .option('--dialect <name>', 'overlay|wh: how plain folders spell their marks')
    .option('--lower-changes', 'others change the plain folders: show that within a second')
    .option('--writeback', 'faster small writes, which are lost if the server is killed before fsync')
    .option('--no-passthrough', 'as root: read and write all files through the server')
    .option('--stats', 'say at the unmount how many requests of each kind there were, and how long they took')
    .option('--uid-map <map>', 'show the users of the layers as others: LAYERS:SHOWN:COUNT,...')
    .option('--gid-map <map>', 'the same for groups')
    .option('--squash <which>', 'unmapped|all|none: which owners are shown as you; default unmapped');
  // With --lower the one word is the folder, so the order of the two is settled here and not by commander.
  command.usage('[options] <word> <dir>\n       mica mount [options] --lower <dir:dir> <dir>');
  command.action(
    act(async (context, first: string, second: string | undefined, words: Words) => {
      if (words.quota !== undefined && words.readOnly === true) throw wrong('--quota is for what is changed');
      assertMeasured(context, words);
      if (words.lower !== undefined) {
        if (second !== undefined) throw wrong('--lower takes one folder, the mount point');
        if (words.key !== undefined) throw wrong('--key names a snapshot, and --lower makes none');
        return mounted(context, undefined, await mountFolders(context, first, words), words);
      }
      const alone = FOLDER_WORDS.find(({ word }) => words[word] !== undefined);
      if (alone !== undefined) throw wrong(`${alone.option} goes with --lower`);
      if (second === undefined) throw wrong('a word and a folder are needed');
      const { key, row } = await mountWord(context, first, second, words);
      await mounted(context, key, row, words);
    }),
  );
};

function wrong(why: string): StoreError {
  return new StoreError('invalid-argument', 'cannot mount', why, { hint: 'mica mount --help' });
}

/** What a FUSE server alone can do. */
function fuseOf(words: Words): { readonly fuse: FuseOptions } | undefined {
  const owners = ownersOf(words);
  const plain = words.writeback !== true && words.stats !== true && words.passthrough;
  if (owners === undefined && plain) return undefined;
  return {
    fuse: {
      ...(owners === undefined ? {} : { owners }),
      ...(words.writeback === true ? { writeback: true } : {}),
      ...(words.passthrough ? {} : { passthrough: false }),
      ...(words.stats === true ? { stats: true } : {}),
    },
  };
}

function ownersOf(words: Words): OwnerRules | undefined {
  const { uidMap, gidMap } = words;
  if (uidMap === undefined && gidMap === undefined && words.squash === undefined) return undefined;
  const squash = words.squash === undefined ? {} : { squash: parseSquash('--squash', words.squash) };
  const rules = (word: string, map: string | undefined) => ({
    ...(map === undefined ? {} : { ranges: parseIdMap(word, map) }),
    ...squash,
  });
  return { uids: rules('--uid-map', uidMap), gids: rules('--gid-map', gidMap) };
}

function assertMeasured({ settings }: Context, { stats }: Words): void {
  if (stats !== true || settings.transport !== 'fuse-native') return;
  throw wrong('--stats is not measured by --transport fuse-native');
}

async function mounted(
  context: Context,
  key: string | undefined,
  row: MountRow,
  words: Words,
): Promise<void> {
  const { output } = context;
  if (output.json) output.document(mountJson({ ...row, state: 'live' }));
  else output.line(key ?? row.target);
  if (words.foreground === true) {
    const { untilEnded } = await import('./until-ended.js');
    const stats = await untilEnded(row.target, context.settings.state, context.signal);
    if (stats !== undefined) output.note((await import('./request-stats.js')).statsText(stats));
  }
}

async function mountFolders(context: Context, dir: string, words: Words): Promise<MountRow> {
  const { stackOfFolders } = await import('./plain-stack.js');
  const { mountStack } = await import('../mounts/mount-snapshot.js');
  const { withParts } = await import('../mounts/parts.js');
  const { ensureStateFolder } = await import('../root-folder.js');
  const { driver, state, transport, hosting } = context.settings;
  if (driver === 'native') throw wrong('--lower is a union, which --driver native is not');
  const stack = withParts(stackOfFolders(words));
  ensureStateFolder(state);
  return mountStack(stack, dir, {
    driver: driver === 'auto' ? 'fuse' : driver,
    state,
    transport,
    hosting,
    readOnly: words.readOnly === true,
    settle: words.settle === true,
    ...(fuseOf(words) ?? {}),
  });
}

/** Mounts what a word means. Its server begins while that is found out. */
async function mountWord(context: Context, word: string, dir: string, words: Words): Promise<KeyedRow> {
  const { hostAhead } = await import('../mounts/hosting.js');
  const { driver, state, transport, hosting } = context.settings;
  const mayServe = driver === 'auto' || driver === 'fuse';
  const host = mayServe ? hostAhead(hosting, state, dir, transport) : undefined;
  try {
    return await mountMeant(context, word, dir, words, host);
  } finally {
    host?.dismiss();
  }
}

/** Mounts on a new active snapshot or view, unless the word is a key. What was made goes if it fails. */
async function mountMeant(
  context: Context,
  word: string,
  dir: string,
  words: Words,
  host: MountHost | undefined,
): Promise<KeyedRow> {
  const { meaningOf } = await import('./words.js');
  const { mountSnapshot } = await import('../mounts/mount-snapshot.js');
  const { transport, hosting } = context.settings;
  const fuse = fuseOf(words);
  const quota = words.quota === undefined ? undefined : parseQuota('--quota', words.quota);
  const store = await context.store();
  const what = `cannot mount ${word}`;
  const meant = await meaningOf(store, word, what);
  const options = {
    transport,
    hosting,
    readOnly: words.readOnly === true,
    settle: words.settle === true,
    ...(fuse === undefined ? {} : { driver: 'fuse' as const, ...fuse }),
    ...(driverOf(context) ?? {}),
    ...(host === undefined ? {} : { host }),
  };
  if (meant.kind === 'key') {
    if (words.key !== undefined) throw wrong(`${word} is a key already; leave out --key`);
    if (quota !== undefined) await store.snapshots.limit(meant.snapshot.name, quota);
    return {
      key: meant.snapshot.name,
      row: await mountIt(() =>
        kept(store, meant.snapshot, () => mountSnapshot(store, meant.snapshot.name, dir, options)),
      ),
    };
  }
  const key = words.key ?? (await freeKey(word, (name) => store.snapshots.stat(name)));
  const parent = meant.snapshot.name;
  try {
    const labels = rootLabels();
    if (words.readOnly === true) await store.snapshots.view(key, parent, { labels });
    else await store.snapshots.prepare(key, parent, { labels, ...(quota === undefined ? {} : { quota }) });
  } catch (error) {
    throw hinted(error, 'already-exists', `mica mount ${key} ${dir}, or another --key`);
  }
  try {
    return { key, row: await mountIt(() => mountSnapshot(store, key, dir, options)) };
  } catch (error) {
    await store.snapshots.remove(key);
    throw error;
  }
}

/** Runs `act` while a key that nothing else may keep is not collected: until its mount is in the table. */
async function kept<T>(store: Store, { name, labels }: SnapshotInfo, act: () => Promise<T>): Promise<T> {
  if (labels[GC_ROOT] !== undefined) return act();
  const { atWork } = await import('../images/at-work.js');
  return atWork(store.leases, async (lease) => {
    await lease.hold({ snapshots: [name] });
    return act();
  });
}

function driverOf(context: Context): { readonly driver: Driver } | undefined {
  const { driver } = context.settings;
  return driver === 'auto' ? undefined : { driver };
}

/** A mount that failed names the next command, whatever the reason below was. */
async function mountIt(mount: () => Promise<MountRow>): Promise<MountRow> {
  try {
    return await mount();
  } catch (error) {
    throw hinted(hinted(error, 'failed', 'mica doctor'), 'unsupported', 'mica doctor');
  }
}
