// What a copy in the upper has of its source beside data: xattrs, mode and times.

import { EOPNOTSUPP, isErrno } from '../errno.js';
import type { Attr } from '../filesystem.js';
import type { LayerNode, WritableNode } from '../layer/layer.js';
import { S_ISGID, S_ISUID } from '../mode.js';
import type { ByteString } from '../name.js';
import { CAPABILITY } from './xattr-names.js';

/** Owner and mode came with the stage; writing data may have taken set-id bits, and an ACL changes the mode. */
export function copyAttributes(
  source: LayerNode,
  xattrs: readonly ByteString[],
  staged: WritableNode,
  attr: Attr,
  capability: boolean,
): void {
  for (const name of xattrs) {
    if (name === CAPABILITY && !capability) continue;
    const value = source.getxattr(name);
    if (value === undefined) continue;
    try {
      staged.setxattr(name, value, 0);
    } catch (error) {
      // As the kernel's copy-up: what guards access must not be lost, the rest is lost on a filesystem without it.
      const guards = name.startsWith('security.') || name.startsWith('system.posix_acl_');
      if (guards || !isErrno(error, EOPNOTSUPP)) throw error;
    }
  }
  if (xattrs.length > 0 || (attr.mode & (S_ISUID | S_ISGID)) !== 0) staged.chmod(attr.mode);
  staged.utimes({ sec: attr.atimeSec, nsec: attr.atimeNsec }, { sec: attr.mtimeSec, nsec: attr.mtimeNsec });
}
