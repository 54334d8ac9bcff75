// `mica info`: the store, how it is set up and what it holds.

import type { Declare } from './commands.js';
import { version } from './version.js';

export const declareInfo: Declare = (command, act) => {
  command.action(
    act(async (context) => {
      const { statfs } = await import('node:fs/promises');
      const store = await context.store();
      const { root, state, namespace, transport, hosting } = context.settings;
      const counts = { images: store.images.list().length, snapshots: 0, blobs: 0 };
      for await (const _ of store.snapshots.walk()) counts.snapshots++;
      for await (const _ of store.content.walk()) counts.blobs++;
      const disk = await statfs(root);
      const { driverNamed, whyNotIn } = await import('../mounts/drivers.js');
      const { groundOf } = await import('../mounts/ground.js');
      const { hostStatus } = await import('../mounts/join-host.js');
      const sharedHost = process.platform === 'linux' ? await hostStatus(state) : undefined;
      const folder = store.folders.snapshots;
      const whyNot = whyNotIn(driverNamed(store.driver), folder);
      const info = {
        version: version(),
        node: process.version,
        root,
        state,
        namespace,
        driver: store.driver,
        driverFrom: store.driverFrom,
        ...(whyNot === undefined ? {} : { driverFails: whyNot }),
        filesystem: groundOf(folder).filesystem,
        transport,
        host: hosting,
        ...(sharedHost === undefined ? {} : { sharedHost }),
        ...counts,
        freeBytes: disk.bavail * disk.bsize,
      };
      if (context.output.json) return context.output.document(info);
      for (const [name, value] of Object.entries(info)) {
        const text = typeof value === 'object' ? `pid ${value.pid}, ${value.mounts} mounts` : value;
        context.output.line(`${name.padEnd(11)} ${text}`);
      }
    }),
  );
};
