// What containerd's configuration must say to have its snapshots with a server of ours, and how that is read back.

import { readFileSync } from 'node:fs';
import { hasCode } from '../content/system-error.js';

/** Where the units in systemd/ listen. Every containerd needs a socket of its own. */
export const CONTAINERD_SOCKET = '/run/mica/containerd.sock';
export const CONTAINERD_CONFIG = '/etc/containerd/config.toml';

/**
 * What to add to the end of config.toml, or a whole one, where `present`, the text of the one that is there, is undefined or
 * says nothing: whoever appends to it by a shell has made an empty one by now. Its version says how the table of Kubernetes'
 * plugin is called (containerd, `docs/containerd-2.0.md`); without one it is version 1, which has other names and ignores
 * these. A table that is there already, as in `containerd config default`, is a comment on what to change: TOML takes none
 * twice, and containerd would not start.
 */
export function containerdConfig(socket: string, present = ''): string {
  const isNew = present.replace(/^[ \t]*#.*/gm, '').trim() === '';
  const firstTable = present.search(/^[ \t]*\[/m);
  const top = firstTable === -1 ? present : present.slice(0, firstTable);
  const version = isNew ? '2' : (/^[ \t]*version[ \t]*=[ \t]*(\d+)/m.exec(top)?.[1] ?? '1');
  const images = version === '3' ? "'io.containerd.cri.v1.images'" : '"io.containerd.grpc.v1.cri".containerd';
  const head = isNew ? `# ${CONTAINERD_CONFIG}\nversion = 2\n` : `# at the end of ${CONTAINERD_CONFIG}\n`;
  const plugin = ['[proxy_plugins.mica]', '  type = "snapshot"', `  address = ${JSON.stringify(socket)}`];
  const pods = [`[plugins.${images}]`, '  snapshotter = "mica"'];
  return `${head}
# ctr, nerdctl and others: --snapshotter mica
${asTable(plugin, present)}

# Kubernetes: the snapshots of its pods
${version === '1' ? asComment(OF_VERSION_1, pods) : asTable(pods, present)}
`;
}

const OF_VERSION_1 =
  'The file names no version 2 or 3, so this would be ignored. Add version = 2 at its top, call its plugins by their whole ' +
  'names, and add:';

/** The lines of a table, the first its name. */
function asTable(lines: readonly string[], present: string): string {
  const wanted = keysOf(lines[0]?.slice(1, -1) ?? '');
  const isThere = tablesIn(present).some((table) => table.every((key, at) => key === wanted[at]));
  return isThere ? asComment('This table is there already. To be changed in it:', lines) : lines.join('\n');
}

function asComment(why: string, lines: readonly string[]): string {
  return [why, ...lines].map((line) => `# ${line}`).join('\n');
}

const KEY = /"[^"]*"|'[^']*'|[\w-]+/g;
const KEYS = String.raw`(?:${KEY.source})(?:[ \t]*\.[ \t]*(?:${KEY.source}))*`;
const TABLE = new RegExp(String.raw`^[ \t]*\[{1,2}[ \t]*(${KEYS})[ \t]*\]`);
const VALUE = new RegExp(String.raw`^[ \t]*(${KEYS})[ \t]*=`);

/**
 * What a text has defined so that it, or what is below it, cannot be opened as a table once more: tables by their names,
 * every part of a dotted key, and what has a value, which may be a table in braces (TOML 1.0, "Table", "Inline Table").
 * Opening `[a.b]` leaves `a.c` open to others; of a table by name the name alone is compared.
 */
function tablesIn(text: string): readonly (readonly (string | undefined)[])[] {
  let table: readonly string[] = [];
  return text.split('\n').flatMap((line) => {
    const name = TABLE.exec(line)?.[1];
    if (name !== undefined) {
      table = keysOf(name);
      // Nothing may follow: `[a]` does not keep anybody from `[a.b]`.
      return [[...table, undefined]];
    }
    const keys = keysOf(VALUE.exec(line)?.[1] ?? '');
    return keys.map((_, at) => [...table, ...keys.slice(0, at + 1)]);
  });
}

function keysOf(name: string): readonly string[] {
  return (name.match(KEY) ?? []).map((key) => key.replace(/^["']|["']$/g, ''));
}

/** A plugin of containerd that is a socket. */
export interface ProxyPlugin {
  readonly name: string;
  /** `snapshot`, `content`, ... */
  readonly type: string;
  readonly address: string;
}

/** The proxy plugins that a configuration has; undefined if there is none at `path`. */
export function proxyPluginsIn(path: string): readonly ProxyPlugin[] | undefined {
  const text = configAt(path);
  return text === undefined ? undefined : proxyPlugins(text);
}

/** undefined if there is no file. */
export function configAt(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Of TOML as people write it in this file: a table a plugin, a key a line. */
export function proxyPlugins(text: string): readonly ProxyPlugin[] {
  const tables = text.split(/^(?=[ \t]*\[)/m);
  return tables.flatMap((table) => {
    const [, bare, quoted] =
      /^[ \t]*\[\s*proxy_plugins\.(?:([\w-]+)|["']([^"']+)["'])\s*\]/.exec(table) ?? [];
    const name = bare ?? quoted;
    if (name === undefined) return [];
    const value = (key: string) =>
      new RegExp(`^[ \\t]*${key}[ \\t]*=[ \\t]*["']([^"']*)["']`, 'm').exec(table)?.[1] ?? '';
    return [{ name, type: value('type'), address: value('address').replace(/^unix:\/\//, '') }];
  });
}
