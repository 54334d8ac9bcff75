// Mounts what its argument, a MountRequest as JSON, asks for, over dist/. A line `live` says that it serves;
// lines on stdin are control requests, each answered by a line (`{op: "stop"}` unmounts); `{op: "exit"}` exits
// with the mount in place. The last line says how it ended.
import { createInterface } from 'node:readline';

const { deviceTransport, eventsOf, fuseNativeTransport } = await import('../../dist/fs/index.js');
const { transport, ...request } = JSON.parse(process.argv[2]);

function say(object) {
  process.stdout.write(`${JSON.stringify(object)}\n`);
}

function withEvents(reply) {
  return { lastSeq: reply.lastSeq, events: [...eventsOf(reply)] };
}

function plain(error) {
  return { error: { message: error.message, errno: error.errno } };
}

const onFault = (fault) =>
  process.stderr.write(`fault in ${fault.operation}: ${fault.stack ?? fault.message}\n`);
try {
  const chosen = transport === 'fuse-native' ? fuseNativeTransport : deviceTransport;
  const mount = await chosen.start({ ...request, onFault });
  await mount.live;
  say('live');
  createInterface({ input: process.stdin }).on('line', (line) => {
    const asked = JSON.parse(line);
    if (asked.op === 'exit') process.exit(0);
    const answer =
      asked.op === 'stop'
        ? mount.unmount({ lazy: asked.lazy === true }).then(() => ({}))
        : mount.control(asked);
    answer.then(
      (told) => say(asked.op === 'events' ? withEvents(told) : told),
      (error) => say(plain(error)),
    );
  });
  const end = await mount.ended;
  say({ ended: end.how, ...(end.how === 'failed' ? plain(end.error) : {}) });
  process.exit(end.how === 'failed' ? 1 : 0);
} catch (error) {
  say(plain(error));
  process.exit(1);
}
