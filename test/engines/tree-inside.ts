// The tree of a folder as another user sees it, in another user namespace: test/tree.ts, run there.

import { writeFileSync } from 'node:fs';
import { buildSync } from 'esbuild';
import { top } from '../program.js';
import type { PodmanHome } from './podman-home.js';

const PROGRAM = `
  import { listTree } from './test/tree.js';
  process.stdout.write(JSON.stringify([...listTree(process.argv[2])]));
`;

/**
 * As `listTree` of the folder that a shell command there prints, where the containers of this home are seen; `inside` are
 * the words that run a command there. All of it is one command, because each may have a mount namespace of its own.
 */
export function listTreeInside(
  home: PodmanHome,
  mount: string,
  umount: string,
  inside = home.inside,
): Map<string, string> {
  const program = home.path('list-tree.mjs');
  const { outputFiles } = buildSync({
    stdin: { contents: PROGRAM, resolveDir: top, loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
  });
  writeFileSync(program, outputFiles[0]?.contents ?? '', { mode: 0o644 });
  const script = `at=$(${mount}); ${process.execPath} ${program} "$at"; ${umount} >/dev/null`;
  return new Map(JSON.parse(home.run(['sh', '-ec', script], inside)) as [string, string][]);
}

/** What an engine puts into the tree of each container, beside what it mounts over. */
export const OF_THE_ENGINE = /^(?:dev|proc|sys|run|etc\/(?:hosts|hostname|resolv\.conf|mtab))(?:\/|$)/;

export function withoutEngines(tree: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...tree].filter(([path]) => !OF_THE_ENGINE.test(path)));
}

/** With times as podman and buildah write them into layers. */
export function inSeconds(tree: ReadonlyMap<string, string>): Map<string, string> {
  const cut = (line: string) => line.replace(/(mtime=\d+)\d{9}\b/, '$1');
  return new Map([...tree].map(([path, line]) => [path, cut(line)]));
}
