// What the kernel is told for a stack: which folders, in which order, with which settings. Two spellings of the
// same plan come out of it: single options for the mount API of file descriptors, where nothing is escaped, and
// the comma-separated words of mount(2), where colons, commas and backslashes in paths are.

import {
  EINVAL,
  EOPNOTSUPP,
  FsError,
  type LowerDescription,
  type MarkPrefix,
  type StackDescription,
} from '../fs/index.js';
import type { FeatureSet } from './features.js';

/** One overlay option: `key` alone is a flag. */
export interface OverlaySetting {
  readonly key: string;
  readonly value?: string;
}

export type OverlayPlan =
  /** A stack of one folder: overlayfs wants two, and there is nothing to unite. */
  | { readonly kind: 'bind'; readonly source: string; readonly readOnly: boolean }
  | {
      readonly kind: 'overlay';
      /** Topmost first. */
      readonly lowers: readonly string[];
      /** Layers of data alone, topmost first. */
      readonly data?: readonly string[];
      readonly upper?: { readonly path: string; readonly work: string };
      readonly settings: readonly OverlaySetting[];
      readonly readOnly: boolean;
    };

export type Overlay = OverlayPlan & { readonly kind: 'overlay' };

export interface OverlayOptions {
  /** The upper, if there is one, is shown as the topmost lower: nothing of it or its work folder is written. */
  readonly readOnly?: boolean;
  /**
   * `follow`: the mount reads redirects and makes none, for programs that compare uppers and know none; `unsaid`:
   * as the kernel is set. Default `make`.
   */
  readonly redirects?: 'make' | 'follow' | 'unsaid';
  /** Leave out every sync to disk; after a crash the upper is refused (Linux 5.10, `volatile`). */
  readonly volatile?: boolean;
}

/** The most layers that overlayfs takes (fs/overlayfs/params.c, OVL_MAX_STACK). */
export const OVERLAY_MAX_LOWERS = 500;

/**
 * What to mount for `stack` with the features that this kernel has. EINVAL for a stack that the kernel would
 * read wrongly: `.wh.` files as marks, or both spellings of xattr marks at once; EOPNOTSUPP for user marks where
 * the kernel does not know them.
 */
export function planOverlay(
  stack: StackDescription,
  features: FeatureSet,
  options: OverlayOptions = {},
): OverlayPlan {
  const { upper, data = [] } = stack;
  const layers: readonly LowerDescription[] = upper === undefined ? stack.lowers : [upper, ...stack.lowers];
  const only = layers[0];
  if (only === undefined) throw new FsError(EINVAL, 'overlay without layers');
  for (const layer of layers) {
    if (layer.dialect === 'wh')
      throw new FsError(EINVAL, `overlay of ${layer.path}: .wh. files are its marks`);
  }
  const readOnly = options.readOnly === true || upper === undefined;
  if (layers.length === 1 && data.length === 0) return { kind: 'bind', source: only.path, readOnly };
  const lowers = readOnly ? layers : stack.lowers;
  if (lowers.length + data.length > OVERLAY_MAX_LOWERS) {
    throw new FsError(
      EINVAL,
      `overlay of ${lowers.length + data.length} layers, at most ${OVERLAY_MAX_LOWERS}`,
    );
  }
  return {
    kind: 'overlay',
    lowers: lowers.map((layer) => layer.path),
    ...(data.length === 0 ? {} : { data: data.map((layer) => layer.path) }),
    ...(readOnly || upper === undefined ? {} : { upper: { path: upper.path, work: upper.work } }),
    settings: settings(marksOf(layers), features, { ...options, readOnly }),
    readOnly,
  };
}

function marksOf(layers: readonly LowerDescription[]): MarkPrefix | undefined {
  const spelled = new Set(layers.map((layer) => layer.marks).filter((marks) => marks !== undefined));
  if (spelled.size > 1) throw new FsError(EINVAL, 'overlay of layers with trusted and with user marks');
  return [...spelled][0];
}

