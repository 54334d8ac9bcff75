import { describe, expect, it } from 'vitest';
import { EAGAIN } from '../../../fs/errno.js';
import * as sys from '../../../fs/sys/index.js';

describe('an eventfd in a poll set', () => {
  it('wakes a poll, and no longer once it is drained', () => {
    const event = sys.makeEventFd();
    const other = sys.makeEventFd();
    const set = new sys.PollSet([event, other]);
    expect(set.wait(0)).toBe(false);
    sys.signalEventFd(other);
    expect(set.wait(-1)).toBe(true);
    expect([set.revents(0), set.revents(1)]).toEqual([0, sys.POLLIN]);
    expect(sys.drainEventFd(other)).toBe(true);
    expect(sys.drainEventFd(other)).toBe(false);
    expect(set.wait(0)).toBe(false);
    sys.closeDevice(event);
    sys.closeDevice(other);
  });

  it('answers a read that would wait with the negative errno', () => {
    const event = sys.makeEventFd();
    expect(sys.readInto(event, new Uint8Array(8))).toBe(-EAGAIN);
    expect(sys.writeFrom(event, Uint8Array.of(9, 9, 1, 0, 0, 0, 0, 0, 0, 0), 2, 8)).toBe(8);
    const into = new Uint8Array(10);
    expect(sys.readInto(event, into, 1, 8)).toBe(8);
    expect(into[1]).toBe(1);
    sys.closeDevice(event);
  });
});

describe('the process', () => {
  it('knows its user and raises its limit of open files', () => {
    expect(sys.effectiveUid()).toBe(process.geteuid?.());
    expect(sys.effectiveGid()).toBe(process.getegid?.());
    expect(sys.currentUmask()).toBe(process.umask());
    expect(sys.raiseOpenFiles()).toBeGreaterThanOrEqual(256);
    expect(sys.mayUseTrustedXattrs()).toBe(
      sys.inFirstUserNamespace() && sys.hasCapability(sys.CAP_SYS_ADMIN),
    );
  });
});
