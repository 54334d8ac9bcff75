// Serving one FUSE mount in this process: the transport's thread runs the filesystem, this one keeps signals and
// the control socket, and notes the mount down as long as it is there. It must never touch the mount itself.

import { execFile } from 'node:child_process';
import { appendFileSync, closeSync, openSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import {
  deviceTransport,
  type EventsReply,
  type ExchangeRequest,
  fuseNativeTransport,
  type RunningMount,
  type Transport,
} from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { timeNow } from '../time.js';
import type { ControlRequest } from './control.js';
import { serveControl } from './control-socket.js';
import type { HostSpec } from './host-spec.js';
import { mountFailure } from './mount-failure.js';
import { isReachable } from './mount-users.js';
import { mountAt, readMounts } from './mountinfo.js';
import { bootId, markOf, mountNamespace } from './process-life.js';
import { settle } from './settle.js';
import { Sums } from './sums.js';
import { type MountRow, MountTable } from './table.js';
import { measureTree } from './usage.js';
import { Waiting } from './waiting.js';

export interface ServedMount {
  readonly row: MountRow;
  /** Resolves when the mount is gone, by whomever, and nothing of it is noted any more; rejects if its server failed. */
  readonly ended: Promise<void>;
  /** Unmounts; failed-precondition if the mount is in use and `lazy` is not set. */
  unmount(lazy?: boolean): Promise<void>;
}

/** Makes ready what a mount by this transport waits for longest, before it is known what is mounted where. */
export function prepareToServe(transport: string): void {
  if (isDevice(transport)) deviceTransport.prepare?.();
}

/** Mounts, and resolves when the mount is live. What fails leaves nothing behind. */
export async function serveMount(spec: HostSpec): Promise<ServedMount> {
  const table = new MountTable(spec.state);
  const running = await started(spec);
  try {
    await running.live;
    return await noted(spec, table, running);
  } catch (error) {
    await running.unmount({ lazy: true });
    throw mountFailure(`cannot mount at ${spec.target}`, error);
  }
}

async function noted(spec: HostSpec, table: MountTable, running: RunningMount): Promise<ServedMount> {
  const unmount = async (lazy = false): Promise<void> => {
    try {
      await running.unmount({ lazy });
    } catch (error) {
      throw mountFailure(`cannot unmount ${spec.target}`, error);
    }
  };
  const row = rowOf(spec, table, running);
  table.put(row);
  const sums = new Sums({ ask: (request) => running.control(request) as Promise<EventsReply> });
  const waiting = new Waiting();
  const served: Served = {
    spec,
    row,
    sums,
    waiting,
    device: mountAt(spec.target, readMounts() ?? [])?.device,
  };
  const control = await serveControl(row.socket, (request) =>
    answer(request, served, table, running, unmount),
  ).catch((error: unknown) => {
    // The log is for who started this server to read.
    const { log: _log, ...withoutLog } = row;
    table.remove(withoutLog);
    throw error;
  });
  const ended = running.ended.then(async (end) => {
    try {
      await sums.end();
      await waiting.end();
      await control.close();
      if (end.how === 'failed') throw end.error;
      if (spec.settle === true) await settle(served.spec.stack, table);
    } finally {
      table.remove(row);
    }
  });
  return { row, ended, unmount };
}

/** What is served now, and noted down: what lies below a mount may be exchanged. */
interface Served {
  spec: HostSpec;
  row: MountRow;
  readonly sums: Sums;
  readonly waiting: Waiting;
  /** `major:minor` of the mount, by which it is known wherever it came to lie; undefined where the system does not say. */
  readonly device: string | undefined;
}

/** Everything but the end is the business of the thread that serves. */
async function answer(
  request: ControlRequest,
  served: Served,
  table: MountTable,
  running: RunningMount,
  unmount: () => Promise<void>,
): Promise<object> {
  const { spec } = served;
  if (request.op === 'usage') return usageOf(spec);
  if (request.op === 'events' && request.waitMs !== undefined) {
    const { waitMs, ...rest } = request;
    return served.waiting.until(waitMs, (isOver) => {
      // Of a mount that is over nobody wants requests recorded.
      const { requests, ...kept } = rest;
      return running.control(isOver || requests === undefined ? kept : { ...kept, requests });
    });
  }
  if (request.op === 'sum') return served.sums.answer(request);
  if (request.op === 'yield') return { ends: yieldsNow(served, table, running) };
  if (request.op === 'exchange') return exchange(request, served, table, running);
  if (request.op !== 'stop') {
    if (spec.options?.writeback === true && NEEDS_ALL_WRITES.has(request.op)) await writeBack(spec.target);
    return running.control(request);
  }
  // Waiting for the end here would wait for this answer.
  void unmount().catch((error: Error) => note(spec, error.message));
  return {};
}

/**
 * True if nobody can come to the mount by a path any more, which is ended then, and not waited for. Files that somebody
 * still has open fail from then on: two servers would write to one upper otherwise.
 */
function yieldsNow({ spec, device }: Served, table: MountTable, running: RunningMount): boolean {
  if (device === undefined || running.abandon === undefined) return false;
  if (isReachable(device, new Set([process.pid, ...table.servers().map((row) => row.process.pid)])))
    return false;
  const isHere = (readMounts() ?? []).some((mount) => mount.device === device);
  const end = isHere ? running.unmount({ lazy: true }).then(() => running.abandon?.()) : running.abandon();
  end.catch((error: Error) => note(spec, error.message));
  return true;
}

/**
 * What takes long of a commit is done before, while the mount is in use: data is brought to the upper in short steps, and
 * what is in memory goes to the disk. Before a rollback the kernel lets go of what nobody has in use. What came meanwhile,
 * and the exchange itself, is all that keeps others waiting.
 */
async function exchange(
  request: ExchangeRequest,
  served: Served,
  table: MountTable,
  running: RunningMount,
): Promise<object> {
  const { target, stack } = served.spec;
  const { upper, below } = request;
  await writeBack(target);
  if (below !== undefined) {
    for (let more = true; more; )
      ({ more } = (await running.control({ op: 'settle-ahead' })) as { more: boolean });
    await writeBack(below.path);
    // What was written into mapped files meanwhile.
    await writeBack(target);
  } else await running.control({ op: 'drop-names' });
  const reply = await running.control(request);
  const { dev, ino } = statSync(upper.path);
  const lowers = below === undefined ? stack.lowers : [below, ...stack.lowers];
  const { snapshot } = served.row;
  served.spec = { ...served.spec, stack: { ...stack, lowers, upper } };
  served.row = {
    ...served.row,
    ...(snapshot && { snapshot: { ...snapshot, id: upper.id } }),
    upper: { device: dev, inode: ino },
  };
  table.put(served.row);
  return reply;
}

const NEEDS_ALL_WRITES: ReadonlySet<ControlRequest['op']> = new Set(['settle', 'join', 'freeze', 'flush']);

/** What the kernel has collected for a filesystem is written. By another process: this one must not wait for its own mount. */
async function writeBack(target: string): Promise<void> {
  await promisify(execFile)('sync', ['-f', target]);
}

/** Of the folder that is written; reading it goes past the mount. */
function usageOf({ stack, target }: HostSpec): object {
  if (stack.upper === undefined) {
    throw new StoreError('failed-precondition', `cannot measure the mount at ${target}`, 'it is read only');
  }
  const fd = openSync(stack.upper.path, 'r');
  try {
    return measureTree(fd);
  } finally {
    closeSync(fd);
  }
}

function rowOf(
  spec: HostSpec,
  table: MountTable,
  running: RunningMount,
): MountRow & { readonly socket: string } {
  const { upper } = spec.stack;
  const found = upper === undefined ? undefined : statSync(upper.path);
  return {
    target: spec.target,
    ...(spec.snapshot === undefined ? {} : { snapshot: spec.snapshot }),
    driver: 'fuse',
    transport: running.transport,
    process: markOf(process.pid),
    ...(spec.shared === true ? { shared: true } : {}),
    readOnly: running.readOnly,
    ...(spec.options?.owners === undefined ? {} : { owners: spec.options.owners }),
    ...(spec.options?.stats === true ? { stats: true } : {}),
    since: timeNow(),
    socket: table.socketFor(spec.target),
    ...(spec.log === undefined ? {} : { log: spec.log }),
    ...(found === undefined ? {} : { upper: { device: found.dev, inode: found.ino } }),
    boot: bootId(),
    mountNamespace: mountNamespace(),
  };
}

/** Begins to serve. An upper whose server is just ending is waited for by whoever opens it. */
async function started(spec: HostSpec): Promise<RunningMount> {
  try {
    return await transportOf(spec.transport).start({
      stack: spec.stack,
      mountPoint: spec.target,
      readOnly: spec.readOnly,
      ...spec.options,
      onFault: (fault) => note(spec, `${fault.operation}: ${fault.stack ?? fault.message}`),
    });
  } catch (error) {
    throw mountFailure(`cannot mount at ${spec.target}`, error);
  }
}

/** A line for who looks after a mount: in its log, which of a process with one mount is its standard error. */
function note({ shared, log }: HostSpec, line: string): void {
  if (shared === true && log !== undefined) appendFileSync(log, `${line}\n`, { mode: 0o600 });
  else process.stderr.write(`${line}\n`);
}

function transportOf(name: string): Transport {
  if (name === 'fuse-native') return fuseNativeTransport;
  if (isDevice(name)) return deviceTransport;
  const what = `cannot mount with the transport ${name}`;
  throw new StoreError('unsupported', what, `there is none of it for ${process.platform}`, {
    hint: 'mica doctor says what works here; mica unpack, ls, cat and export need no mount',
  });
}

function isDevice(transport: string): boolean {
  return process.platform === 'linux' && (transport === 'auto' || transport === 'device');
}
