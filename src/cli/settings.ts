// The settings that every command shares: from the words, else from the environment, else the default.
// A value from the environment is checked as strictly as one that was typed, because a misspelt MICA_DRIVER
// that is silently ignored is found only after the wrong driver was used.

import { isAbsolute, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { StoreError } from '../errors.js';
import { HOSTINGS, type Hosting } from '../mounts/hosting-words.js';
import type { Driver } from '../snapshots/snapshot.js';
import { statePlace } from './state-places.js';

/** The program's own; a program around the library may have registered others. */
export const DRIVERS = ['auto', 'fuse', 'overlay', 'native'] as const;
export const TRANSPORTS = ['auto', 'device', 'fuse-t', 'macfuse', 'fuse-native'] as const;

export interface Settings {
  /** Absolute; the store. */
  readonly root: string;
  /** Absolute; sockets, pid files and the mount table. */
  readonly state: string;
  readonly namespace: string;
  readonly driver: Driver | 'auto';
  readonly transport: (typeof TRANSPORTS)[number];
  /** Which process serves FUSE mounts. */
  readonly hosting: Hosting;
  /** The socket to ask, or of `serve` to listen at. */
  readonly address: string | undefined;
  /** Of the server of `address`. */
  readonly snapshotter: string | undefined;
  /** What a served socket keeps, in place of a namespace; of the commands that take it. */
  readonly partition: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
}

/** The global options as commander leaves them; absent where they were not typed. */
interface Words {
  readonly root?: string;
  readonly state?: string;
  readonly namespace?: string;
  readonly driver?: string;
  readonly transport?: string;
  readonly host?: string;
  readonly address?: string;
  readonly snapshotter?: string;
  readonly partition?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Adds the global options to the program. They may stand before and after the command. */
export function addGlobalOptions(program: Command): void {
  program
    .option('--root <dir>', 'the store (MICA_ROOT)')
    .option('--state <dir>', 'sockets, pid files and the mount table (MICA_STATE)')
    .option('-n, --namespace <name>', 'namespace of names and labels (MICA_NAMESPACE)')
    .option('--driver <name>', `${DRIVERS.join('|')} (MICA_DRIVER)`)
    .option('--transport <name>', `${TRANSPORTS.join('|')} (MICA_TRANSPORT)`)
    .option('--host <which>', `${HOSTINGS.join('|')}: the process that serves mounts (MICA_HOST)`)
    .option(
      '--address <socket>',
      'a running server, ours or containerd’s, for snapshot, content, images and lease (MICA_ADDRESS)',
    )
    .option('--snapshotter <name>', 'which of containerd’s: default overlayfs (MICA_SNAPSHOTTER)')
    .option('--json', 'results as JSON on stdout')
    .option('-q, --quiet', 'ids and names only, no progress')
    .option('--debug', 'log on stderr, with the stack of an error (MICA_DEBUG)');
}

/** Settings from typed words and the environment; invalid-argument names the word or variable that is wrong. */
export function readSettings(words: Words, environment: Environment = process.env): Settings {
  const pick = (typed: string | undefined, variable: string, option: string): Source | undefined => {
    if (typed !== undefined) return { value: typed, name: option };
    const value = environment[variable];
    return value === undefined || value === '' ? undefined : { value, name: variable };
  };
  const root = pick(words.root, 'MICA_ROOT', '--root');
  const state = pick(words.state, 'MICA_STATE', '--state');
  const namespace = pick(words.namespace, 'MICA_NAMESPACE', '--namespace');
  const driver = pick(words.driver, 'MICA_DRIVER', '--driver');
  const transport = pick(words.transport, 'MICA_TRANSPORT', '--transport');
  const hosting = pick(words.host, 'MICA_HOST', '--host');
  return {
    root: root === undefined ? defaultRoot(environment) : folder(root),
    state: state === undefined ? statePlace(environment['XDG_RUNTIME_DIR']) : folder(state),
    namespace: namespace === undefined ? 'default' : namespaceName(namespace),
    driver: oneOf(driver, DRIVERS),
    transport: oneOf(transport, TRANSPORTS),
    hosting: oneOf(hosting, HOSTINGS),
    address: pick(words.address, 'MICA_ADDRESS', '--address')?.value,
    snapshotter: pick(words.snapshotter, 'MICA_SNAPSHOTTER', '--snapshotter')?.value,
    partition: words.partition,
    json: words.json === true,
    quiet: words.quiet === true,
    debug: words.debug === true || flag(environment, 'MICA_DEBUG'),
  };
}

interface Source {
  readonly value: string;
  /** The option or the variable, for errors. */
  readonly name: string;
}

function folder(source: Source): string {
  if (source.value === '' || source.value.includes('\0')) {
    throw new StoreError('invalid-argument', `cannot use ${source.name}`, 'it names no folder');
  }
  return resolve(source.value);
}

/** containerd's identifiers (`pkg/identifiers`): what may stand in a path on every side. */
function namespaceName(source: Source): string {
  if (source.value.length > 76 || !/^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/.test(source.value)) {
    throw new StoreError(
      'invalid-argument',
      `cannot use ${source.name} ${JSON.stringify(source.value)}`,
      'a namespace is at most 76 letters and digits, parted by single . _ or -',
    );
  }
  return source.value;
}

function oneOf<T extends string>(source: Source | undefined, values: readonly [T, ...T[]]): T {
  if (source === undefined) return values[0];
  const found = values.find((value) => value === source.value);
  if (found === undefined) {
    throw new StoreError(
      'invalid-argument',
      `cannot use ${source.name} ${JSON.stringify(source.value)}`,
      `it is one of ${values.join(', ')}`,
    );
  }
  return found;
}

function flag(environment: Environment, name: string): boolean {
  const value = environment[name];
  if (value === undefined || value === '' || value === '0') return false;
  if (value === '1') return true;
  throw new StoreError('invalid-argument', `cannot use ${name}=${JSON.stringify(value)}`, 'it is 0 or 1');
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** XDG base directories are taken only when absolute (their specification says to ignore others). */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

function defaultRoot(environment: Environment): string {
  if (isRoot()) return '/var/lib/mica';
  const data = absolute(environment['XDG_DATA_HOME']);
  if (data !== undefined) return join(data, 'mica');
  const home = absolute(environment['HOME']);
  if (home !== undefined) return join(home, '.local/share/mica');
  throw new StoreError('invalid-argument', 'cannot choose a store', 'neither --root nor HOME is set');
}
