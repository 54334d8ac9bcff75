// Requests that wait for a task while others are served, on the wire.

import { beforeEach, describe, expect, it } from 'vitest';
import { EIO } from '../../fs/errno.js';
import { FUSE_GETATTR, FUSE_INTERRUPT, FUSE_OPEN } from '../../fs/fuse/abi.js';
import { Later, type Task, type TaskSource } from '../../fs/later.js';
import { attrOut, failure, le64, openOut, reply, request, Wire } from './wire.js';

class HandTask implements Task {
  errno: number | undefined;
  readonly calls: string[] = [];

  finish(): void {
    this.errno = 0;
  }

  abandon(): void {
    this.calls.push('abandon');
  }

  end(): void {
    this.calls.push('end');
  }
}

class HandTasks implements TaskSource {
  again = false;
  readonly finished: Task[] = [];

  takeFinished(): Task | undefined {
    return this.finished.shift();
  }
}

const KEEP_CACHE = 2;
const open = (unique: bigint, node = 7) =>
  request(FUSE_OPEN, node, '02000000 00000000', { unique, pid: process.pid });
const opened = (unique: bigint) => reply(openOut(57, KEEP_CACHE), unique);

describe('a request that waits for a task', () => {
  let tasks: HandTasks;
  let wire: Wire;
  let task: HandTask;
  beforeEach(() => {
    tasks = new HandTasks();
    wire = new Wire({ tasks });
    task = new HandTask();
  });

  function sendAndWait(unique: bigint, waitFor: Task = task, node = 7): void {
    wire.filesystem.failing = 'open';
    wire.filesystem.failure = new Later(waitFor);
    expect(wire.send(open(unique, node))).toBe('');
  }

  function finish(errno = 0, over: HandTask = task): void {
    over.errno = errno;
    tasks.finished.push(over);
  }

  it('is answered when the task is over, and others before', () => {
    sendAndWait(10n);
    expect(wire.resume()).toEqual([]);
    expect(wire.send(request(FUSE_GETATTR, 7, '00'.repeat(16), { unique: 12n }))).toBe(reply(attrOut(), 12n));
    expect(task.calls).toEqual([]);
    finish();
    expect(wire.resume()).toEqual([opened(10n)]);
    expect(task.calls).toEqual(['end']);
    expect(wire.resume()).toEqual([]);
  });

  it('is asked as it was, after those that came before', () => {
    sendAndWait(10n, task, 7);
    sendAndWait(12n, task, 8);
    wire.asked();
    finish();
    expect(wire.resume()).toEqual([opened(10n), opened(12n)]);
    expect(wire.asked()).toEqual(['open 7 2', 'open 8 2']);
  });

  it('fails as the task', () => {
    sendAndWait(10n);
    sendAndWait(12n);
    wire.asked();
    finish(EIO);
    expect(wire.resume()).toEqual([failure(EIO, 10n), failure(EIO, 12n)]);
    expect(wire.asked()).toEqual([]);
    expect(task.calls).toEqual(['end']);
  });

  it('may wait for another one then', () => {
    const second = new HandTask();
    sendAndWait(10n);
    finish();
    wire.filesystem.failure = new Later(second);
    expect(wire.resume()).toEqual([]);
    expect(task.calls).toEqual(['end']);
    finish(0, second);
    expect(wire.resume()).toEqual([opened(10n)]);
  });

  it('is known to have waited when it is asked again', () => {
    sendAndWait(10n);
    const seen: boolean[] = [];
    const asked = wire.filesystem.open.bind(wire.filesystem);
    wire.filesystem.open = (node, flags) => {
      seen.push(tasks.again);
      return asked(node, flags);
    };
    finish();
    wire.resume();
    wire.send(open(12n));
    expect(seen).toEqual([true, false]);
  });

  it('counts once', () => {
    sendAndWait(10n);
    const { requests } = wire.dispatcher;
    finish();
    wire.resume();
    expect(wire.dispatcher.requests).toBe(requests);
    expect(wire.dispatcher.counts()['open']).toBe(1);
  });

  it('goes on waiting whatever signal its asker has that does not end it', () => {
    sendAndWait(10n);
    expect(wire.send(request(FUSE_INTERRUPT, 0, le64(10), { unique: 11n }))).toBe('');
    expect(wire.dispatcher.anySignalled).toBe(true);
    expect(wire.dispatcher.giveUp()).toBe(0);
    expect(task.calls).toEqual([]);
    finish();
    expect(wire.resume()).toEqual([opened(10n)]);
    expect(wire.dispatcher.anySignalled).toBe(false);
  });

  it('is the only one that a signal is about', () => {
    sendAndWait(10n);
    wire.send(request(FUSE_INTERRUPT, 0, le64(12), { unique: 13n }));
    expect(wire.dispatcher.anySignalled).toBe(false);
  });
});
