// A mount as a line for a shell: what mount(8) takes, which is not in all what containerd does.

import type { Mount } from '../mounts/mount.js';
import { shellWord } from './shell-word.js';

/** containerd's way to name a program that mounts: mount.fuse3 starts it. */
const PROGRAM = /^(fuse3?)\.(\/.*)$/;

/** `TARGET` stands for where it is to be mounted. */
export function mountLine({ type, source, options }: Mount): string {
  // mount(8) has no such types; a source with `PROGRAM#` before it means the same (mount.fuse3(8)).
  const [, fuse, program] = PROGRAM.exec(type) ?? [];
  const [kind, from] = fuse === undefined ? [type, source] : [fuse, `${program}#${source}`];
  const words = options.length === 0 ? [] : ['-o', options.join(',')];
  return ['mount', '-t', kind, ...words, from, 'TARGET'].map(shellWord).join(' ');
}
