// The words that one types in the lab, and what they do to files: a small part of a shell, so that it means the same on
// a union in the page and on a real mount, and can do nothing else. No variables, no globs, no programs.

import { countText } from './amounts.js';

export interface FileStat {
  readonly kind: string;
  readonly mode: number;
  readonly size: number;
  readonly nlink: number;
  /** Equal for all names of one file. */
  readonly ino: number;
}

/** Files by paths without a leading slash, '' is the root. What fails throws an error whose message says why. */
export interface Files {
  list(path: string): Promise<readonly { readonly name: string; readonly folder: boolean }[]>;
  /** The first 64 KiB. */
  read(path: string): Promise<string>;
  stat(path: string): Promise<FileStat>;
  write(path: string, text: string, how: 'replace' | 'append' | number): Promise<void>;
  /** All data of a regular file, as the new data of another one, which is made with the permissions of the first. */
  copy(from: string, to: string): Promise<void>;
  truncate(path: string, size: number): Promise<void>;
  /** Its times are now. */
  touch(path: string): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  mkdir(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  link(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readlink(path: string): Promise<string>;
  unlink(path: string): Promise<void>;
  rmdir(path: string): Promise<void>;
}

/** A command that was understood. */
export interface Command {
  readonly name: string;
  /** Paths and other words, without options. */
  readonly words: readonly string[];
  readonly options: ReadonlySet<string>;
  /** What comes before `>`, `>>` or `| dd`. */
  readonly text?: string;
  readonly to?: { readonly path: string; readonly how: 'replace' | 'append' | number };
  /** Of dd without a pipe: what it copies. Without an `end` all that is left. */
  readonly from?: { readonly path: string; readonly start: number; readonly end?: number };
}

export class ShellError extends Error {}

/** Words of a line: quotes keep spaces, redirections stand alone. */
function split(line: string): string[] {
  const words: string[] = [];
  const pattern = /\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(>>|>|\||[^\s"'>|]+))/y;
  const text = line.trim();
  for (pattern.lastIndex = 0; pattern.lastIndex < text.length; ) {
    const found = pattern.exec(text);
    if (found === null) throw new ShellError('a quote is not closed');
    if (/[;&]/.test(found[3] ?? ''))
      throw new ShellError(`one command a line here, and ${found[3]} in quotes is text`);
    words.push(found[1]?.replace(/\\(.)/g, '$1') ?? found[2] ?? found[3] ?? '');
  }
  return words;
}

/** What a line means; ShellError for what is no command of the lab. */
export function parse(line: string): Command {
  const all = split(line);
  const pipe = all.indexOf('|');
  if (pipe >= 0) return parsePipe(all, pipe);
  const redirect = all.findIndex((word) => word === '>' || word === '>>');
  if (all[0] === 'dd' && redirect < 0) return parseDd(all.slice(1));
  const plain = redirect < 0 ? all : all.slice(0, redirect);
  const [name = '', ...rest] = plain;
  const options = new Set(rest.filter(isOption).flatMap((word) => [...word.slice(1)]));
  const words = name === 'echo' ? rest : rest.filter((word) => !isOption(word));
  if (redirect < 0) return { name, words, options };
  if (name !== 'echo' && name !== 'printf') throw new ShellError(`only echo and printf write to a file here`);
  const path = all[redirect + 1];
  if (path === undefined || all.length > redirect + 2) throw new ShellError('one file name follows >');
  const text = `${words.join(' ')}${name === 'echo' ? '\n' : ''}`;
  const how = all[redirect] === '>>' ? 'append' : 'replace';
  return { name, words: [cleanPath(path)], options, text, to: { path: cleanPath(path), how } };
}

function isOption(word: string): boolean {
  return /^-[a-zA-Z]+$/.test(word);
}

/** `printf X | dd of=FILE seek=N`: bytes into the middle of a file. */
function parsePipe(all: readonly string[], pipe: number): Command {
  const [name, ...words] = all.slice(0, pipe);
  const [dd, ...settings] = all.slice(pipe + 1);
  if ((name !== 'printf' && name !== 'echo') || dd !== 'dd') {
    throw new ShellError('the lab pipes only: printf TEXT | dd of=FILE seek=OFFSET');
  }
  const { from: _, ...command } = parseDd(settings, 'the pipe');
  return { ...command, text: `${words.join(' ')}${name === 'echo' ? '\n' : ''}` };
}

const DD = 'dd if=FILE of=FILE [bs=BYTES] [count=BLOCKS] [skip=BLOCKS] [seek=BLOCKS]';
/** A block has one byte unless bs says otherwise, and nothing is cut, so `conv` and `status` say nothing new. */
const DD_WORDS: ReadonlySet<string> = new Set(['if', 'of', 'bs', 'count', 'skip', 'seek', 'conv', 'status']);

/** `input`: where it comes from, if not from a file. */
function parseDd(settings: readonly string[], input?: string): Command {
  const given = new Map<string, string>();
  for (const word of settings) {
    const [key = '', value = ''] = word.split(/=(.*)/s);
    if (!DD_WORDS.has(key) || value === '') throw new ShellError(`dd: ${word}: ${DD}`);
    given.set(key, value);
  }
  const number = (key: string, otherwise: number): number => {
    const text = given.get(key) ?? String(otherwise);
    if (!/^\d{1,15}$/.test(text)) throw new ShellError(`dd: ${key} is a number`);
    return Number(text);
  };
  const [source, target] = [given.get('if'), given.get('of')];
  if (target === undefined || (source === undefined) === (input === undefined)) {
    throw new ShellError(input === undefined ? DD : `dd: it reads ${input}, and writes of=FILE`);
  }
  const bs = number('bs', 1);
  const start = bs * number('skip', 0);
  const path = cleanPath(target);
  return {
    name: 'dd',
    words: [path],
    options: new Set(),
    to: { path, how: bs * number('seek', 0) },
    ...(source !== undefined && {
      from: {
        path: cleanPath(source),
        start,
        ...(given.has('count') && { end: start + bs * number('count', 0) }),
      },
    }),
  };
}

/** Of a path that is typed or stands in a lesson: for each folder on it all those above are walked again. Bytes as PATH_MAX has them. */
const MOST_NAMES = 100;
const MOST_BYTES = 4095;

/** A path from somebody, without empty and `.` parts; ShellError for one with `..`, or too deep or too long. */
export function cleanPath(path: string): string {
  const names = namesOf(path);
  const clean = names.join('/');
  if (names.length <= MOST_NAMES && new TextEncoder().encode(clean).length <= MOST_BYTES) return clean;
  const most = `${MOST_NAMES} names and ${countText(MOST_BYTES)} bytes`;
  throw new ShellError(`${path.slice(0, 40)}…: a path has at most ${most} here`);
}

/** The names in a path of any depth; `..` is refused, because a lab has no outside. */
export function namesOf(path: string): readonly string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..')) throw new ShellError(`${path}: the lab knows no ..`);
  return names;
}

type Act = (files: Files, command: Command) => Promise<string>;

const ACTS: Readonly<Record<string, Act>> = {
  echo: write,
  printf: write,
  dd,
  ls: async (files, { words, options }) => {
    const path = cleanPath(words[0] ?? '');
    const { kind } = await files.stat(path);
    if (kind !== 'folder') return `${path}\n`;
    const names = [...(await files.list(path))].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (!options.has('l')) return names.map(({ name, folder }) => `${name}${folder ? '/' : ''}\n`).join('');
    const lines: string[] = [];
    for (const { name } of names) {
      const { mode, size, nlink, kind } = await files.stat(path === '' ? name : `${path}/${name}`);
      lines.push(`${letter(kind)}${permissions(mode)} ${nlink} ${String(size).padStart(8)} ${name}\n`);
    }
    return lines.join('');
  },
  cat: async (files, { words }) => {
    const texts: string[] = [];
    for (const path of some(words, 1)) {
      const text = await files.read(path);
      texts.push(text.length > 2000 ? `${text.slice(0, 200)}…\n` : text);
    }
    return texts.join('');
  },
  stat: async (files, { words }) => {
    const [path = ''] = some(words, 1);
    const { kind, mode, size, nlink } = await files.stat(path);
    return `${path}: ${kind}, mode ${mode.toString(8).padStart(4, '0')}, ${size} bytes, ${nlink} name${nlink === 1 ? '' : 's'}\n`;
  },
  touch: async (files, { words }) => {
    for (const path of some(words, 1)) {
      if (await exists(files, path)) await files.touch(path);
      else await files.write(path, '', 'append');
    }
    return '';
  },
  truncate: async (files, { words }) => {
    const [size = '', path = ''] = words;
    if (!/^\d+$/.test(size) || path === '') throw new ShellError('truncate -s BYTES FILE');
    await files.truncate(cleanPath(path), Number(size));
    return '';
  },
  mkdir: async (files, { words, options }) => {
    for (const path of some(words, 1)) {
      const parts = path.split('/');
      const from = options.has('p') ? 1 : parts.length;
      for (let n = from; n <= parts.length; n++) {
        const folder = parts.slice(0, n).join('/');
        if (!(options.has('p') && (await exists(files, folder)))) await files.mkdir(folder);
      }
    }
    return '';
  },
  rmdir: async (files, { words }) => {
    for (const path of some(words, 1)) await files.rmdir(notRoot(path));
    return '';
  },
  rm: async (files, { words, options }) => {
    const isAll = options.has('r') || options.has('R');
    for (const path of some(words, 1)) {
      if (options.has('f') && !(await exists(files, path))) continue;
      await remove(files, notRoot(path), isAll);
    }
    return '';
  },
  mv: async (files, { words }) => {
    const [from = '', to = ''] = some(words, 2);
    await files.rename(notRoot(from), await inFolder(files, from, to));
    return '';
  },
  cp: async (files, { words, options }) => {
    if (words.length !== 2) throw new ShellError('cp [-r] FILE COPY');
    const [from = '', to = ''] = some(words, 2);
    const { kind } = await files.stat(from);
    if (kind !== 'folder') await copyOne(files, from, await inFolder(files, from, to));
    else if (options.has('r') || options.has('R'))
      await copyTree(files, from, await inFolder(files, from, to));
    else throw new ShellError(`${from || '/'}: is a folder (cp -r copies it with what is in it)`);
    return '';
  },
  chmod: async (files, { words }) => {
    const [mode = '', ...paths] = words;
    if (!/^[0-7]{3,4}$/.test(mode)) throw new ShellError('the mode is three or four octal digits, as 600');
    for (const path of some(paths, 1)) await files.chmod(path, Number.parseInt(mode, 8));
    return '';
  },
  ln: async (files, { words, options }) => {
    const [from = '', to = ''] = words;
    if (from === '' || to === '') throw new ShellError('ln [-s] FILE NAME');
    if (options.has('s')) await files.symlink(from, cleanPath(to));
    else await files.link(cleanPath(from), await inFolder(files, cleanPath(from), cleanPath(to)));
    return '';
  },
};

/** A map: an object knows words that nobody gave it, as `constructor`. */
const COMMANDS: ReadonlyMap<string, Act> = new Map(Object.entries(ACTS));

/** The commands on files, for help and for completion. */
export const FILE_COMMANDS: readonly string[] = [...COMMANDS.keys()];

/** Runs a command on files; undefined if it is none of these. Returns what it prints. */
export function runOnFiles(files: Files, command: Command): Promise<string> | undefined {
  return COMMANDS.get(command.name)?.(files, command);
}

/** The path that a command is about first, for who explains it; undefined if there is none, ShellError where the lab knows none such. */
export function subjectOf({ name, words, options }: Command): string | undefined {
  if (!COMMANDS.has(name)) return undefined;
  const isSecond = name === 'chmod' || name === 'truncate' || (name === 'ln' && options.has('s'));
  const word = words[isSecond ? 1 : 0] ?? (name === 'ls' ? '' : undefined);
  return word === undefined || (name === 'echo' && words.length === 0) ? undefined : cleanPath(word);
}

async function write(files: Files, { text, to, words, name }: Command): Promise<string> {
  if (to === undefined) return `${words.join(' ')}${name === 'echo' ? '\n' : ''}`;
  await files.write(to.path, text ?? '', to.how);
  return '';
}

/** How much dd copies at once: as much as `Files.read` reads. */
const MOST_COPIED = 65_536;

async function dd(files: Files, command: Command): Promise<string> {
  const { from, to } = command;
  if (from === undefined || to === undefined) return write(files, command);
  const { path, start } = from;
  const end = Math.min(from.end ?? Number.POSITIVE_INFINITY, (await files.stat(path)).size);
  if (end > MOST_COPIED) throw new ShellError(`dd: of ${path} the lab reads the first 64 KiB`);
  await files.write(to.path, (await files.read(path)).slice(start, end), to.how);
  return '';
}

function notRoot(path: string): string {
  if (path === '') throw new ShellError('/: the root of a container stays where it is');
  return path;
}

function some(words: readonly string[], least: number): readonly string[] {
  if (words.length < least) throw new ShellError('a path is missing');
  return words.map(cleanPath);
}

async function exists(files: Files, path: string): Promise<boolean> {
  return files.stat(path).then(
    () => true,
    () => false,
  );
}

async function inFolder(files: Files, from: string, to: string): Promise<string> {
  const isFolder = await files.stat(to).then(
    ({ kind }) => kind === 'folder',
    () => false,
  );
  const name = from.slice(from.lastIndexOf('/') + 1);
  return isFolder ? (to === '' ? name : `${to}/${name}`) : to;
}

async function remove(files: Files, path: string, isAll: boolean): Promise<void> {
  const { kind } = await files.stat(path);
  if (kind !== 'folder') return files.unlink(path);
  if (!isAll) throw new ShellError(`${path}: is a folder (rm -r removes it with what is in it)`);
  for (const { name } of await files.list(path)) await remove(files, `${path}/${name}`, true);
  await files.rmdir(path);
}

async function copyOne(files: Files, from: string, to: string): Promise<void> {
  const { kind, ino } = await files.stat(from);
  if (kind !== 'file') throw new ShellError(`${from}: it is no regular file, and cp copies only these here`);
  const isSame = await files.stat(to).then(
    (there) => there.ino === ino,
    () => false,
  );
  if (isSame) throw new ShellError(`${from} and ${to} are one file`);
  await files.copy(from, to);
}

/** A folder with what is in it, into one that is there already, perhaps. No symlink is followed, and its copy is one. */
async function copyTree(files: Files, from: string, to: string): Promise<void> {
  if (`${to}/`.startsWith(from === '' ? '' : `${from}/`))
    throw new ShellError(`${from || '/'}: it cannot be copied into itself`);
  if (!(await exists(files, to))) await files.mkdir(to);
  else if ((await files.stat(to)).kind !== 'folder') throw new ShellError(`${to}: is no folder`);
  for (const { name } of await files.list(from)) {
    const [one, copy] = [`${from}/${name}`, `${to}/${name}`];
    const { kind } = await files.stat(one);
    if (kind === 'folder') await copyTree(files, one, copy);
    else if (kind === 'symlink') await copyLink(files, one, copy);
    else await copyOne(files, one, copy);
  }
  // When all is in it: not everybody may write to a folder of any mode.
  await files.chmod(to, (await files.stat(from)).mode);
}

async function copyLink(files: Files, from: string, to: string): Promise<void> {
  if (await exists(files, to)) await files.unlink(to);
  await files.symlink(await files.readlink(from), to);
}

function letter(kind: string): string {
  return kind === 'folder' ? 'd' : kind === 'symlink' ? 'l' : '-';
}

/** `rwxr-xr-x`. */
export function permissions(mode: number): string {
  return [6, 3, 0]
    .map((shift) => [...'rwx'].map((c, i) => ((mode >> shift) & (4 >> i) ? c : '-')).join(''))
    .join('');
}
