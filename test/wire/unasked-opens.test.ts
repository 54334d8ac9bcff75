// A mount whose files and folders the kernel opens without asking: OPEN and OPENDIR are answered ENOSYS, and every
// later request comes with handle 0.

import { describe, expect, it } from 'vitest';
import { entryOut, failure, INIT, le32, le64, reply, request, text, Wire } from './wire.js';

describe('where the kernel opens without asking', () => {
  const wire = () => new Wire({ init: INIT });
  const read = request(15, 7, `${le64(0)} ${le64(0)} ${le32(4)} ${'00'.repeat(20)}`);
  const write = request(16, 7, `${le64(0)} ${le64(0)} 01000000 ${'00'.repeat(20)} 61`);
  const readdir = (cookie: number, node = 1) =>
    request(28, node, `${le64(0)} ${le64(cookie)} ${le32(64)} ${'00'.repeat(20)}`);
  /** The cookies of a READDIR reply. */
  const cookies = (answer: string) => {
    const bytes = Buffer.from(answer, 'hex');
    const found: number[] = [];
    for (let at = 16; at < bytes.length; at += 24 + Math.ceil(bytes.readUInt32LE(at + 16) / 8) * 8) {
      found.push(Number(bytes.readBigUInt64LE(at + 8)));
    }
    return found;
  };

  it('OPEN and OPENDIR are ENOSYS and open nothing', () => {
    const { send, asked } = bound(wire());
    expect(send(request(14, 7, '00000000 00000000'))).toBe(failure(38));
    expect(send(request(27, 1, '00000000 00000000'))).toBe(failure(38));
    expect(asked()).toEqual([]);
  });

  it('the first READ opens, the first WRITE opens for writing, and FORGET closes', () => {
    const { send, asked } = bound(wire());
    send(read);
    send(read);
    expect(asked()).toEqual(['open 7 0', 'read 57 0 4', 'read 57 0 4']);
    send(write);
    send(write);
    send(read);
    expect(asked()).toEqual([
      'open 7 2',
      'release 57',
      'write 57 0 <a> false',
      'write 57 0 <a> false',
      'read 57 0 4',
    ]);
    send(request(2, 7, le64(1)));
    expect(asked()).toEqual(['release 57', 'forget 7 1']);
  });

  it('CREATE sends the kernel to MKNOD, whose handle serves both ways and goes with its node', () => {
    const { send, asked } = bound(wire());
    const create = request(35, 1, `${le32(0o101)} ${le32(0o100644)} 00000000 00000000 ${text('new')}`);
    expect(send(create)).toBe(failure(38));
    const make = request(8, 1, `${le32(0o100644)} 00000000 00000000 00000000 ${text('new')}`);
    expect(send(make)).toBe(reply(entryOut(8)));
    send(request(15, 8, `${le64(0)} ${le64(0)} ${le32(4)} ${'00'.repeat(20)}`));
    send(request(2, 8, le64(1)));
    expect(asked()).toEqual([
      'create 1 new 100644 202 {uid:1000,gid:100,pid:99,umask:0}',
      'read 55 0 4',
      'release 55',
      'forget 8 1',
    ]);
  });

  it('keeps no more than 256 files open', () => {
    const { send, asked } = bound(wire());
    for (let node = 2; node < 260; node++) {
      send(request(15, node, `${le64(0)} ${le64(0)} ${le32(4)} ${'00'.repeat(20)}`));
    }
    const calls = asked();
    const opened = calls.filter((call) => call.startsWith('open ')).length;
    expect(opened - calls.filter((call) => call.startsWith('release ')).length).toBe(256);
  });

  it('two readings of one folder have listings of their own', () => {
    const { send, asked } = bound(wire());
    const first = cookies(send(readdir(0)));
    expect(first).toHaveLength(2);
    const second = cookies(send(readdir(0)));
    expect(second).not.toEqual(first);
    const rest = cookies(send(readdir(first[1] as number)));
    expect(rest).toEqual([(first[0] as number) + 2]);
    expect(asked()).toEqual(['opendir 1', 'readdir 58 0', 'opendir 1', 'readdir 58 0', 'readdir 58 2']);
  });

  it('a reading whose listing was closed goes on in a new one', () => {
    const { send, asked } = bound(wire());
    const first = cookies(send(readdir(0)));
    send(request(2, 1, le64(1)));
    asked();
    expect(cookies(send(readdir(first[1] as number)))).toHaveLength(1);
    expect(asked()).toEqual(['opendir 1', 'readdir 58 2']);
  });

  it('a folder that is forgotten leaves no listing open, and keeps those of others', () => {
    const { send, asked } = bound(wire());
    const closedBy = (act: () => void) => {
      asked();
      act();
      return asked().filter((call) => call === 'releasedir 58').length;
    };
    const forget = (node: number) => closedBy(() => send(request(2, node, le64(1))));
    for (const node of [1, 9, 1]) send(readdir(0, node));
    expect([forget(7), forget(1), forget(1), forget(9)]).toEqual([0, 2, 0, 1]);
    // One more than are kept.
    expect(closedBy(() => Array.from({ length: 65 }, () => send(readdir(0))))).toBe(1);
    expect(forget(1)).toBe(64);
  });
});

function bound(wire: Wire): { send: (bytes: Uint8Array) => string; asked: () => string[] } {
  return { send: (bytes) => wire.send(bytes), asked: () => wire.asked() };
}
