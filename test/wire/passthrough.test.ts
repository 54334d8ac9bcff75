// Opens on a mount whose files may pass by the server: what the kernel is told, and which files it may have.

import { beforeEach, describe, expect, it } from 'vitest';
import { EINVAL, ELOOP, ENOENT, ENOMEM, EROFS } from '../../fs/errno.js';
import { OPENS_IN_VAIN, WORTH_READING } from '../../fs/fuse/passthrough.js';
import type { PassthroughDevice } from '../../fs/sys/index.js';
import { failure, INIT, le32, le64, openOut, reply, request, text, Wire } from './wire.js';

const [WRONLY, RDWR, APPEND, DIRECT] = [1, 2, 0o2000, process.arch === 'arm64' ? 0o200000 : 0o40000] as const;
const [DIRECT_IO, KEEP_CACHE, PASSTHROUGH] = [1, 2, 0x80] as const;
const NODE = 7;
const OTHER = 9;

/** Notes what it is asked for; ids count up from 1. */
class FakeDevice implements PassthroughDevice {
  readonly calls: string[] = [];
  #lastId = 0;
  failure = 0;
  direct = true;
  writtenFds = new Set<number>();

  register(fd: number): number {
    if (this.failure !== 0) return -this.failure;
    this.calls.push(`register ${fd}`);
    return ++this.#lastId;
  }
  registerForReading(fd: number): number {
    return this.register(fd);
  }
  unregister(id: number): void {
    this.calls.push(`unregister ${id}`);
  }
  tell(message: Uint8Array, length: number): void {
    this.calls.push(`tell ${Buffer.from(message.subarray(0, length)).toString('hex')}`);
  }
  takesDirect(): boolean {
    return this.direct;
  }
  isWritten(fd: number): boolean {
    return this.writtenFds.has(fd);
  }
}

