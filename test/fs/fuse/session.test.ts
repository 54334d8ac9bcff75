import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Dispatcher } from '../../../fs/fuse/dispatch.js';
import { serveWaiting } from '../../../fs/fuse/session.js';
import { RecordingFilesystem } from './recording-filesystem.js';

describe('serving what waits', () => {
  it('comes to an end although there is always something to read', () => {
    let read = 0;
    const dispatcher = new Dispatcher(new RecordingFilesystem(), () => read++);
    // Not one of its messages is a request, and it never runs out of them.
    const device = openSync('/dev/zero', 'r+');
    serveWaiting(device, dispatcher);
    closeSync(device);
    expect(read).toBeGreaterThan(1000);
  });

  it('comes to an end when there is nothing', () => {
    const dispatcher = new Dispatcher(new RecordingFilesystem(), (fault) =>
      expect.unreachable(fault.operation),
    );
    const device = openSync('/dev/null', 'r+');
    serveWaiting(device, dispatcher);
    closeSync(device);
    expect(dispatcher.requests).toBe(0);
  });
});
