// `mica-overlayfs`: our union behind the command line of fuse-overlayfs, for `mount_program` of podman and buildah,
// for mount.fuse3 and for mount(8). Exit code 0 means that the mount is live and that no daemon holds the
// caller's stdout or stderr, because podman reads stderr to its end. The process that reads the words is the server,
// unless the shared host is (MICA_HOST): bin/mica-overlayfs waits for its word.

import { closeSync, writeSync } from 'node:fs';
import type { StackDescription } from '../../fs/index.js';
import type { Settings } from '../cli/settings.js';
import { checkWithout } from '../cli/without.js';
import { meantBy } from '../mounts/hosting-words.js';
import { prepareToServe } from '../mounts/serve.js';
import { MountTable } from '../mounts/table.js';
import { ThisProcess } from './this-process.js';
import { parseWords, type Words } from './words.js';

const USAGE = `usage: mica-overlayfs [-f] [-o OPTIONS] [SOURCE] DIR

OPTIONS, separated by commas:
  lowerdir=DIR:DIR    layers, topmost first; \\: is a colon in a name; DIR::DIR is a layer and one of data alone
  upperdir=DIR        where changes go; without it the mount is read only
  workdir=DIR         an empty folder on the filesystem of upperdir
  state=DIR           where mica mounts and mica umount find it; default as theirs
  ro                  nothing can be changed
  volatile            never wait for the disk, whoever asks for it: after a power cut upperdir may be damaged
  settle              make the upper plain when the mount has ended
  userxattr           the marks are user.overlay.* xattrs, even for root
  fsync=0             the same as volatile
  writeback=0|1       the kernel collects writes, which are lost if the server is killed; default 0
  quota=SIZE[:INODES] what upperdir may take, in bytes or with a unit (10G)
  dialect=overlay|wh  how the layers spell their marks; default wh: files .wh.* count as well
  uidmapping=MAP      show the users of the layers as others; MAP is LAYERS:SHOWN:COUNT[:LAYERS:SHOWN:COUNT...]
  gidmapping=MAP      the same for groups
  squash=unmapped|all|none
                      which owners are shown as the mounter; default unmapped: those that have no number here
  squash_to_root, squash_to_uid=UID, squash_to_gid=GID
                      all owners are shown as this one
  static_nlink        folders have one link, whatever is in them
  noacl, noxattrs=1   there are no POSIX ACLs, or no extended attributes
  allow_other, nodev, nosuid, noexec
                      as for every FUSE mount; as root others may use it anyway
  debug               stay in the foreground and write what is asked for to stderr
Every other option is ignored, with a line on stderr if it asks for what is not done anyway.

  -f         stay in the foreground until the mount ends
  -d         the same as -o debug
  -V         version
  -h         this text
`;

/** Runs the program and sets `process.exitCode`: 0 when the mount is live, else 1 after one line on stderr. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    const words = parseWords(argv);
    if (words.help) process.stdout.write(USAGE);
    else if (words.version) await printVersion();
    else {
      const shares = !words.foreground && (await isShared(words));
      // The server's thread begins while this one finds out what it is to serve.
      if (!shares) prepareToServe(transport());
      await checkWithout();
      await run(words, shares);
    }
  } catch (error) {
    process.exitCode = 1;
    tell(error instanceof Error ? error.message : String(error));
  }
}

/** One line on stderr, past Node's stream, which would keep the descriptor. */
function tell(text: string): void {
  writeSync(2, `mica-overlayfs: ${text.replace(/\s*\n\s*/g, ' ')}\n`);
}

async function printVersion(): Promise<void> {
  const { version } = await import('../cli/version.js');
  process.stdout.write(`mica-overlayfs: version ${version()}\n`);
}

function transport(): string {
  return process.env['MICA_TRANSPORT'] ?? 'auto';
}