describe('where files may pass by the server', () => {
  let device: FakeDevice;
  let wire: Wire;
  beforeEach(() => {
    device = new FakeDevice();
    wire = new Wire({ init: INIT, caching: { passthrough: device } });
    wire.filesystem.descriptors.set(NODE, 70);
    wire.filesystem.descriptors.set(8, 80);
  });

  const open = (flags: number, node = NODE) => wire.send(request(14, node, `${le32(flags)} 00000000`));
  const release = (flags: number, node = NODE) =>
    wire.send(request(18, node, `${le64(0)} ${le32(flags)} 00000000 ${le64(0)}`));
  const getattr = (node = NODE) => wire.send(request(3, node, `${le32(0)} ${le32(0)} ${le64(0)}`));
  const throughServer = reply(openOut(0, KEEP_CACHE));
  const past = (id: number, flags = 0) => reply(`${openOut(0, PASSTHROUGH | flags).slice(0, -8)}${le32(id)}`);
  /** The seconds for which an fuse_attr_out holds. */
  const holds = (answer: string) => Buffer.from(answer, 'hex').readBigUInt64LE(16);

  it('INIT agrees on it, with files of a filesystem that is not stacked', () => {
    const answer = Buffer.from(new Wire({ caching: { passthrough: device } }).send(INIT), 'hex');
    expect([answer.readUInt32LE(16 + 32), answer.readUInt32LE(16 + 36)]).toEqual([1 << 5, 1]);
    const without = Buffer.from(new Wire().send(INIT), 'hex');
    expect([without.readUInt32LE(16 + 32), without.readUInt32LE(16 + 36)]).toEqual([0, 0]);
  });

  it('all opens of a node name one id, until the last is released', () => {
    expect(open(WRONLY)).toBe(past(1));
    expect(open(0)).toBe(past(1));
    release(WRONLY);
    expect(device.calls).toEqual(['register 70']);
    release(0);
    expect(open(WRONLY)).toBe(past(2));
    expect(device.calls).toEqual(['register 70', 'unregister 1', 'register 70']);
  });

  it('a node that is open through the server is so for all, until the last is released', () => {
    wire.filesystem.descriptors.clear();
    expect(open(0)).toBe(throughServer);
    wire.filesystem.descriptors.set(NODE, 70);
    expect(open(RDWR)).toBe(throughServer);
    release(0);
    release(RDWR);
    expect(open(RDWR)).toBe(past(1));
  });

  it('for reading, a file must be worth it', () => {
    wire.filesystem.calls.length = 0;
    open(0);
    expect(wire.asked()).toEqual([`backing ${NODE} ${WORTH_READING}`, 'close 70']);
  });

  it('what appends is served, past others as well', () => {
    expect(open(WRONLY | APPEND)).toBe(throughServer);
    release(WRONLY | APPEND);
    open(WRONLY);
    expect(open(WRONLY | APPEND)).toBe(past(1, DIRECT_IO));
  });

  it('O_DIRECT is refused where the file has none, and served where that can be', () => {
    device.direct = false;
    expect(open(RDWR | DIRECT)).toBe(throughServer);
    release(RDWR | DIRECT);
    open(RDWR);
    expect(open(RDWR | DIRECT)).toBe(failure(EINVAL));
    release(RDWR);
    expect(device.calls.at(-1)).toBe('unregister 1');
  });

  it('a new file passes by, and its handle stays until the node is forgotten', () => {
    const create = request(35, 1, `${le32(0o101)} ${le32(0o100644)} 00000000 00000000 ${text('new')}`);
    expect(wire.send(create).endsWith(past(1).slice(32))).toBe(true);
    wire.send(request(2, 8, le64(1)));
    expect(wire.asked().slice(1)).toEqual(['backing 8 0', 'close 80', 'release 55', 'forget 8 1']);
  });

  it('an open that does not reach its asker is none', () => {
    open(WRONLY);
    wire.dispatcher.undelivered();
    expect(device.calls).toEqual(['register 70', 'unregister 1']);
    wire.send(request(35, 1, `${le32(0o101)} ${le32(0o100644)} 00000000 00000000 ${text('new')}`));
    wire.dispatcher.undelivered();
    expect(device.calls.slice(2)).toEqual(['register 80', 'unregister 2']);
  });

  it('an open goes on past the server when lookups of its node are given back, or its folder cannot be listed', () => {
    const forget = () => wire.send(request(2, NODE, le64(1)));
    const listing = request(44, 1, `${le64(0)} ${le64(0)} ${le32(4096)} ${'00'.repeat(20)}`);
    wire.filesystem.names.set('broken', 9);
    const failedListing = () => expect(wire.send(listing)).toBe(failure(ENOENT));
    open(RDWR);
    forget();
    failedListing();
    expect(open(0)).toBe(past(1));
    expect(wire.dispatcher.writers()).toEqual([NODE]);
    release(0);
    release(RDWR);
    device.writtenFds.add(70);
    // A mapping that outlives its descriptor.
    failedListing();
    expect(wire.dispatcher.writers()).toEqual([NODE]);
    forget();
    expect(wire.dispatcher.writers()).toEqual([]);
  });

  it('attributes of a file that may be mapped are not kept while somebody can write to it', () => {
    expect(holds(getattr())).toBeGreaterThan(0n);
    open(RDWR);
    // FUSE_NOTIFY_INVAL_INODE of the attributes alone.
    expect(device.calls[1]).toBe(`tell 2800000002000000${le64(0)}${le64(NODE)}${le64(-1)}${le64(0)}`);
    expect(holds(getattr())).toBe(0n);
    release(RDWR);
    device.writtenFds.add(70);
    expect(holds(getattr())).toBe(0n);
    expect(wire.dispatcher.writers()).toEqual([NODE]);
    // Small, and only read, but what the server would read would not follow the mapping.
    expect(open(0)).toBe(past(2));
    release(0);
    device.writtenFds.clear();
    expect(holds(getattr())).toBeGreaterThan(0n);
    expect(wire.dispatcher.writers()).toEqual([]);
  });

  it('who can write past the server is known', () => {
    open(WRONLY);
    open(0, OTHER);
    expect(wire.dispatcher.writers()).toEqual([NODE]);
    release(WRONLY);
    expect(wire.dispatcher.writers()).toEqual([]);
  });

  it('where nothing may change, no file is opened for writing, even if others read it past the server', () => {
    open(RDWR);
    release(RDWR);
    wire.filesystem.readOnly = true;
    expect(open(0)).toBe(past(2));
    expect(open(WRONLY)).toBe(failure(EROFS));
    expect(open(RDWR, OTHER)).toBe(failure(EROFS));
    release(0);
    expect(device.calls.at(-1)).toBe('unregister 2');
    expect(wire.dispatcher.writers()).toEqual([]);
  });

  it('where the kernel takes no such file, it is told to ask no more', () => {
    device.failure = ELOOP;
    expect(open(WRONLY)).toBe(throughServer);
    expect(open(WRONLY, OTHER)).toBe(failure(38));
    expect(open(WRONLY)).toBe(failure(38));
  });

  it('where it takes some files and not others, it is told so when none passes by any more', () => {
    open(RDWR);
    device.failure = ELOOP;
    expect(open(WRONLY, 8)).toBe(throughServer);
    expect(open(0)).toBe(past(1));
    expect(wire.dispatcher.writers()).toEqual([NODE]);
    release(0);
    release(RDWR);
    device.failure = 0;
    device.writtenFds.add(70);
    expect(open(0)).toBe(past(2));
    release(0);
    device.writtenFds.clear();
    expect(open(0)).toBe(failure(38));
  });

  it('a want of memory is the affair of one open', () => {
    device.failure = ENOMEM;
    expect(open(WRONLY)).toBe(failure(ENOMEM));
    device.failure = 0;
    expect(open(WRONLY)).toBe(past(1));
  });

  it('after many opens for reading that were not worth it, the kernel is told to ask no more', () => {
    open(RDWR);
    release(RDWR);
    const inVain = (times: number) => {
      for (let n = 0; n < times; n++) {
        expect(open(0, OTHER)).toBe(throughServer);
        release(0, OTHER);
      }
    };
    inVain(OPENS_IN_VAIN);
    device.writtenFds.add(70);
    // Somebody still writes to a file through a mapping.
    expect(open(0, OTHER)).toBe(throughServer);
    device.writtenFds.clear();
    release(0, OTHER);
    inVain(OPENS_IN_VAIN - 1);
    expect(open(0, OTHER)).toBe(failure(38));
    expect(open(WRONLY)).toBe(failure(38));
    expect(device.calls.filter((call) => call.startsWith('register'))).toHaveLength(1);
  });
});
