// Serves the failing filesystem at its first argument; the second, `whiteouts`, lets rename(2) leave one. A line on
// its output says that it is mounted; it ends when it is unmounted. The one thread of this process serves, so nothing
// here may touch the mount, and nothing is heard but requests: commands are requests too (filesystem.mjs).

import { writeSync } from 'node:fs';
import { failingFilesystem } from './filesystem.mjs';
import { Holding } from './holding.mjs';

const { Dispatcher } = await import('../../../dist/fs/fuse/dispatch.js');
const { serve } = await import('../../../dist/fs/fuse/session.js');
const { sys } = await import('../../../dist/fs/index.js');
const { mountDevice } = await import('../../../dist/fs/transport/mount-device.js');

const [mountPoint, whiteouts] = process.argv.slice(2);
const control = sys.makeEventFd();
const holding = new Holding(() => sys.signalEventFd(control));
const dispatcher = new Dispatcher(
  failingFilesystem({ whiteouts: whiteouts === 'whiteouts', holding }),
  ({ operation, error }) => writeSync(2, `fault in ${operation}: ${error.stack}\n`),
  {},
  holding,
);
const { device } = mountDevice({ mountPoint, fsname: 'failing', subtype: 'failing' }, false);
const session = { device, control, dispatcher, onControl: () => true, onLive: () => writeSync(1, 'live\n') };
let how = serve(session);
while (how === 'idle') how = serve({ ...session, rested: true });
process.exit(0);
