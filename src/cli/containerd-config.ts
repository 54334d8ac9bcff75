// What containerd's configuration must say to have its snapshots with a server of ours, and how that is read back.

import { readFileSync } from 'node:fs';
import { hasCode } from '../content/system-error.js';

/** Where the units in systemd/ listen. Every containerd needs a socket of its own. */
export const CONTAINERD_SOCKET = '/run/mica/containerd.sock';
export const CONTAINERD_CONFIG = '/etc/containerd/config.toml';

/**
 * What to add to the end of config.toml, or a whole one, where `present`, the text of the one that is there, is undefined or
 * says nothing: whoever appends to it by a shell has made an empty one by now. Its version says how the table of Kubernetes'
 * plugin is called (containerd, `docs/containerd-2.0.md`). A table that is there already, as in `containerd config default`,
 * is a comment on what to change: TOML takes none twice, and containerd would not start.
 */
export function containerdConfig(socket: string, present = ''): string {
  const isThird = /^version\s*=\s*3/m.test(present);
  const images = isThird ? "'io.containerd.cri.v1.images'" : '"io.containerd.grpc.v1.cri".containerd';
  const head =
    present.trim() === ''
      ? `# ${CONTAINERD_CONFIG}\nversion = 2\n`
      : `# at the end of ${CONTAINERD_CONFIG}\n`;
  const plugin = ['[proxy_plugins.mica]', '  type = "snapshot"', `  address = ${JSON.stringify(socket)}`];
  const pods = [`[plugins.${images}]`, '  snapshotter = "mica"'];
  return `${head}
# ctr, nerdctl and others: --snapshotter mica
${asTable(plugin, present)}

# Kubernetes: the snapshots of its pods
${asTable(pods, present)}
`;
}

/** The lines of a table, the first its name. */
function asTable([name = '', ...lines]: readonly string[], present: string): string {
  const bare = (line: string) => line.replace(/#.*|["'\s]/g, '');
  const isThere = present.split('\n').some((line) => bare(line) === bare(name));
  if (!isThere) return [name, ...lines].join('\n');
  return [
    '# This table is there already. To be changed in it:',
    ...[name, ...lines].map((line) => `# ${line}`),
  ].join('\n');
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
