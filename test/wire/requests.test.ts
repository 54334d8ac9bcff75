// Every request that Linux sends, as bytes, with the operation it becomes and the bytes of its reply.

import { describe, expect, it } from 'vitest';
import { FILES } from './golden/files.js';
import { FOLDERS } from './golden/folders.js';
import type { Golden } from './golden/golden.js';
import { NAMES } from './golden/names.js';
import { NODES } from './golden/nodes.js';
import { OTHERS } from './golden/others.js';
import { XATTRS } from './golden/xattrs.js';
import { failure, le32, le64, request, text, Wire } from './wire.js';

const SUBJECTS: readonly [subject: string, goldens: readonly Golden[]][] = [
  ['nodes', NODES],
  ['names', NAMES],
  ['files', FILES],
  ['folders', FOLDERS],
  ['xattrs', XATTRS],
  ['nothing or what the kernel does', OTHERS],
];
const ALL = SUBJECTS.flatMap(([, goldens]) => goldens);

const EINVAL = 22;

function opcodeOf({ request: bytes }: Golden): number {
  return Buffer.from(bytes).readUInt32LE(4);
}

function uniqueOf({ request: bytes }: Golden): bigint {
  return Buffer.from(bytes).readBigUInt64LE(8);
}

/** The same message cut to so many bytes, or with `more` behind it. */
function resized(bytes: Uint8Array, length: number, more = 0): Uint8Array {
  const message = Buffer.alloc(length, more);
  message.set(bytes.subarray(0, length));
  message.writeUInt32LE(length, 0);
  return message;
}

function wireFor({ given }: Golden): Wire {
  const wire = new Wire();
  given?.(wire.filesystem);
  return wire;
}

for (const [subject, goldens] of SUBJECTS) {
  describe(`a request on ${subject}`, () => {
    it.each(goldens)('$name', (golden) => {
      const wire = wireFor(golden);
      expect(wire.send(golden.request)).toBe(golden.reply);
      expect(wire.asked()).toEqual(golden.asks);
      expect(wire.faults).toEqual([]);
    });

    it.each(goldens)('$name, in a longer form of a later kernel, is the same', (golden) => {
      const wire = wireFor(golden);
      expect(wire.send(resized(golden.request, golden.request.length + 24, 0xff))).toBe(golden.reply);
      expect(wire.asked()).toEqual(golden.asks);
    });

    it.each(goldens)('$name, cut short anywhere, is refused whatever lies behind it', (golden) => {
      // Without a reply, with extensions that nobody asked for, or refused as it is: not refused for its length.
      const extended = Buffer.from(golden.request).readUInt16LE(36) > 0;
      const known = golden.reply !== '' && Buffer.from(golden.reply, 'hex').readInt32LE(4) === 0;
      for (let length = 40; length < golden.request.length; length++) {
        const short = resized(golden.request, length);
        const wire = wireFor(golden);
        const answer = wire.sendBefore(0, short);
        const asked = wire.asked();
        const other = wireFor(golden);
        expect(other.sendBefore(0x61, short)).toBe(answer);
        expect(other.asked()).toEqual(asked);
        expect([...wire.faults, ...other.faults]).toEqual([]);
        if (known && !extended) {
          expect({ length, answer, asked }).toEqual({
            length,
            answer: failure(EINVAL, uniqueOf(golden)),
            asked: [],
          });
        }
      }
    });
  });
}

it('there is one for every opcode of the protocol', () => {
  const known = new Set(ALL.map(opcodeOf));
  const opcodes = Array.from({ length: 54 }, (_, opcode) => opcode).filter((opcode) => opcode !== 26);
  expect(opcodes.filter((opcode) => !known.has(opcode))).toEqual([]);
});

describe('a folder that moves to another', () => {
  it('makes the kernel drop its listing, once the reply is out', () => {
    const wire = new Wire();
    wire.send(request(12, 1, le64(5) + text('folder') + text('new')));
    const header = le32(40) + le32(2) + le64(0);
    expect(wire.notices()).toEqual([header + le64(9) + le64(0) + le64(0)]);
    expect(wire.notices()).toEqual([]);
    wire.send(request(12, 1, le64(5) + text('file') + text('new')));
    expect(wire.notices()).toEqual([]);
  });
});
