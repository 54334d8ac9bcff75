// The keeper of a container's mount: a process in a mount namespace of its own (and, for an ordinary user, a user
// namespace), where it mounts the snapshot and, for FUSE, serves it. Nobody outside sees the mount, and it goes when the
// channel to `mica run` does, however that ended. It stays outside of the container's pid namespace.

import { setTimeout as sleep } from 'node:timers/promises';
import { EBUSY, FsError, isErrno } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { closeInherited } from '../mounts/inherited-files.js';
import { unmountPlace } from '../mounts/mount-all.js';
import { mountStack } from '../mounts/mount-snapshot.js';
import { readMounts } from '../mounts/mountinfo.js';
import { prepareToServe, serveMount } from '../mounts/serve.js';
import { MountTable } from '../mounts/table.js';
import type { KeeperReport, KeeperSpec } from './messages.js';
import { plainError } from './plain-error.js';

/** How long the namespaces of a container that has ended may take to let go of its mount. */
const LETTING_GO_MS = 5000;
const POLL_MS = 10;

interface KeptMount {
  /** EBUSY as the cause of what it throws while the mount is in use. */
  unmount(lazy: boolean): Promise<void>;
  /** Resolves when the mount is gone, by whomever. */
  readonly ended: Promise<void>;
}

function report(answer: KeeperReport): void {
  // Who does not hear it any more has ended, which ends this process, too.
  process.send?.(answer, undefined, undefined, () => undefined);
}

async function keep(spec: KeeperSpec): Promise<void> {
  letOthersGo(spec);
  const mount = spec.driver === 'fuse' ? await served(spec) : await byKernel(spec);
  report({ mounted: true });
  await Promise.race([told, mount.ended]);
  await unmounted(mount);
  await mount.ended;
}

/** Resolves when the mount is not needed any more. */
const told = new Promise<void>((resolve) => {
  process.once('disconnect', resolve);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve());
});

async function served(spec: KeeperSpec): Promise<KeptMount> {
  const { state, target, stack, snapshot, transport } = spec;
  const mount = await serveMount({ state, target, stack, snapshot, transport, readOnly: false });
  return { unmount: (lazy) => mount.unmount(lazy), ended: mount.ended };
}

async function byKernel(spec: KeeperSpec): Promise<KeptMount> {
  const { state, target, stack, snapshot, driver } = spec;
  const row = await mountStack(stack, target, { state, driver }, snapshot);
  let gone: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    gone = resolve;
  });
  const unmount = async (lazy: boolean): Promise<void> => {
    unmountPlace(target, lazy);
    new MountTable(state).remove(row);
    gone();
  };
  return { unmount, ended };
}

/** The last processes of the container may just be ending; what still uses the mount after that keeps it, unseen. */
async function unmounted(mount: KeptMount): Promise<void> {
  const deadline = performance.now() + LETTING_GO_MS;
  for (;;) {
    try {
      return await mount.unmount(performance.now() > deadline);
    } catch (error) {
      if (!(error instanceof StoreError) || !isErrno(error.cause, EBUSY)) throw error;
    }
    await sleep(POLL_MS);
  }
}

/**
 * This namespace is a copy, and a copy of another mount of ours would keep that busy after its end. In a user namespace
 * copies stay (mount_namespaces(7), "locked"); there the end of a mount outside is one here where mounts are shared.
 */
function letOthersGo({ needed }: KeeperSpec): void {
  const ours = (readMounts() ?? []).filter(({ type }) => type === 'fuse.mica');
  for (const { target } of ours.reverse()) {
    if (needed.some((path) => path === target || path.startsWith(`${target}/`))) continue;
    try {
      unmountPlace(target, true);
    } catch (error) {
      if (!(error instanceof StoreError) || !(error.cause instanceof FsError)) throw error;
    }
  }
}

/** After the channel to `mica run`. */
closeInherited(4);
prepareToServe(process.argv[2] ?? 'auto');
process.once('message', (spec) => {
  keep(spec as KeeperSpec).then(
    () => process.exit(0),
    (error: unknown) => {
      report({ error: plainError(error, 'cannot mount the container') });
      process.exitCode = 1;
      if (process.connected) process.disconnect();
    },
  );
});
