// `mica serve`: the store as a gRPC server, for containerd and for `mica --address`. It ends with SIGTERM or SIGINT when the
// calls that run are done; a second signal drops them. systemd may hand over the socket and is told when it is served.

import { existsSync } from 'node:fs';
import type { ListeningSocket, Owner } from '../containerd/server/socket.js';
import { StoreError } from '../errors.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';

interface Words {
  readonly partition?: string;
  readonly owner?: string;
  readonly mounts?: string;
  readonly printConfig?: string;
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

export const declareServe: Declare = (command, act) => {
  command
    .option(
      '--partition <name>',
      'what this socket keeps, apart from all else; default: the path of the socket',
    )
    .option(
      '--owner <uid:gid>',
      'who may connect, and is root of this machine by that; default: the user of this process',
    )
    .option(
      '--mounts <how>',
      'bind|program: what a client is told to mount: what the mount host has mounted, or by mica-overlayfs; default: ' +
        'bind if this process may mount by /dev/fuse',
    )
    .option(
      '--print-config <engine>',
      'containerd|podman: what its configuration must say, to paste; serves nothing',
    )
    .addHelpText('after', WAYS)
    .action(
      act(async (context, words: Words) => {
        if (words.printConfig === undefined) return serve(context, words);
        return printConfig(context, words.printConfig);
      }),
    );
};

const WAYS = `
Where to listen is --address SOCKET (mode 0600; one that a dead server left is replaced), or the socket that systemd hands
over. What a client of a socket makes is seen through that socket, and in mica snapshot ls --all. Every containerd needs
a socket of its own, because it removes all snapshots that it does not know.`;

async function serve(context: Context, words: Words): Promise<void> {
  const { inheritedSockets, listenAt } = await import('../containerd/server/socket.js');
  const owner = words.owner === undefined ? undefined : parseOwner(words.owner);
  const mounts = words.mounts ?? ((await mayBind()) ? 'bind' : 'program');
  if (mounts !== 'program' && mounts !== 'bind') throw wrongMounts(mounts);
  const inherited = inheritedSockets();
  const address = await socketOf(context);
  const partition = words.partition ?? address;
  if (partition === undefined) throw needs(inherited.length > 0 ? '--partition NAME' : '--address SOCKET');
  const store = await context.store({ serving: true });
  const { StoreServer } = await import('../containerd/server/server.js');
  const onFault = (error: unknown, path: string): void => {
    const shown =
      error instanceof Error ? (context.settings.debug && error.stack) || error.message : String(error);
    context.output.warn(`mica: ${path} failed: internal error: ${shown}`);
  };
  const host = context.settings.hosting === 'own' ? 'own' : 'shared';
  const server = new StoreServer({
    store,
    partition,
    onFault,
    ...(mounts === 'bind' ? { binds: host } : {}),
  });
  const listening: ListeningSocket[] = [];
  if (inherited.length === 0 && address !== undefined) listening.push(await listenAt(address, owner));
  for (const listener of [...inherited, ...listening.map((socket) => socket.server)]) {
    // A connection that cannot be taken (no descriptor is left) is not the end of the others.
    listener.on('error', (error) => onFault(error, 'accept'));
    server.serve(listener);
  }

  const ended = untilSignal(context, () => server.abort());
  const shown = inherited.length > 0 ? 'the socket of systemd' : address;
  if (context.output.json) context.output.document({ address, partition, pid: process.pid });
  else context.output.note(`serving partition ${partition} at ${shown}`);
  await tellSystemd('READY=1');
  await ended;
  await tellSystemd('STOPPING=1');
  if (server.calls > 0) {
    context.output.note(`waiting for ${server.calls} calls to end; a second signal drops them`);
  }
  await server.stop();
  for (const socket of listening) socket.release();
}

/** Whether a mount that this process has made can be bound by a client of the same rights. */
async function mayBind(): Promise<boolean> {
  if (process.platform !== 'linux' || !existsSync('/dev/fuse')) return false;
  const { sys } = await import('../../fs/index.js');
  return sys.hasCapability(sys.CAP_SYS_ADMIN);
}

async function printConfig(context: Context, engine: string): Promise<void> {
  const config = await configOf(engine, await socketOf(context));
  if (context.output.json) context.output.document({ engine, config });
  else context.output.line(config.trimEnd());
}

async function configOf(engine: string, address: string | undefined): Promise<string> {
  if (engine === 'containerd') {
    const { CONTAINERD_CONFIG, CONTAINERD_SOCKET, configAt, containerdConfig } = await import(
      './containerd-config.js'
    );
    return containerdConfig(address ?? CONTAINERD_SOCKET, configAt(CONTAINERD_CONFIG));
  }
  if (engine === 'podman') {
    const { podmanConfig, podmanStorage } = await import('./print-config.js');
    const { mountProgram } = await import('../mounts/mount-program.js');
    return podmanConfig(mountProgram(), podmanStorage(process.getuid?.() ?? 0, process.env));
  }
  const why = 'an engine is containerd or podman';
  throw new StoreError('invalid-argument', `cannot use --print-config ${engine}`, why);
}

/** Resolves with the first signal; `again` is called with the second. */
function untilSignal(context: Context, again: () => void): Promise<void> {
  context.takeSignals(true);
  return new Promise((resolveEnd) => {
    let isEnding = false;
    const onSignal = (): void => {
      if (isEnding) again();
      isEnding = true;
      resolveEnd();
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
    if (context.signal.aborted) onSignal();
  });
}

async function tellSystemd(text: string): Promise<void> {
  const socket = process.env['NOTIFY_SOCKET'];
  if (socket === undefined || process.platform !== 'linux') return;
  const { sys } = await import('../../fs/index.js');
  sys.sendNotice(socket, text);
}

/** Of --address. */
async function socketOf({ settings: { address } }: Context): Promise<string | undefined> {
  if (address === undefined) return undefined;
  const { socketPath } = await import('../containerd/address.js');
  return socketPath(address);
}

function parseOwner(words: string): Owner {
  const parts = /^(\d{1,10}):(\d{1,10})$/.exec(words);
  const [, uid, gid] = (parts ?? []).map(Number);
  if (uid === undefined || gid === undefined || Math.max(uid, gid) > 0xfffffffe) {
    throw new StoreError('invalid-argument', `cannot use --owner ${words}`, 'it is UID:GID, two numbers');
  }
  return { uid, gid };
}

function wrongMounts(word: string): StoreError {
  return new StoreError('invalid-argument', `cannot use --mounts ${word}`, 'it is program or bind');
}

function needs(what: string): StoreError {
  return new StoreError('invalid-argument', 'cannot serve', `${what} is missing`, {
    hint: 'mica serve --help',
  });
}
