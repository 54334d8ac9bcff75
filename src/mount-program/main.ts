// `mica-overlayfs`: our union behind the command line of fuse-overlayfs, for `mount_program` of podman and buildah,
// for mount.fuse3 and for mount(8). Exit code 0 means that the mount is live and that no daemon holds the
// caller's stdout or stderr, because podman reads stderr to its end.

import type { StackDescription } from '../../fs/index.js';
import { checkWithout } from '../cli/without.js';
import type { FuseOptions } from '../mounts/host-spec.js';
import { parseWords, type Words } from './words.js';

const USAGE = `usage: mica-overlayfs [-f] [-o OPTIONS] [SOURCE] DIR

OPTIONS, separated by commas:
  lowerdir=DIR:DIR    layers, topmost first; \\: is a colon in a name; DIR::DIR is a layer and one of data alone
  upperdir=DIR        where changes go; without it the mount is read only
  workdir=DIR         an empty folder on the filesystem of upperdir
  ro                  nothing can be changed
  volatile            do not wait for the disk when a file is copied up: after a power cut it may be empty
  settle              make the upper plain when the mount has ended
  userxattr           the marks are user.overlay.* xattrs, even for root
  writeback=0|1       the kernel collects writes, which are lost if the server is killed; default 0
  quota=SIZE[:INODES] what upperdir may take, in bytes or with a unit (10G)
  dialect=overlay|wh  how the layers spell their marks; default wh: files .wh.* count as well
  uidmapping=MAP      show the users of the layers as others; MAP is LAYERS:SHOWN:COUNT[:LAYERS:SHOWN:COUNT...]
  gidmapping=MAP      the same for groups
  squash=unmapped|all|none
                      which owners are shown as the mounter; default unmapped: those that have no number here
  squash_to_root, squash_to_uid=UID, squash_to_gid=GID
                      all owners are shown as this one
Every other option is ignored, with a line on stderr if it asks for what is not done anyway.

  -f         stay in the foreground until the mount ends
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
      await checkWithout();
      await run(words);
    }
  } catch (error) {
    process.exitCode = 1;
    const text = error instanceof Error ? error.message : String(error);
    process.stderr.write(`mica-overlayfs: ${text.replace(/\s*\n\s*/g, ' ')}\n`);
  }
}

async function printVersion(): Promise<void> {
  const { version } = await import('../cli/version.js');
  process.stdout.write(`mica-overlayfs: version ${version()}\n`);
}

async function run(words: Words): Promise<void> {
  const { MountTable } = await import('../mounts/table.js');
  const { mountStack } = await import('../mounts/mount-snapshot.js');
  for (const word of words.ignored) process.stderr.write(`mica-overlayfs: ignoring ${word}\n`);
  if (words.target === undefined) throw new Error('cannot mount: no mount point was given');
  const stack = await stackOf(words);
  const state = await stateFolder();
  for (const line of new MountTable(state).sweep()) process.stderr.write(`mica-overlayfs: ${line}\n`);
  const owners = words.owners === undefined ? {} : { owners: words.owners };
  const fuse: FuseOptions = {
    ...owners,
    ...(words.writeback ? { writeback: true } : {}),
    subtype: 'mica-overlayfs',
    fsname: words.source ?? 'mica-overlayfs',
  };
  const { target } = await mountStack(stack, words.target, {
    driver: 'fuse',
    state,
    transport: process.env['MICA_TRANSPORT'] ?? 'auto',
    readOnly: words.readOnly,
    settle: words.settle,
    fuse,
  });
  if (!words.foreground) return;
  const { untilEnded } = await import('../cli/until-ended.js');
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ending.abort());
  await untilEnded(target, state, ending.signal);
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
async function stateFolder(): Promise<string> {
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const { readSettings } = await import('../cli/settings.js');
  const { ensureStateFolder } = await import('../root-folder.js');
  const usual = readSettings({ root: '/' }).state;
  const runtime = process.env['XDG_RUNTIME_DIR'];
  const places = [
    usual,
    ...(runtime === undefined ? [] : [join(runtime, 'mica')]),
    join(tmpdir(), `mica-${process.getuid?.() ?? 0}`),
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
