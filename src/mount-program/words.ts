// The command line of fuse-overlayfs, as podman, buildah, mount(8) and people type it. What this program does not
// know it ignores with a line on stderr, as fuse-overlayfs does: engines pass words that are newer than either.

import type { IdRules, OwnerRules, SpaceLimit } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { type LayerPaths, splitLayers, splitUnescaped } from '../mounts/layer-words.js';
import { parseId, parseIdMap, parseSquash } from '../mounts/owner-words.js';
import { parseQuota } from '../mounts/quota-words.js';

export interface Words {
  readonly help: boolean;
  readonly version: boolean;
  /** Stay in the foreground until the mount ends. */
  readonly foreground: boolean;
  /** Topmost first. */
  readonly lowers: readonly string[];
  /** Layers of data alone, topmost first. */
  readonly data: readonly string[];
  readonly upper: string | undefined;
  readonly work: string | undefined;
  readonly readOnly: boolean;
  readonly dialect: 'overlay' | 'wh' | undefined;
  readonly settle: boolean;
  /** The marks of the layers are spelled `user.overlay.`, as the kernel's option of this name has it. */
  readonly userXattr: boolean;
  /** Nobody needs what is copied up to be whole after a power cut. */
  readonly volatile: boolean;
  /** The kernel collects writes; only where it is asked for, unlike fuse-overlayfs. */
  readonly writeback: boolean;
  /** What the upper may take; undefined: as much as there is. */
  readonly quota: SpaceLimit | undefined;
  /** Which owners the mount shows; undefined if nothing was said about it. */
  readonly owners: OwnerRules | undefined;
  /** What stands in /proc/mounts as the source. */
  readonly source: string | undefined;
  /** The mount point; undefined if none was typed. */
  readonly target: string | undefined;
  /** Words that were not understood. */
  readonly ignored: readonly string[];
}

/** Options that ask for what this program does anyway, or that the kernel or the helper settles. Nothing is said about them. */
const SILENT = new Set([
  'rw',
  'suid',
  'dev',
  'exec',
  'atime',
  'noatime',
  'diratime',
  'nodiratime',
  'relatime',
  'default_permissions',
  'allow_other',
  'redirect_dir=off',
  'index=off',
]);

interface Parsed {
  lowers: readonly string[];
  data: readonly string[];
  upper: string | undefined;
  work: string | undefined;
  readOnly: boolean;
  dialect: 'overlay' | 'wh' | undefined;
  settle: boolean;
  userXattr: boolean;
  volatile: boolean;
  writeback: boolean;
  quota: SpaceLimit | undefined;
  owners: OwnerRules | undefined;
}

/** Takes the words apart. invalid-argument for an option whose value is missing or wrong. */
export function parseWords(argv: readonly string[]): Words {
  const options: Parsed = {
    lowers: [],
    data: [],
    upper: undefined,
    work: undefined,
    readOnly: false,
    dialect: undefined,
    settle: false,
    userXattr: false,
    volatile: false,
    writeback: false,
    quota: undefined,
    owners: undefined,
  };
  const flags = new Set<string>();
  const ignored: string[] = [];
  const places: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '-o' || word.startsWith('-o')) {
      const value = word === '-o' ? argv[++at] : word.slice(2);
      if (value === undefined) throw wrong('-o', 'its options are missing');
      for (const option of splitOptions(value)) takeOption(option, options, ignored);
    } else if (word === '--') {
      places.push(...argv.slice(at + 1));
      break;
    } else if (/^(-f|-d|-h|-V|--help|--version|--debug|--foreground)$/.test(word)) {
      flags.add(word.replace(/^--?/, '').slice(0, 1));
    } else if (word.startsWith('-') && word !== '-') {
      ignored.push(word);
    } else {
      places.push(word);
    }
  }
  if (places.length > 2) ignored.push(...places.slice(0, -2));
  return {
    ...options,
    help: flags.has('h'),
    version: flags.has('V') || flags.has('v'),
    foreground: flags.has('f'),
    source: places.length > 1 ? places.at(-2) : undefined,
    target: places.at(-1),
    ignored,
  };
}

function takeOption(option: string, options: Parsed, ignored: string[]): void {
  const equals = option.indexOf('=');
  const name = equals < 0 ? option : option.slice(0, equals);
  const value = equals < 0 ? '' : option.slice(equals + 1);
  switch (name) {
    case '':
      return;
    case 'lowerdir':
      setLayers(options, splitLayers(name, value));
      return;
    case 'upperdir':
      options.upper = folder(name, value);
      return;
    case 'workdir':
      options.work = folder(name, value);
      return;
    case 'ro':
      options.readOnly = true;
      return;
    case 'settle':
      options.settle = true;
      return;
    case 'userxattr':
      options.userXattr = true;
      return;
    case 'volatile':
      options.volatile = true;
      return;
    case 'writeback':
      if (!['', '0', '1'].includes(value)) throw wrong(option, 'writeback is 0 or 1');
      options.writeback = value !== '0';
      return;
    case 'quota':
      options.quota = parseQuota(name, value);
      return;
    case 'uidmapping':
      addOwners(options, { uids: { ranges: parseIdMap(name, value) } });
      return;
    case 'gidmapping':
      addOwners(options, { gids: { ranges: parseIdMap(name, value) } });
      return;
    case 'squash': {
      const squash = parseSquash(name, value);
      addOwners(options, { uids: { squash }, gids: { squash } });
      return;
    }
    case 'squash_to_root':
      addOwners(options, { uids: squashedTo(0), gids: squashedTo(0) });
      return;
    case 'squash_to_uid':
      addOwners(options, { uids: squashedTo(parseId(name, value)) });
      return;
    case 'squash_to_gid':
      addOwners(options, { gids: squashedTo(parseId(name, value)) });
      return;
    case 'dialect':
      if (value !== 'overlay' && value !== 'wh') throw wrong(option, 'a dialect is overlay or wh');
      options.dialect = value;
      return;
    default:
      if (!SILENT.has(option)) ignored.push(option);
  }
}

function squashedTo(id: number): IdRules {
  return { squash: 'all', squashTo: id };
}

function addOwners(options: Parsed, { uids, gids }: Partial<OwnerRules>): void {
  options.owners = {
    uids: { ...options.owners?.uids, ...uids },
    gids: { ...options.owners?.gids, ...gids },
  };
}

function setLayers(options: Parsed, { lowers, data }: LayerPaths): void {
  options.lowers = lowers.map(withoutEscapes);
  options.data = data.map(withoutEscapes);
}

function folder(name: string, value: string): string {
  if (value === '') throw wrong(name, 'it names no folder');
  return withoutEscapes(value);
}

/** `a,b\,c` is two options: fstab's escape for a comma inside a path. */
function splitOptions(text: string): string[] {
  return splitUnescaped(text, ',').map((part) => part.replaceAll('\\,', ','));
}

function withoutEscapes(text: string): string {
  return text.replace(/\\(.)/g, '$1');
}

function wrong(word: string, why: string): StoreError {
  return new StoreError('invalid-argument', `cannot use ${word}`, why);
}
