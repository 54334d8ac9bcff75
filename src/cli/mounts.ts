// `mica mounts`, the mounts of this program, and `mica mount-all`, mounts that came as data.

import { StoreError } from '../errors.js';
import type { Mount } from '../mounts/mount.js';
import { ownersText } from '../mounts/owner-words.js';
import type { ListedMount } from '../mounts/table.js';
import type { Declare } from './commands.js';
import { agoText } from './output.js';

export const declareMounts: Declare = (command, act) => {
  command.action(
    act(async (context) => {
      const { MountTable } = await import('../mounts/table.js');
      const mounts = new MountTable(context.settings.state).list();
      const { output } = context;
      if (output.json) return output.document(mounts.map(mountJson));
      if (output.quiet) {
        for (const { target } of mounts) output.line(target);
        return;
      }
      output.table(
        ['TARGET', 'KEY', 'DRIVER', 'PID', 'MODE', 'OWNERS', 'SINCE', 'STATE'],
        mounts.map((mount) => [
          mount.target,
          mount.snapshot?.key ?? '',
          mount.driver,
          mount.driver === 'fuse' ? String(mount.process.pid) : '',
          mount.readOnly ? 'ro' : 'rw',
          mount.owners === undefined ? '' : ownersText(mount.owners),
          agoText(mount.since),
          mount.state,
        ]),
      );
    }),
  );
};

/** The shape of a mount in JSON. */
export function mountJson(mount: ListedMount): object {
  const { target, snapshot, driver, transport, process, shared, readOnly, owners, since, state } = mount;
  return {
    target,
    ...(snapshot === undefined ? {} : { key: snapshot.key }),
    driver,
    ...(transport === undefined ? {} : { transport }),
    pid: process.pid,
    ...(driver === 'fuse' ? { host: shared === true ? 'shared' : 'own' } : {}),
    readOnly,
    ...(owners === undefined ? {} : { owners }),
    since,
    state,
  };
}

export const declareMountAll: Declare = (command, act) => {
  command.argument('<dir>', 'where; the mounts come as JSON on stdin').action(
    act(async (context, dir: string) => {
      const { mountAll, unmountAll } = await import('../mounts/mount-all.js');
      const { noteMount } = await import('../mounts/note-mount.js');
      const { MountTable } = await import('../mounts/table.js');
      const { ensureStateFolder } = await import('../root-folder.js');
      const { folder } = await import('./plain-stack.js');
      const target = folder(dir);
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
      const mounts = parseMounts(Buffer.concat(chunks).toString());
      await mountAll(mounts, target);
      // Several at one place are not one mount that a row could stand for.
      const [only, ...others] = mounts;
      if (only !== undefined && others.length === 0 && (only.target ?? '') === '') {
        try {
          ensureStateFolder(context.settings.state);
          noteMount(only, target, new MountTable(context.settings.state));
        } catch (error) {
          unmountAll(target, true);
          throw error;
        }
      }
      if (context.output.json) context.output.document({ target });
      else context.output.line(target);
    }),
  );
};

/** An array of mounts as `snapshot mounts --json` prints it. invalid-argument for anything else; `place` says where it was. */
export function parseMounts(text: string, place = 'on stdin'): readonly Mount[] {
  const wrong = (why: string) => new StoreError('invalid-argument', `cannot read the mounts ${place}`, why);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw wrong('it is not JSON');
    throw error;
  }
  if (!Array.isArray(value)) throw wrong('it is not an array');
  return value.map((one: unknown, at) => {
    if (!isMount(one)) throw wrong(`entry ${at} has no type, source and options`);
    return one;
  });
}

function isMount(value: unknown): value is Mount {
  if (typeof value !== 'object' || value === null) return false;
  const { type, source, target, options } = value as Record<string, unknown>;
  if (typeof type !== 'string' || typeof source !== 'string') return false;
  if (target !== undefined && typeof target !== 'string') return false;
  return Array.isArray(options) && options.every((option) => typeof option === 'string');
}
