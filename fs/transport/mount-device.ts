// Mounting /dev/fuse: by mount(2) where this process has CAP_SYS_ADMIN (root, or inside a user namespace, where
// the device must be opened in that same namespace), else by the helper fusermount3. mount(2) does not wait
// for the server, so that the device may be handed to it afterwards.

import { EINVAL, FsError } from '../errno.js';
import { type ByteString, fromText } from '../name.js';
import {
  CAP_SYS_ADMIN,
  closeDevice,
  effectiveGid,
  effectiveUid,
  hasCapability,
  MNT_DETACH,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  mount,
  mountWithHelper,
  openDevice,
  setNonBlocking,
  UMOUNT_NOFOLLOW,
  unmount,
  unmountWithHelper,
} from '../sys/index.js';
import type { MountRequest } from './transport.js';

export interface MountedDevice {
  /** The descriptor, non-blocking. */
  readonly device: number;
  /** FsError EBUSY if the mount is in use and `lazy` is false. */
  unmount(lazy: boolean): void;
}

/** Mounts at `request.mountPoint`. FsError: EPERM, ENOENT without device or helper, ENOTDIR, ... */
export function mountDevice(request: MountRequest, readOnly: boolean): MountedDevice {
  const target = fromText(request.mountPoint);
  return hasCapability(CAP_SYS_ADMIN)
    ? mountByCall(request, target, readOnly)
    : mountByHelper(request, target, readOnly);
}

function mountByCall(request: MountRequest, target: ByteString, readOnly: boolean): MountedDevice {
  const device = openDevice('/dev/fuse');
  try {
    let flags = 0;
    if (readOnly) flags |= MS_RDONLY;
    if (request.dev === false) flags |= MS_NODEV;
    if (request.suid === false) flags |= MS_NOSUID;
    if (request.exec === false) flags |= MS_NOEXEC;
    const options = [
      `fd=${device}`,
      'rootmode=40000',
      `user_id=${effectiveUid()}`,
      `group_id=${effectiveGid()}`,
      'default_permissions',
    ];
    if (request.allowOther !== false) options.push('allow_other');
    const type = `fuse.${request.subtype ?? 'mica'}`;
    mount(fromText(request.fsname ?? 'mica'), target, fromText(type), flags, options.join(','));
    setNonBlocking(device);
  } catch (error) {
    closeDevice(device);
    throw error;
  }
  const undo = (lazy: boolean) => unmount(target, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
  return { device, unmount: undo };
}

function mountByHelper(request: MountRequest, target: ByteString, readOnly: boolean): MountedDevice {
  const options = [
    `fsname=${escapeOption(request.fsname ?? 'mica')}`,
    `subtype=${escapeOption(request.subtype ?? 'mica')}`,
    'default_permissions',
    readOnly ? 'ro' : 'rw',
  ];
  if (request.exec === false) options.push('noexec');
  if (request.allowOther === true) options.push('allow_other');
  const device = mountWithHelper(target, fromText(options.join(',')));
  setNonBlocking(device);
  return { device, unmount: (lazy) => unmountWithHelper(target, lazy) };
}

/** fusermount3 splits at commas and takes backslashes as escapes. */
function escapeOption(value: string): string {
  if (value.includes('\0')) throw new FsError(EINVAL, 'mount option');
  return value.replaceAll('\\', '\\\\').replaceAll(',', '\\,');
}

/** Detaches a mount whose server is lost, as well as that goes: its mount point may already be free. */
export function detachLost(mounted: MountedDevice): void {
  try {
    mounted.unmount(true);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    if (error.errno !== EINVAL) process.emitWarning(`a mount stays behind: ${error.message}`);
  }
}
