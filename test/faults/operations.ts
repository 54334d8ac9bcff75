// The changes that a failure may meet halfway, each on the state of a place that makes it take its longest way:
// what is to be copied up, hidden, moved with a mark, joined by the index. `prepare` brings the upper into that
// state and is over before anything fails.

import { Entry, O_RDWR, O_TRUNC, RENAME_EXCHANGE, RENAME_NOREPLACE } from '../../fs/filesystem.js';
import { S_IFIFO, S_IFREG } from '../../fs/mode.js';
import type { Union } from '../../fs/union/union.js';
import type { Paths } from '../suites/paths.js';

export interface Operation {
  readonly name: string;
  readonly prepare?: (paths: Paths, union: Union) => void;
  readonly act: (paths: Paths, union: Union) => void;
}

/** user::rwx user:1:r-x group::r-x mask::r-x other::---, as linux/posix_acl_xattr.h spells it. */
const ACL = Uint8Array.of(
  ...[2, 0, 0, 0],
  ...[1, 0, 7, 0, 255, 255, 255, 255],
  ...[2, 0, 5, 0, 1, 0, 0, 0],
  ...[4, 0, 5, 0, 255, 255, 255, 255],
  ...[16, 0, 5, 0, 255, 255, 255, 255],
  ...[32, 0, 0, 0, 255, 255, 255, 255],
);
const TIME = { sec: 1_100_000_000, nsec: 5 };