async function run(words: Words, shares: boolean): Promise<void> {
  const { mountStack } = await import('../mounts/mount-snapshot.js');
  const { lowersToRead } = await import('./lowers-to-read.js');
  const { isLiveAlready } = await import('./live-already.js');
  const { releaseUpper } = await import('../mounts/release-upper.js');
  for (const word of words.ignored) tell(`ignoring ${word}`);
  if (words.target === undefined) throw new Error('cannot mount: no mount point was given');
  const stack = await stackOf(words);
  const state = await stateFolder(words.state);
  const table = new MountTable(state);
  for (const line of table.sweep()) tell(line);
  const ready = readyDescriptor();
  const inherited = inheritedDescriptors();
  const { target: wanted, readOnly, owners } = words;
  if (!words.foreground && (await isLiveAlready(stack, wanted, readOnly, owners, table))) {
    if (ready !== undefined) writeSync(ready, 'live');
    return;
  }
  await lowersToRead(stack, table);
  if (stack.upper !== undefined) await releaseUpper(stack.upper.path, table);
  const host = new ThisProcess(ready, inherited);
  const { target } = await mountStack(stack, words.target, {
    driver: 'fuse',
    hosting: shares ? 'shared' : 'own',
    state,
    transport: transport(),
    readOnly: words.readOnly,
    settle: words.settle,
    fuse: {
      ...(words.owners && { owners: words.owners }),
      ...words.shows,
      subtype: 'mica-overlayfs',
      fsname: words.source ?? 'mica-overlayfs',
    },
    ...(!shares && (words.foreground || host.isAwaited) ? { host } : {}),
  });
  if (shares && ready !== undefined) await tellLive(ready, target);
  if (words.debug) await host.tellRequests();
}

/** A shared host serves it rather than this process. */
async function isShared({ state }: Words): Promise<boolean> {
  const { hosting } = await settings();
  return meantBy(hosting, new MountTable(await stateFolder(state)).size) === 'shared';
}

/** The mount is another process's. Whoever stopped waiting for it gets none. */
async function tellLive(ready: number, target: string): Promise<void> {
  try {
    writeSync(ready, 'live');
    closeSync(ready);
  } catch (error) {
    const { unmountPlace } = await import('../mounts/mount-all.js');
    unmountPlace(target, true);
    throw error;
  }
}

/** What the environment says. The root is not looked at, and need not be known here. */
async function settings(): Promise<Settings> {
  const { readSettings } = await import('../cli/settings.js');
  return readSettings({ root: '/' });
}

/** Where the launcher waits for a word; undefined where there is none. */
function readyDescriptor(): number | undefined {
  const word = process.env['MICA_READY_FD'];
  delete process.env['MICA_READY_FD'];
  return word !== undefined && /^[3-9]$/.test(word) ? Number(word) : undefined;
}

/** What the launcher had open that is its caller's. */
function inheritedDescriptors(): readonly number[] {
  const words = process.env['MICA_INHERITED'];
  delete process.env['MICA_INHERITED'];
  return words?.match(/\d+/g)?.map(Number) ?? [];
}

async function stackOf(words: Words): Promise<StackDescription> {
  const { resolve } = await import('node:path');
  const { sys } = await import('../../fs/index.js');
  const { folder } = await import('../cli/plain-stack.js');
  if (words.lowers.length === 0 && words.upper === undefined)
    throw new Error('cannot mount: lowerdir is missing');
  const dialect = words.dialect ?? 'wh';
  const told = words.userXattr ? ({ marks: 'user' } as const) : {};
  const describe = (path: string) => ({ path: folder(path), id: resolve(path), dialect, ...told }) as const;
  const layers = {
    lowers: words.lowers.map(describe),
    ...(words.data.length === 0 ? {} : { data: words.data.map(describe) }),
  };
  if (words.upper === undefined) return layers;
  if (words.work === undefined) throw new Error('cannot mount: upperdir needs a workdir');
  const marks = !words.userXattr && sys.mayUseTrustedXattrs() ? 'trusted' : 'user';
  const { volatile: isVolatile, quota } = words;
  const upper = { ...describe(words.upper), marks, work: folder(words.work), volatile: isVolatile } as const;
  return { ...layers, upper: quota === undefined ? upper : { ...upper, quota } };
}

/**
 * The folder of sockets and notes. Engines start this program inside user namespaces, where uid 0 is nobody
 * special, so the usual place of root may be out of reach.
 */
async function stateFolder(wanted: string | undefined): Promise<string> {
  const { resolve } = await import('node:path');
  const { statePlaces } = await import('../cli/state-places.js');
  const { ensureStateFolder } = await import('../root-folder.js');
  const { state: usual } = await settings();
  const places = [
    ...(wanted === undefined ? [] : [resolve(wanted)]),
    usual,
    ...statePlaces(process.env['XDG_RUNTIME_DIR']),
  ];
  let failure: unknown;
  for (const place of places) {
    try {
      ensureStateFolder(place);
      return place;
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}
