// The shared host: a process that serves many FUSE mounts of one user, on a thread each, and outlives whoever started it.
// It is the only one of its name as long as it holds the lock; it ends by itself when it has had no mount and no asker
// for a while. What happens on a thread ends its mount alone; SIGKILL, or a fault of native code, ends all of them.

import { closeSync, fstatSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { sys } from '../../fs/index.js';
import { endMount } from './end-mount.js';
import { faultText, refusal } from './host-report.js';
import { type HostAnswer, hostRequestOf } from './host-request.js';
import type { HostSpec } from './host-spec.js';
import { closeInherited } from './inherited-files.js';
import { prepareToServe, type ServedMount, serveMount } from './serve.js';
import { hostsFolder, type SharedPlace, sharedPlace } from './shared-place.js';
import type { MountRow } from './table.js';
import { linesOf, listenAt } from './unix-socket.js';

/** An engine mounts one container after the other, and each would wait for a new process. */
const LINGER_MS = 5000;

/** The part of its descriptors that may be taken when one more mount is asked for: those that are there go on to open files. */
const FULL = 0.5;

class SharedHost {
  readonly #place: SharedPlace;
  readonly #server: Server;
  readonly #mounts = new Set<ServedMount>();
  readonly #askers = new Set<Socket>();
  #logs = 0;
  #lingering: NodeJS.Timeout | undefined;
  #isEnding = false;

  constructor(place: SharedPlace) {
    this.#place = place;
    this.#server = createServer((socket) => this.#hear(socket));
  }

  async listen(): Promise<void> {
    rmSync(this.#place.socket, { force: true });
    await listenAt(this.#server, this.#place.socket);
    this.#restIfIdle();
  }

  /** Unmounts everything. What is in use is out of sight the second time, and gone with its last user. */
  readonly end = (): void => {
    for (const mount of this.#mounts) void endMount(mount, this.#isEnding, note);
    this.#isEnding = true;
    this.#restIfIdle();
  };

  #hear(socket: Socket): void {
    // An asker that has gone away is no failure of the host.
    socket.on('error', () => socket.destroy());
    if (!isOwn(socket)) {
      socket.destroy();
      return;
    }
    this.#askers.add(socket);
    clearTimeout(this.#lingering);
    socket.once('close', () => {
      this.#askers.delete(socket);
      this.#restIfIdle();
    });
    linesOf(socket).once('line', (line) => {
      void this.#answer(line, socket).then((answer) => {
        if (!socket.destroyed) socket.end(`${JSON.stringify(answer)}\n`);
      });
    });
  }

  /** Whatever is asked is answered: an asker waits for nothing else. */
  async #answer(line: string, socket: Socket): Promise<HostAnswer> {
    try {
      const request = hostRequestOf(line);
      if (request.op === 'status') return { status: { pid: process.pid, mounts: this.#mounts.size } };
      const why = this.#whyFull();
      return why === undefined ? { live: await this.#serve(request.spec, socket) } : { full: why };
    } catch (error) {
      return refusal(error, note);
    }
  }

  async #serve(asked: HostSpec, socket: Socket): Promise<MountRow> {
    const log = `${asked.log}.${++this.#logs}`;
    try {
      const mount = await serveMount({ ...asked, log, shared: true });
      this.#keep(mount);
      if (socket.destroyed) await mount.unmount(true);
      return mount.row;
    } catch (error) {
      rmSync(log, { force: true });
      throw error;
    }
  }

  #keep(mount: ServedMount): void {
    this.#mounts.add(mount);
    // The next one finds its thread begun.
    prepareToServe('device');
    void mount.ended
      .catch((error: unknown) => note(`${mount.row.target}: ${faultText(error)}\n`))
      .then(() => {
        this.#mounts.delete(mount);
        this.#restIfIdle();
      });
  }

  #whyFull(): string | undefined {
    if (this.#isEnding) return 'it is ending';
    const limit = sys.openFilesLimit();
    const taken = readdirSync('/proc/self/fd').length;
    return taken > limit * FULL ? `it has ${taken} of ${limit} files open` : undefined;
  }

  #restIfIdle(): void {
    clearTimeout(this.#lingering);
    if (this.#mounts.size > 0 || this.#askers.size > 0) return;
    this.#lingering = setTimeout(() => this.#leave(), this.#isEnding ? 0 : LINGER_MS);
  }

  /** Who connects from now on is cut off without an answer, and finds the next host. */
  #leave(): void {
    this.#server.close();
    const { socket, lock, log } = this.#place;
    for (const path of [socket, lock]) rmSync(path, { force: true });
    if (statSync(log, { throwIfNoEntry: false })?.size === 0) rmSync(log);
    process.exit();
  }
}

/** Only the owner may enter the folder of the socket; this holds wherever that folder came to lie. */
function isOwn(socket: Socket): boolean {
  const { _handle: handle } = socket as { _handle?: { readonly fd?: number } };
  return handle?.fd !== undefined && sys.peerOf(handle.fd).uid === process.geteuid?.();
}

function note(text: string): void {
  process.stderr.write(text);
}

/**
 * Takes the lock of a name, which this process then holds to its end; false if another host has it. A lock that was
 * removed by a host at its end is no lock: its name may be another's already.
 */
function takeName(lock: string): boolean {
  for (;;) {
    const fd = openSync(lock, 'a', 0o600);
    if (!sys.tryLock(fd)) {
      closeSync(fd);
      return false;
    }
    if (statSync(lock, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return true;
    closeSync(fd);
  }
}

/** What hosts of other names have left that were killed. */
function sweepHosts(state: string, own: string): void {
  for (const file of readdirSync(hostsFolder(state))) {
    const name = /^([0-9a-f]+)\.lock$/.exec(file)?.[1];
    if (name === undefined || name === own) continue;
    const { socket, lock, log } = sharedPlace(state, name);
    const fd = openSync(lock, 'a');
    if (sys.tryLock(fd)) for (const path of [socket, log, lock]) rmSync(path, { force: true });
    closeSync(fd);
  }
}

async function main(state: string, name: string): Promise<void> {
  const place = sharedPlace(state, name);
  if (!takeName(place.lock)) return;
  // One for each mount.
  process.setMaxListeners(0);
  sys.raiseOpenFiles();
  const host = new SharedHost(place);
  // The shell's end is not the mounts'.
  process.on('SIGHUP', () => undefined);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, host.end);
  // A bug of this thread concerns whoever asked, and none of the mounts.
  process.on('uncaughtException', (error) => note(`${faultText(error)}\n`));
  process.umask(0o077);
  await host.listen();
  // Whoever starts it first must not decide with what modes the files of all are made.
  process.umask(0);
  process.send?.('ready');
  if (process.connected) process.disconnect();
  sweepHosts(state, name);
}

const [state = '', name = ''] = process.argv.slice(2);
// After the channel to who started it.
closeInherited(4);
prepareToServe('device');
main(state, name).catch((error: unknown) => {
  note(`${faultText(error)}\n`);
  process.exit(1);
});