export const OPERATIONS: readonly Operation[] = [
  { name: 'open a lower file for writing', act: (at) => at.fs.release(at.open('f', O_RDWR)) },
  { name: 'open a deep lower file for writing', act: (at) => at.fs.release(at.open('d/sub/x', O_RDWR)) },
  { name: 'open a lower file with O_TRUNC', act: (at) => at.fs.release(at.open('f', O_RDWR | O_TRUNC)) },
  { name: 'truncate a lower file', act: (at) => at.setattr('f', { size: 3 }) },
  { name: 'make a lower file longer', act: (at) => at.setattr('f', { size: 5000 }) },
  {
    name: 'open a file for writing whose data lies below',
    prepare: (at) => at.chmod('f', 0o640),
    act: (at) => at.fs.release(at.open('f', O_RDWR)),
  },
  {
    name: 'open a file with O_TRUNC whose data lies below',
    prepare: (at) => at.chmod('f', 0o640),
    act: (at) => at.fs.release(at.open('f', O_RDWR | O_TRUNC)),
  },
  {
    name: 'truncate a file whose data lies below',
    prepare: (at) => at.chmod('f', 0o640),
    act: (at) => at.setattr('f', { size: 3 }),
  },
  {
    name: 'rename a file whose data lies below',
    prepare: (at) => at.chmod('f', 0o640),
    act: (at) => at.rename('f', 'd/n'),
  },
  {
    name: 'settle files whose data lies below',
    prepare: (at) => {
      at.chmod('f', 0o640);
      at.rename('g', 'd/sub/n');
      at.chmod('h1', 0o640);
    },
    act: (_, union) => union.settle(),
  },
  { name: 'open a large lower file for writing', act: (at) => at.fs.release(at.open('g', O_RDWR)) },
  {
    name: 'open a large file for writing whose data lies below',
    prepare: (at) => at.chmod('g', 0o640),
    act: (at) => at.fs.release(at.open('g', O_RDWR)),
  },
  {
    name: 'write into a file that has some of its data',
    prepare: (at) => at.writeAt('g', 5000, 'first'),
    act: (at) => at.writeAt('g', 20_400, 'second'.repeat(50)),
  },
  {
    name: 'truncate a file that has some of its data',
    prepare: (at) => at.writeAt('g', 5000, 'first'),
    act: (at) => at.setattr('g', { size: 6000 }),
  },
  {
    name: 'make a file longer that was cut and has some of its data',
    prepare: (at) => {
      at.writeAt('g', 5000, 'first');
      at.setattr('g', { size: 3000 });
    },
    act: (at) => at.setattr('g', { size: 9000 }),
  },
  {
    name: 'open a file with O_TRUNC that has some of its data',
    prepare: (at) => at.writeAt('g', 5000, 'first'),
    act: (at) => at.fs.release(at.open('g', O_RDWR | O_TRUNC)),
  },
  {
    name: 'unlink a file that has some of its data',
    prepare: (at) => at.writeAt('g', 5000, 'first'),
    act: (at) => at.unlink('g'),
  },
  {
    name: 'rename over a file that has some of its data',
    prepare: (at) => at.writeAt('g', 5000, 'first'),
    act: (at) => at.rename('f', 'g'),
  },
  {
    name: 'settle files that have some of their data',
    prepare: (at) => {
      at.writeAt('g', 5000, 'first');
      at.rename('g', 'd/n');
    },
    act: (_, union) => union.settle(),
  },
  { name: 'chmod a lower file', act: (at) => at.chmod('f', 0o600) },
  { name: 'chmod a deep lower folder', act: (at) => at.chmod('d/sub', 0o700) },
  { name: 'chmod a lower fifo', act: (at) => at.chmod('p', 0o600) },
  { name: 'set the times of a lower symlink', act: (at) => at.setattr('l', { mtime: TIME, atime: TIME }) },
  { name: 'set an attribute of a lower file', act: (at) => at.setxattr('f', 'user.new', 'value') },
  {
    name: 'remove an attribute of a lower file',
    act: (at) => at.with('f', (node) => at.fs.removexattr(node, 'user.x')),
  },
  { name: 'set an ACL of a lower folder', act: (at) => at.setxattr('d', 'system.posix_acl_default', ACL) },
  {
    name: 'set an ACL of a lower file',
    act: (at) => at.setxattr('f', 'system.posix_acl_access', ACL),
  },
  { name: 'chmod one of three lower links', act: (at) => at.chmod('h1', 0o600) },
  { name: 'chmod the one of three lower links that is listed first', act: (at) => at.chmod('d/h3', 0o600) },
  {
    name: 'chmod through the second of three links',
    prepare: (at) => at.chmod('h1', 0o640),
    act: (at) => at.chmod('h2', 0o600),
  },
  { name: 'unlink a lower file', act: (at) => at.unlink('f') },
  { name: 'unlink a deep lower file', act: (at) => at.unlink('d/sub/x') },
  { name: 'unlink a file of the upper', prepare: (at) => at.write('u', 'u'), act: (at) => at.unlink('u') },
  {
    name: 'unlink an upper file over a lower one',
    prepare: (at) => at.chmod('f', 0o600),
    act: (at) => at.unlink('f'),
  },
  { name: 'unlink one of three lower links', act: (at) => at.unlink('h1') },
  {
    name: 'unlink a second of three links, which only the lower has',
    prepare: (at) => at.chmod('h1', 0o600),
    act: (at) => at.unlink('h2'),
  },
  {
    name: 'unlink the last of three links',
    prepare: (at) => {
      at.unlink('h1');
      at.unlink('h2');
    },
    act: (at) => at.unlink('d/h3'),
  },
  { name: 'remove an empty lower folder', act: (at) => at.rmdir('e') },
  {
    name: 'remove a merged folder that holds whiteouts',
    prepare: (at) => {
      for (const name of ['d/a', 'd/h3', 'd/sub/x']) at.unlink(name);
      at.rmdir('d/sub');
    },
    act: (at) => at.rmdir('d'),
  },
  {
    name: 'remove a folder of the upper that holds whiteouts',
    prepare: (at) => {
      at.rename('d', 'moved');
      for (const name of ['moved/a', 'moved/h3', 'moved/sub/x']) at.unlink(name);
      at.rmdir('moved/sub');
    },
    act: (at) => at.rmdir('moved'),
  },
  { name: 'make a folder', act: (at) => at.mkdir('n') },
  { name: 'make a folder in a deep lower one', act: (at) => at.mkdir('d/sub/n') },
  { name: 'make a folder over a whiteout', prepare: (at) => at.unlink('f'), act: (at) => at.mkdir('f') },
  {
    name: 'make a folder over a whited-out folder',
    prepare: (at) => at.rmdir('e'),
    act: (at) => at.mkdir('e'),
  },
  { name: 'create a file in a lower folder', act: (at) => at.fs.release(at.create('d/n')) },
  {
    name: 'create a file over a whiteout',
    prepare: (at) => at.unlink('f'),
    act: (at) => at.fs.release(at.create('f')),
  },
  {
    name: 'create a file that inherits an ACL',
    prepare: (at) => at.setxattr('d', 'system.posix_acl_default', ACL),
    act: (at) => at.fs.release(at.create('d/n', 0o666)),
  },
  {
    name: 'make a folder that inherits an ACL',
    prepare: (at) => at.setxattr('d', 'system.posix_acl_default', ACL),
    act: (at) => at.mkdir('d/n'),
  },
  { name: 'create a file with a set-user-id bit', act: (at) => at.mknod('s', S_IFREG | 0o4755) },
  { name: 'make a symlink', act: (at) => at.symlink('target', 'n') },
  {
    name: 'make a fifo over a whiteout',
    prepare: (at) => at.unlink('f'),
    act: (at) => at.mknod('f', S_IFIFO | 0o600),
  },
  {
    name: 'give a nameless file a name',
    act: (at, union) => {
      const entry = new Entry();
      const handle = at.with('d', (dir) => union.tmpfile(dir, 0o600, O_RDWR, at.caller, entry));
      try {
        union.write(handle, 0, Uint8Array.of(120), false);
        const named = new Entry();
        at.with('d', (dir) => union.link(entry.node, dir, 'n', named));
        union.forget(named.node, 1);
      } finally {
        union.release(handle);
        union.forget(entry.node, 1);
      }
    },
  },
  { name: 'link a lower file', act: (at) => at.link('f', 'n') },
  { name: 'link a deep lower file into a lower folder', act: (at) => at.link('d/sub/x', 'e/n') },
  { name: 'link one of three lower links', act: (at) => at.link('h1', 'n') },
  { name: 'link a file over a whiteout', prepare: (at) => at.unlink('f'), act: (at) => at.link('g', 'f') },
  { name: 'rename a lower file', act: (at) => at.rename('f', 'n') },
  { name: 'rename a lower file over a lower one', act: (at) => at.rename('f', 'g') },
  { name: 'rename a lower file into a lower folder', act: (at) => at.rename('f', 'd/sub/n') },
  {
    name: 'rename an upper file over a lower one',
    prepare: (at) => at.write('u', 'u'),
    act: (at) => at.rename('u', 'f'),
  },
  {
    name: 'rename an upper file over a whiteout',
    prepare: (at) => {
      at.write('u', 'u');
      at.unlink('f');
    },
    act: (at) => at.rename('u', 'f'),
  },
  { name: 'rename a lower file without replacing', act: (at) => at.rename('f', 'n', RENAME_NOREPLACE) },
  { name: 'rename a lower folder', act: (at) => at.rename('d', 'n') },
  { name: 'rename a lower folder into another', act: (at) => at.rename('d', 'e/n') },
  {
    name: 'rename a lower folder back under another name',
    prepare: (at) => at.rename('d', 'e/n'),
    act: (at) => at.rename('e/n', 'm'),
  },
  {
    name: 'rename a lower folder back to where it was',
    prepare: (at) => at.rename('d', 'e/n'),
    act: (at) => at.rename('e/n', 'd'),
  },
  { name: 'rename an inner lower folder out', act: (at) => at.rename('d/sub', 'n') },
  { name: 'rename a lower folder over an empty lower one', act: (at) => at.rename('d', 'e') },
  {
    name: 'rename an upper folder over a merged one that holds whiteouts',
    prepare: (at) => {
      at.mkdir('u');
      at.write('u/x', 'x');
      at.rename('e', 'away');
      at.rename('away', 'e');
      for (const name of ['d/a', 'd/h3', 'd/sub/x']) at.unlink(name);
      at.rmdir('d/sub');
    },
    act: (at) => at.rename('u', 'd'),
  },
  {
    name: 'rename an upper folder over a whiteout',
    prepare: (at) => {
      at.mkdir('u');
      at.unlink('f');
    },
    act: (at) => at.rename('u', 'f'),
  },
  { name: 'rename one of three lower links', act: (at) => at.rename('h1', 'n') },
  { name: 'rename over one of three lower links', act: (at) => at.rename('f', 'h1') },
  {
    name: 'rename a second of three links, which only the lower has',
    prepare: (at) => at.chmod('h1', 0o600),
    act: (at) => at.rename('h2', 'n'),
  },
  {
    name: 'rename over a second of three links, which only the lower has',
    prepare: (at) => at.chmod('h1', 0o600),
    act: (at) => at.rename('f', 'h2'),
  },
  { name: 'exchange two lower files', act: (at) => at.rename('f', 'd/a', RENAME_EXCHANGE) },
  { name: 'exchange a lower file and a lower folder', act: (at) => at.rename('f', 'd', RENAME_EXCHANGE) },
  { name: 'exchange two lower folders', act: (at) => at.rename('d', 'e', RENAME_EXCHANGE) },
  {
    name: 'exchange an upper folder and a lower file',
    prepare: (at) => at.mkdir('u'),
    act: (at) => at.rename('u', 'f', RENAME_EXCHANGE),
  },
  {
    name: 'create a file that exists, without O_EXCL',
    act: (at) => at.fs.release(at.create('f', 0o644, O_RDWR)),
  },
  {
    name: 'settle links of which some are joined by the index',
    prepare: (at) => {
      at.chmod('h1', 0o600);
      at.rename('d', 'moved');
    },
    act: (_, union) => union.settle(),
  },
];
