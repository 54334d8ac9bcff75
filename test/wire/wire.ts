// Requests and replies as hex text with notes: what follows a `#` up to the end of a line is a note.

import type { Caching } from '../../fs/fuse/conversation.js';
import { Dispatcher, type Fault } from '../../fs/fuse/dispatch.js';
import type { TaskSource } from '../../fs/later.js';
import { RecordingFilesystem } from '../fs/fuse/recording-filesystem.js';

export function hex(text: string): Uint8Array {
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-f]/.test(digits)) throw new Error(`not hex: ${digits}`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** The bytes of a name with its NUL. */
export function text(name: string): string {
  return `${Buffer.from(name, 'latin1').toString('hex')}00`;
}

function le16(value: number): string {
  return le32(value).slice(0, 4);
}

export function le32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes.toString('hex');
}

export function le64(value: number | bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return bytes.toString('hex');
}

/** What stands in fuse_in_header beside length, opcode and node. */
interface Header {
  readonly unique?: bigint;
  readonly uid?: number;
  readonly gid?: number;
  readonly pid?: number;
  /** Units of 8 bytes that follow the names. */
  readonly extensions?: number;
}

export const UNIQUE = 0x0a0b0cn;

/** A request: fuse_in_header (by default of uid 1000, gid 100, pid 99) and a body. */
export function request(opcode: number, node: number, body: string, header: Header = {}): Uint8Array {
  const { unique = UNIQUE, uid = 1000, gid = 100, pid = 99, extensions = 0 } = header;
  const length = 40 + hex(body).length;
  return hex(`
    ${le32(length)} ${le32(opcode)}
    ${le64(unique)}
    ${le64(node)}
    ${le32(uid)} ${le32(gid)} ${le32(pid)}
    ${le16(extensions)} 0000
    ${body}`);
}

/** The INIT of Linux 6.18, with some of the flags that it offers. */
export function initOf(flags: string): Uint8Array {
  return request(
    26,
    0,
    `
    07000000 2d000000    # 7.45
    00000200             # max_readahead 128 KiB
    ${flags}             # flags
    fd050000             # flags2
    ${'00000000'.repeat(11)}`,
    { unique: 2n, uid: 0, gid: 0, pid: 0 },
  );
}

/** Linux 6.18 with all it offers. */
export const INIT = initOf('fbffff73');
/** The same without NO_OPEN_SUPPORT and NO_OPENDIR_SUPPORT: the kernel asks for every open. */
export const INIT_ASKING = initOf('fbfffd72');

interface WireOptions {
  readonly init?: Uint8Array;
  readonly caching?: Caching;
  readonly tasks?: TaskSource;
}

export class Wire {
  readonly filesystem: RecordingFilesystem;
  readonly faults: Fault[] = [];
  readonly dispatcher: Dispatcher;

  constructor({ init, caching, tasks }: WireOptions = {}) {
    this.filesystem = new RecordingFilesystem();
    const onFault = (fault: Fault) => this.faults.push(fault);
    this.dispatcher = new Dispatcher(this.filesystem, onFault, caching, tasks);
    this.send(init ?? INIT_ASKING);
    this.filesystem.calls.length = 0;
  }

  /** Sends the bytes as read(2) would give them; the reply as hex, or '' where there is none. */
  send(bytes: Uint8Array): string {
    this.dispatcher.requestBytes.set(bytes);
    const length = this.dispatcher.dispatch(bytes.length);
    return Buffer.from(this.dispatcher.replyBytes.subarray(0, length)).toString('hex');
  }

  /** The replies to requests whose task is over, as hex. */
  resume(): string[] {
    const replies: string[] = [];
    for (let length = this.dispatcher.resume(); length !== undefined; length = this.dispatcher.resume()) {
      if (length > 0)
        replies.push(Buffer.from(this.dispatcher.replyBytes.subarray(0, length)).toString('hex'));
    }
    return replies;
  }

  /** As `send`, where an earlier and longer request has left `filler` behind the bytes. */
  sendBefore(filler: number, bytes: Uint8Array): string {
    this.dispatcher.requestBytes.fill(filler, bytes.length, bytes.length + 512);
    return this.send(bytes);
  }

  /** What the kernel is told without having asked, as hex. */
  notices(): string[] {
    const notices: string[] = [];
    for (let length = this.dispatcher.notice(); length > 0; length = this.dispatcher.notice()) {
      notices.push(Buffer.from(this.dispatcher.replyBytes.subarray(0, length)).toString('hex'));
    }
    return notices;
  }

  /** What the filesystem was asked since the last time. */
  asked(): string[] {
    return this.filesystem.calls.splice(0);
  }
}

/** A reply: fuse_out_header and a body. */
export function reply(body: string, unique = UNIQUE): string {
  const bytes = Buffer.from(hex(body)).toString('hex');
  return le32(16 + bytes.length / 2) + le32(0) + le64(unique) + bytes;
}

export function failure(errno: number, unique = UNIQUE): string {
  return le32(16) + le32(-errno) + le64(unique);
}

/** fuse_attr as the filesystem of these tests fills it. */
export const ATTR = `
  0200000001000000     # ino 0x100000002
  8813000000000000     # size 5000
  1000000000000000     # blocks 16
  0100000000000000     # atime 1
  fdffffffffffffff     # mtime -3
  0500000001000000     # ctime 0x100000005
  02000000 04000000 06000000
  a4810000             # mode 0100644
  02000000             # nlink
  e8030000 64000000    # uid 1000, gid 100
  00000000             # rdev
  00100000             # blksize
  00000000             # flags
`;

/** fuse_entry_out: valid for 2^31-1 seconds. */
export function entryOut(node: number): string {
  return `
    ${le64(node)}
    0300000000000000     # generation 3
    ffffff7f00000000 ffffff7f00000000
    00000000 00000000
    ${ATTR}`;
}

/** fuse_attr_out. */
export function attrOut(attr = ATTR): string {
  return `ffffff7f00000000 00000000 00000000 ${attr}`;
}

/** fuse_open_out without a backing file. */
export function openOut(handle: number, flags: number): string {
  return `${le64(handle)} ${le32(flags)} 00000000`;
}
