// The words behind `-o`: a table of those that change what is mounted, and a list of those that fuse-overlayfs, libfuse
// and mount(8) know and that ask for nothing else than what is done anyway. What is in neither is handed back, because
// engines pass words that are newer than any program.

import type { IdRules, OwnerRules, SpaceLimit } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { FuseOptions } from '../mounts/host-spec.js';
import { splitLayers, splitUnescaped } from '../mounts/layer-words.js';
import { parseId, parseIdMap, parseSquash } from '../mounts/owner-words.js';
import { parseQuota } from '../mounts/quota-words.js';

/** What the mount shows and allows; each is absent unless something was said about it. */
type Shows = Pick<
  FuseOptions,
  'allowOther' | 'dev' | 'suid' | 'exec' | 'writeback' | 'acls' | 'xattrs' | 'folderLinks'
>;

/** What the options say; of a word that comes again, the last counts. */
export interface Options {
  /** Topmost first. */
  lowers: readonly string[];
  /** Layers of data alone, topmost first. */
  data: readonly string[];
  upper: string | undefined;
  work: string | undefined;
  /** Where the mount is noted down, in place of the usual folder. */
  state: string | undefined;
  readOnly: boolean;
  dialect: 'overlay' | 'wh' | undefined;
  settle: boolean;
  /** The marks of the layers are spelled `user.overlay.`, as the kernel's option of this name has it. */
  userXattr: boolean;
  /** Nobody needs the upper to be whole after a power cut: nothing of it is synced. */
  volatile: boolean;
  /** What the upper may take; undefined: as much as there is. */
  quota: SpaceLimit | undefined;
  /** Which owners the mount shows; undefined if nothing was said about it. */
  owners: OwnerRules | undefined;
  shows: Shows;
  /** Stay in the foreground, and say on stderr what the mount is asked for. */
  debug: boolean;
}

/** Without a value, `value` is ''. */
type Take = (options: Options, value: string, name: string) => void;

const TAKE: Readonly<Record<string, Take>> = {
  lowerdir(options, value, name) {
    const { lowers, data } = splitLayers(name, value);
    options.lowers = lowers.map(withoutEscapes);
    options.data = data.map(withoutEscapes);
  },
  upperdir(options, value, name) {
    options.upper = folder(name, value);
  },
  workdir(options, value, name) {
    options.work = folder(name, value);
  },
  state(options, value, name) {
    options.state = folder(name, value);
  },
  ro(options) {
    options.readOnly = true;
  },
  rw(options) {
    options.readOnly = false;
  },
  dialect(options, value, name) {
    if (value !== 'overlay' && value !== 'wh') throw wrong(`${name}=${value}`, 'a dialect is overlay or wh');
    options.dialect = value;
  },
  settle(options) {
    options.settle = true;
  },
  userxattr(options) {
    options.userXattr = true;
  },
  volatile(options) {
    options.volatile = true;
  },
  fsync(options, value, name) {
    options.volatile = !isOn(name, value);
  },
  quota(options, value, name) {
    options.quota = parseQuota(name, value);
  },
  uidmapping(options, value, name) {
    addOwners(options, { uids: { ranges: parseIdMap(name, value) } });
  },
  gidmapping(options, value, name) {
    addOwners(options, { gids: { ranges: parseIdMap(name, value) } });
  },
  squash(options, value, name) {
    const squash = parseSquash(name, value);
    addOwners(options, { uids: { squash }, gids: { squash } });
  },
  // Whatever their order, the two that name one id count before it (fuse-overlayfs(1)).
  squash_to_root(options) {
    const { uids, gids } = options.owners ?? { uids: {}, gids: {} };
    const { squashTo: uid = 0 } = uids;
    const { squashTo: gid = 0 } = gids;
    addOwners(options, { uids: squashedTo(uid), gids: squashedTo(gid) });
  },
  squash_to_uid(options, value, name) {
    addOwners(options, { uids: squashedTo(parseId(name, value)) });
  },
  squash_to_gid(options, value, name) {
    addOwners(options, { gids: squashedTo(parseId(name, value)) });
  },
  // Stand-ins are read wherever a layer has them, and written where the true owner cannot be set.
  xattr_permissions(_options, value, name) {
    if (!['0', '1', '2'].includes(value)) throw wrong(`${name}=${value}`, 'it is 0, 1 or 2');
  },
  timeout(_options, value, name) {
    if (!/^\d+(\.\d*)?$/.test(value)) throw wrong(`${name}=${value}`, 'it is a number of seconds');
  },
  debug(options) {
    options.debug = true;
  },
  allow_other: show({ allowOther: true }),
  dev: show({ dev: true }),
  nodev: show({ dev: false }),
  suid: show({ suid: true }),
  nosuid: show({ suid: false }),
  exec: show({ exec: true }),
  noexec: show({ exec: false }),
  noacl: show({ acls: false }),
  static_nlink: show({ folderLinks: false }),
  noxattrs(options, value, name) {
    options.shows = { ...options.shows, xattrs: !isOn(name, value) };
  },
  writeback(options, value, name) {
    options.shows = { ...options.shows, writeback: isOn(name, value) };
  },
};

