// The transport over fuse-native, the binding of libfuse 2 (Linux x64 with libfuse.so.2, Intel Macs): an optional
// dependency, imported when a mount is asked for. It hands every call to the main thread of this process
// (it binds itself to libuv's default loop), so this process must never touch the mount, and the mount is
// unmounted by a program of its own while this thread goes on serving.
//
// What libfuse 2 does not carry is missing: who asks, nanoseconds, rename flags, holes, names that are not UTF-8.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { EBUSY, EIO, ENOTCONN, EOPNOTSUPP, FsError } from '../errno.js';
import { Deferred } from './deferred.js';
import { EventTap, eventBuffer, isEventsRequest } from './event-tap.js';
import type { ServerStart } from './messages.js';
import { Counter, type Operations, operationsOf } from './native-operations.js';
import { ServedUnion } from './served-union.js';
import type { MountEnd, MountRequest, RunningMount, Transport } from './transport.js';

export const fuseNativeTransport: Transport = {
  name: 'fuse-native',
  async start(request) {
    const Binding = await loadBinding();
    const { stack, mountPoint, owners } = request;
    const transport = fuseNativeTransport.name;
    const start: ServerStart = { stack, mountPoint, transport, ...(owners && { owners }) };
    const events = eventBuffer();
    const served = new ServedUnion(start, events);
    try {
      const mount = new NativeMount(request, served, events, Binding);
      await mount.live;
      return mount;
    } catch (error) {
      served.union.destroy();
      throw error;
    }
  },
};

/** The part of fuse-native's class that is used; it ships no types. */
interface Binding {
  new (mountPoint: string, operations: Operations, options: BindingOptions): BindingMount;
  unmount: (mountPoint: string, done: (error: Error | null) => void) => void;
}

interface BindingMount {
  mount(done: (error: Error | null) => void): void;
  unmount(done: (error: Error | null) => void): void;
}

interface BindingOptions {
  readonly timeout: false;
  readonly defaultPermissions: true;
  readonly allowOther: boolean;
  readonly fsname: string;
  readonly subtype: string;
}

async function loadBinding(): Promise<Binding> {
  const name: string = 'fuse-native';
  try {
    const module = (await import(name)) as { readonly default: Binding };
    return module.default;
  } catch (error) {
    throw new FsError(EOPNOTSUPP, 'cannot load fuse-native (it needs libfuse 2)', { cause: error });
  }
}

/** How often the mount table is asked whether somebody else has unmounted; libfuse 2 does not tell. */
const WATCH_MS = 1000;

class NativeMount implements RunningMount {
  readonly mountPoint: string;
  readonly transport = fuseNativeTransport.name;
  readonly readOnly: boolean;
  readonly live: Promise<void>;
  readonly ended: Promise<MountEnd>;
  readonly #ended = new Deferred<MountEnd>();
  readonly #served: ServedUnion;
  readonly #binding: Binding;
  readonly #mount: BindingMount;
  readonly #counter = new Counter();
  readonly #tap: EventTap;
  #watch: NodeJS.Timeout | undefined;
  #over = false;

  constructor(request: MountRequest, served: ServedUnion, events: SharedArrayBuffer, binding: Binding) {
    this.mountPoint = request.mountPoint;
    this.readOnly = request.readOnly === true || served.union.readOnly;
    this.ended = this.#ended.promise;
    this.#served = served;
    this.#tap = new EventTap(events, async (requests) => this.#ask({ op: 'watch', requests }));
    this.#binding = binding;
    const asRoot = process.geteuid?.() === 0;
    // The binding joins its options with commas, which lets those through that it has no word for.
    const more = ['big_writes', this.readOnly ? 'ro' : 'rw'];
    if (asRoot)
      more.push(request.dev === false ? 'nodev' : 'dev', request.suid === false ? 'nosuid' : 'suid');
    if (request.exec === false) more.push('noexec');
    const subtype = [request.subtype ?? 'mica', ...more].join(',');
    this.#mount = new binding(this.mountPoint, operationsOf(served.watched, this.#counter, request.onFault), {
      timeout: false,
      defaultPermissions: true,
      allowOther: request.allowOther ?? asRoot,
      fsname: request.fsname ?? 'mica',
      subtype,
    });
    this.live = new Promise((resolve, reject) => {
      this.#mount.mount((error) => {
        if (error !== null) {
          reject(new FsError(EIO, `mount ${this.mountPoint}: ${error.message}`, { cause: error }));
          return;
        }
        this.#watch = setInterval(() => this.#look(), WATCH_MS);
        resolve();
      });
    });
  }

  async unmount({ lazy = false }: { readonly lazy?: boolean } = {}): Promise<void> {
    if (this.#over) return;
    await runUnmount(this.mountPoint, lazy);
    this.#finish();
  }

  async control(request: object): Promise<object> {
    if (isEventsRequest(request)) return this.#tap.answer(request);
    if (this.#over) throw new FsError(ENOTCONN, 'mount');
    return this.#ask(request);
  }

  #ask(request: object): object {
    return this.#served.control(request, this.#counter);
  }

  #look(): void {
    if (process.platform === 'linux' && !isMounted(this.mountPoint)) this.#finish();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#tap.end();
    clearInterval(this.#watch);
    // What is left for the binding to do is to let go of the event loop; the mount itself is gone.
    this.#binding.unmount = (_, done) => done(null);
    this.#mount.unmount((error) => {
      this.#served.union.destroy();
      this.#ended.resolve(error === null ? { how: 'unmounted' } : { how: 'failed', error });
    });
  }
}

function isMounted(mountPoint: string): boolean {
  const escaped = mountPoint.replace(
    /[\\ \t\n]/g,
    (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
  return readFileSync('/proc/self/mounts', 'utf8').includes(` ${escaped} `);
}

/** Unmounts from a child process, while this one serves what the unmounting asks for. */
async function runUnmount(mountPoint: string, lazy: boolean): Promise<void> {
  const helpers: (readonly [string, string[]])[] = [
    ['fusermount', ['-u', ...(lazy ? ['-z'] : []), '--', mountPoint]],
    ['umount', [...(lazy ? ['-l'] : []), '--', mountPoint]],
  ];
  let failure = 'no program to unmount with';
  for (const [program, args] of helpers) {
    const answer = await new Promise<string | undefined>((resolve) => {
      execFile(program, args, (error, _stdout, stderr) =>
        resolve(error === null ? undefined : stderr.trim() || error.message),
      );
    });
    if (answer === undefined) return;
    failure = answer;
  }
  throw new FsError(EBUSY, `unmount ${mountPoint}: ${failure}`);
}