function settings(
  marks: MarkPrefix | undefined,
  features: FeatureSet,
  { readOnly = false, redirects = 'make', volatile: isVolatile = false }: OverlayOptions,
): readonly OverlaySetting[] {
  const list: OverlaySetting[] = [];
  if (marks === 'user') {
    // Conflicts with redirect_dir=on and follow (fs/overlayfs/params.c, ovl_fs_params_verify).
    if (!features.has('userxattr'))
      throw new FsError(EOPNOTSUPP, 'overlay of layers with user marks: no userxattr');
    list.push({ key: 'userxattr' });
  } else if (redirects !== 'unsaid') {
    // Named, because a kernel may be built or set not to follow redirects, and folders would vanish.
    list.push({ key: 'redirect_dir', value: readOnly || redirects === 'follow' ? 'follow' : 'on' });
  }
  if (!readOnly) {
    // Our own index of hard links is settled before the kernel looks; its entries are not the kernel's to judge.
    list.push({ key: 'index', value: 'off' });
    if (isVolatile && features.has('volatile')) list.push({ key: 'volatile' });
  }
  return list;
}

/** A path inside a mount(2) option: backslash, comma and, within `lowerdir`, colon are escaped. */
export function escapeOption(path: string, inLowerdir: boolean): string {
  return path.replace(inLowerdir ? /[\\,:]/g : /[\\,]/g, '\\$&');
}

/** The plan as mount(2) words; `name` says how a folder is written (absolute, or relative to a working folder). */
export function overlayWords(
  plan: Overlay,
  name: (path: string) => string = (path) => path,
): readonly string[] {
  const words = plan.settings.map(({ key, value }) => (value === undefined ? key : `${key}=${value}`));
  if (plan.upper !== undefined) {
    words.push(`workdir=${escapeOption(name(plan.upper.work), false)}`);
    words.push(`upperdir=${escapeOption(name(plan.upper.path), false)}`);
  }
  const written = (path: string) => escapeOption(name(path), true);
  const lowers = plan.lowers.map(written).join(':');
  words.push(`lowerdir=${[lowers, ...(plan.data ?? []).map(written)].join('::')}`);
  return words;
}

/** The plan that mount(2) words for overlayfs stand for: the opposite of `overlayWords`. */
export function planFromWords(words: readonly string[], readOnly: boolean): OverlayPlan {
  const settings: OverlaySetting[] = [];
  const folders = new Map<string, string>();
  for (const word of words) {
    const at = word.indexOf('=');
    const key = at < 0 ? word : word.slice(0, at);
    if (at < 0) settings.push({ key });
    else if (FOLDERS.has(key)) folders.set(key, word.slice(at + 1));
    else settings.push({ key, value: word.slice(at + 1) });
  }
  const layers = layersIn(folders.get('lowerdir') ?? '');
  const [path, work] = [folders.get('upperdir'), folders.get('workdir')];
  const upper =
    path === undefined || work === undefined
      ? {}
      : { upper: { path: unescaped(path), work: unescaped(work) } };
  return { kind: 'overlay', ...layers, ...upper, settings, readOnly };
}

/** `a:b::c::d`: layers, then those of data alone, each after an empty name. */
function layersIn(lowerdir: string): Pick<Overlay, 'lowers' | 'data'> {
  const names = splitUnescaped(lowerdir);
  const first = names.indexOf('');
  if (first < 0) return { lowers: names };
  const rest = names.slice(first);
  const alternate = rest.every((name, at) => (name === '') === (at % 2 === 0));
  if (first === 0 || !alternate || rest.at(-1) === '') {
    throw new FsError(EINVAL, 'overlay with an empty name in lowerdir');
  }
  return { lowers: names.slice(0, first), data: rest.filter((name) => name !== '') };
}

const FOLDERS: ReadonlySet<string> = new Set(['lowerdir', 'upperdir', 'workdir']);

function splitUnescaped(list: string): readonly string[] {
  return (list.match(/(?:^|:)((?:\\.|[^\\:])*)/g) ?? []).map((part) => unescaped(part.replace(/^:/, '')));
}

function unescaped(path: string): string {
  return path.replace(/\\(.)/g, '$1');
}