/**
 * How many threads there are, where file numbers come from, how data moves to the kernel, how long the kernel keeps what
 * nobody else changes, features of overlayfs that this program has, or does without: nobody sees a difference.
 */
const NEEDLESS = new Set([
  ...['atime', 'noatime', 'diratime', 'nodiratime', 'relatime', 'norelatime', 'strictatime', 'nostrictatime'],
  ...['default_permissions', 'kernel_cache', 'auto_cache', 'noauto_cache'],
  ...['big_writes', 'clone_fd', 'use_ino', 'readdir_ino', 'hard_remove', 'nonempty', 'async', 'defaults'],
  ...['splice_read', 'splice_write', 'splice_move', 'no_splice_read', 'no_splice_write', 'no_splice_move'],
  ...['entry_timeout', 'attr_timeout', 'negative_timeout', 'ac_attr_timeout'],
  ...['threaded', 'max_threads', 'max_idle_threads', 'max_background', 'congestion_threshold'],
  ...['fast_ino', 'ino32_t', 'xino', 'max_write', 'max_read', 'max_readahead'],
  ...['redirect_dir', 'index', 'metacopy', 'nfs_export', 'uuid'],
]);

export function noOptions(): Options {
  return {
    lowers: [],
    data: [],
    upper: undefined,
    work: undefined,
    state: undefined,
    readOnly: false,
    dialect: undefined,
    settle: false,
    userXattr: false,
    volatile: false,
    quota: undefined,
    owners: undefined,
    shows: {},
    debug: false,
  };
}

/**
 * Takes the text behind an `-o` into `options`; returns the words that it does not know. invalid-argument for a word
 * whose value is missing or wrong.
 */
export function takeOptions(text: string, options: Options): string[] {
  return splitOptions(text).filter((option) => !take(option, options));
}

function take(option: string, options: Options): boolean {
  if (option === '') return true;
  const equals = option.indexOf('=');
  const name = equals < 0 ? option : option.slice(0, equals);
  const taken = Object.hasOwn(TAKE, name) ? TAKE[name] : undefined;
  taken?.(options, equals < 0 ? '' : option.slice(equals + 1), name);
  return taken !== undefined || NEEDLESS.has(name);
}

function show(said: Shows): Take {
  return (options) => {
    options.shows = { ...options.shows, ...said };
  };
}

function squashedTo(id: number): IdRules {
  return { squash: 'all', squashTo: id };
}

function addOwners(options: Options, { uids, gids }: Partial<OwnerRules>): void {
  options.owners = {
    uids: { ...options.owners?.uids, ...uids },
    gids: { ...options.owners?.gids, ...gids },
  };
}

/** Switches as libfuse has them: `NAME=0`, `NAME=1`, or the name alone. */
function isOn(name: string, value: string): boolean {
  if (!['', '0', '1'].includes(value)) throw wrong(`${name}=${value}`, `${name} is 0 or 1`);
  return value !== '0';
}

function folder(name: string, value: string): string {
  if (value === '') throw wrong(name, 'it names no folder');
  return withoutEscapes(value);
}

/**
 * `a,b\,c` is two options: fstab's escape for a comma inside a path. Commas between double quotes part nothing either:
 * the labels of SELinux have them (mount(8)).
 */
function splitOptions(text: string): string[] {
  const parts: string[] = [];
  let open: string | undefined;
  for (const part of splitUnescaped(text, ',')) {
    const whole: string = open === undefined ? part : `${open},${part}`;
    open = /^\w*context="[^"]*$/.test(whole) ? whole : undefined;
    if (open === undefined) parts.push(whole.replaceAll('\\,', ','));
  }
  return open === undefined ? parts : [...parts, open];
}

function withoutEscapes(text: string): string {
  return text.replace(/\\(.)/g, '$1');
}

export function wrong(word: string, why: string): StoreError {
  return new StoreError('invalid-argument', `cannot use ${word}`, why);
}
