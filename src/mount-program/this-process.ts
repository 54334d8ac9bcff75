// Serves a mount in the process that was started with the words: in the foreground, or, where somebody waits for the word
// that it is live, as a daemon from then on. The order at that moment: nothing of the caller's is held any more, then the
// word goes out, since its reader goes on to read stderr to its end. Whoever stops waiting before gets no mount.

import { closeSync, openSync, writeSync } from 'node:fs';
import { sys, toText } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { connectControl } from '../mounts/control-socket.js';
import { endOnSignal } from '../mounts/end-mount.js';
import { follow } from '../mounts/follow.js';
import type { Host, HostSpec } from '../mounts/host-spec.js';
import { type ServedMount, serveMount } from '../mounts/serve.js';
import { type MountRow, MountTable } from '../mounts/table.js';

export class ThisProcess implements Host {
  readonly #ready: number | undefined;
  readonly #inherited: readonly number[];
  #mount: ServedMount | undefined;

  /**
   * `ready`: the descriptor of the pipe on which the word is waited for; without it the process stays in the foreground.
   * `inherited`: the caller's descriptors, of which layers may be named until the mount is live.
   */
  constructor(ready: number | undefined, inherited: readonly number[]) {
    this.#ready = ready;
    this.#inherited = inherited;
  }

  /** Somebody waits for the mount to be live, and goes on then. */
  get isAwaited(): boolean {
    return this.#ready !== undefined;
  }

  async serve(spec: HostSpec): Promise<MountRow> {
    const log = this.isAwaited ? new MountTable(spec.state).logFor(spec.target) : undefined;
    const mount = await serveMount(log === undefined ? spec : { ...spec, log });
    this.#mount = mount;
    mount.ended.catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exitCode = 1;
    });
    endOnSignal(mount, (text) => process.stderr.write(text));
    // The shell's end is not the mount's.
    if (this.isAwaited) process.on('SIGHUP', () => undefined);
    if (this.#ready === undefined || log === undefined) return mount.row;
    try {
      leaveCaller(log, this.#inherited);
      writeSync(this.#ready, 'live');
    } catch (error) {
      await mount.unmount(true);
      throw new StoreError('canceled', `cannot mount at ${spec.target}`, 'nobody waits for it any more', {
        cause: error,
      });
    }
    closeSync(this.#ready);
    return mount.row;
  }

  /** Writes each request and each change to stderr, until the mount has ended. */
  async tellRequests(): Promise<void> {
    const mount = this.#mount;
    if (mount?.row.socket === undefined) return;
    const server = await connectControl(mount.row.socket);
    // The end of the mount ends it.
    const { signal } = new AbortController();
    for await (const { events, lost } of follow(server, { requests: true, signal, since: 0 })) {
      if (lost > 0) writeSync(2, `${lost} events came too fast to be told\n`);
      for (const { kind, operation, path, errno, durationNs = 0 } of events) {
        const what = `${operation ?? kind} /${JSON.stringify(toText(path)).slice(1, -1)}`;
        writeSync(
          2,
          `${what}${errno === undefined ? '' : `: errno ${errno}`} ${(durationNs / 1e3).toFixed(0)} us\n`,
        );
      }
    }
    server.close();
  }
}

/** Afterwards this process holds no folder, terminal or descriptor of whoever started it; what it says goes to the log. */
function leaveCaller(log: string, inherited: readonly number[]): void {
  for (const fd of inherited) closeSync(fd);
  process.chdir('/');
  sys.leaveSession();
  const nothing = openSync('/dev/null', 'r+');
  const ownLog = openSync(log, 'a', 0o600);
  sys.replaceDescriptor(0, nothing);
  sys.replaceDescriptor(1, nothing);
  sys.replaceDescriptor(2, ownLog);
  closeSync(nothing);
  closeSync(ownLog);
}
