// What a lesson may ask for as layers. A lesson is a file from anybody, and where the lab plays it on folders its paths
// become real ones, of the user who runs the lab: nothing may lead out of the layer.

import type { FileSetup } from './model.js';
import { cleanPath, ShellError } from './shell.js';

/** Bytes; a layer is filled letter by letter. */
const LARGEST = 64 << 20;

/** The files under clean paths. ShellError for what is no file, twice there, too large, or below what is no folder. */
export function cleanFiles(files: Readonly<Record<string, unknown>>): Readonly<Record<string, FileSetup>> {
  const clean = new Map<string, FileSetup>();
  for (const [given, what] of Object.entries(files)) {
    const path = cleanPath(given);
    if (path === '') throw new ShellError(`'${given}' is no name of a file`);
    if (clean.has(path)) throw new ShellError(`${path}: it is there twice`);
    clean.set(path, cleanFile(path, what));
  }
  for (const path of clean.keys()) assertInFolders(path, clean);
  for (const what of clean.values()) if (isLink(what)) assertInFolders(what.link, clean);
  return Object.fromEntries(clean);
}

/** Names of layers and containers, which are names of folders where the lab has real ones. */
export function assertNames(names: readonly string[]): void {
  for (const [at, name] of names.entries()) {
    if (typeof name !== 'string' || !/^[\w.-]{1,20}$/.test(name)) {
      throw new ShellError('a name of letters, digits, dots and dashes is wanted, of at most 20');
    }
    if (names.indexOf(name) !== at) throw new ShellError(`${name}: there is one already`);
  }
}

const isLink = (what: FileSetup): what is { readonly link: string } =>
  typeof what === 'object' && what !== null && 'link' in what;

/** Made anew of the one word that it has: of two, what checks a file could go by one, and what makes it by the other. */
function cleanFile(path: string, what: unknown): FileSetup {
  if (what === null || typeof what === 'string') return what;
  const given: Readonly<Record<string, unknown>> = typeof what === 'object' ? { ...what } : {};
  const { size, symlink, link, folder, opaque } = given;
  const words = Object.keys(given).sort().join();
  if (words === 'size' && typeof size === 'number') return { size: cleanSize(path, size) };
  if (words === 'symlink' && typeof symlink === 'string') return { symlink };
  if (words === 'link' && typeof link === 'string') return { link: cleanPath(link) };
  if (words === 'folder' && folder === true) return { folder };
  if (words === 'folder,opaque' && folder === true && typeof opaque === 'boolean') return { folder, opaque };
  throw new ShellError(`${path}: no file is written so`);
}

function cleanSize(path: string, size: number): number {
  if (Number.isInteger(size) && size >= 0 && size <= LARGEST) return size;
  throw new ShellError(`${path}: a size is a number of bytes, at most ${LARGEST}`);
}

/** All above a path are folders: in the real layer a symlink would be followed. */
function assertInFolders(path: string, files: ReadonlyMap<string, FileSetup>): void {
  const parts = path.split('/');
  for (let n = 1; n < parts.length; n++) {
    const above = parts.slice(0, n).join('/');
    const what = files.get(above);
    const isFolder = what === undefined || (typeof what === 'object' && what !== null && 'folder' in what);
    if (!isFolder) throw new ShellError(`${path}: ${above} is no folder`);
  }
}
