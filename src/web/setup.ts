// What a lesson may ask for as layers. A lesson is a file from anybody, and where the lab plays it on folders its paths
// become real ones, of the user who runs the lab: nothing may lead out of the layer.

import type { FileSetup } from './model.js';
import { cleanPath, ShellError } from './shell.js';

/** Bytes; a layer is filled letter by letter. */
const LARGEST = 64 << 20;
/** NAME_MAX and PATH_MAX, in bytes: what folders take. */
const LONGEST_NAME = 255;
const LONGEST_TARGET = 4095;

/**
 * The files under clean paths, links behind what they lead to. ShellError for what is no file, twice there, too large, below
 * what is no folder, or could not be made in a folder of this machine.
 */
export function cleanFiles(files: Readonly<Record<string, unknown>>): Readonly<Record<string, FileSetup>> {
  const clean = new Map<string, FileSetup>();
  for (const [given, what] of Object.entries(files)) {
    const path = cleanPath(given);
    if (path === '') throw new ShellError(`'${given}' is no name of a file`);
    if (clean.has(path)) throw new ShellError(`${path}: it is there twice`);
    for (const name of path.split('/')) assertName(name);
    clean.set(path, cleanFile(path, what));
  }
  for (const path of clean.keys()) assertInFolders(path, clean);
  for (const [path, what] of clean) if (isLink(what)) assertLinked(path, what.link, clean);
  const [links, others] = [
    [...clean].filter(([, what]) => isLink(what)),
    [...clean].filter(([, what]) => !isLink(what)),
  ];
  return Object.fromEntries([...others, ...links]);
}

function assertName(name: string): void {
  if (bytesOf(name) > LONGEST_NAME)
    throw new ShellError(`${name.slice(0, 40)}…: a name has at most ${LONGEST_NAME} bytes`);
  if (name.includes('\0'))
    throw new ShellError(`${name.replaceAll('\0', '\\0')}: no name has a zero byte in it`);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** A hard link is a further name of a file that the same layer has. */
function assertLinked(path: string, link: string, files: ReadonlyMap<string, FileSetup>): void {
  assertInFolders(link, files);
  const what = files.get(link);
  if (what === undefined) throw new ShellError(`${path}: its layer has no file ${link} to link to`);
  if (isLink(what)) throw new ShellError(`${path}: ${link} is a link itself: name the file that it leads to`);
  if (typeof what === 'object' && what !== null && 'folder' in what)
    throw new ShellError(`${path}: ${link} is a folder, and these have one name`);
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
  if (words === 'symlink' && typeof symlink === 'string') return { symlink: cleanTarget(path, symlink) };
  if (words === 'link' && typeof link === 'string') return { link: cleanPath(link) };
  if (words === 'folder' && folder === true) return { folder };
  if (words === 'folder,opaque' && folder === true && typeof opaque === 'boolean') return { folder, opaque };
  throw new ShellError(`${path}: no file is written so`);
}

function cleanSize(path: string, size: number): number {
  if (Number.isInteger(size) && size >= 0 && size <= LARGEST) return size;
  throw new ShellError(`${path}: a size is a number of bytes, at most ${LARGEST}`);
}

function cleanTarget(path: string, target: string): string {
  if (target !== '' && !target.includes('\0') && bytesOf(target) <= LONGEST_TARGET) return target;
  throw new ShellError(`${path}: a symlink has a target of 1 to ${LONGEST_TARGET} bytes, none of them zero`);
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
