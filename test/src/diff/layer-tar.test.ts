import { createHash } from 'node:crypto';
import fc from 'fast-check';
import tarStream from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { LayerTarReader } from '../../../src/diff/layer-tar-reader.js';
import { tarHeader } from '../../../src/diff/layer-tar-writer.js';
import { formatPaxRecord, formatPaxTime, parsePaxTime } from '../../../src/diff/tar-pax.js';
import { StoreError } from '../../../src/errors.js';
import { type Draft, draftEntry, fixChecksum, readTar, writeTar } from './tar-tools.js';

describe('what other writers do', () => {
  test('LIBARCHIVE.xattr is base64 under a URL-encoded name', () => {
    const record = formatPaxRecord('LIBARCHIVE.xattr.user.%e4%3d', Buffer.from('AP8'));
    expect(readTar(withPax('f', record))[0]!.xattrs).toEqual(
      new Map([['user.\xe4=', Uint8Array.of(0, 0xff)]]),
    );
  });

  test('a name with a trailing slash is a folder whatever its type says', () => {
    const tar = writeTar([{ path: 'old/', type: 'file' }]);
    expect(readTar(tar)[0]).toMatchObject({ path: 'old', type: 'folder' });
  });

  test('a checksum summed over signed characters is accepted', () => {
    const tar = writeTar([{ path: '\xff\xfe' }]);
    const sum = Number.parseInt(tar.toString('latin1', 148, 154), 8);
    tar.write((sum - 512).toString(8).padStart(6, '0'), 148, 'latin1');
    expect(readTar(tar)[0]!.path).toBe('\xff\xfe');
  });

  test('global headers change nothing', () => {
    const record = formatPaxRecord('path', Buffer.from('elsewhere'));
    expect(readTar(withPax('f', record, 'g'))[0]!.path).toBe('f');
  });

  test('an empty PAX value leaves the field of the header in force', () => {
    expect(readTar(withPax('f', formatPaxRecord('path', Buffer.alloc(0))))[0]!.path).toBe('f');
  });

  test('PAX size frames the data, not the field of the header', () => {
    const body = Buffer.from('0123456789');
    const parts = withPax('f', formatPaxRecord('size', Buffer.from('10')));
    const tar = Buffer.concat([parts.subarray(0, -1024), body, Buffer.alloc(502), writeTar([{ path: 'g' }])]);
    const entries = readTar(tar);
    expect(entries.map(({ path }) => path)).toEqual(['f', 'g']);
    expect(entries[0]!.content.toString()).toBe('0123456789');
  });

  test('links and folders that name a size have no data', () => {
    for (const flag of ['1', '2', '5']) {
      const tar = writeTar([{ path: 'x', linkname: 'y' }, { path: 'z' }]);
      tar.write('00000000007', 124, 'latin1');
      tar.write(flag, 156, 'latin1');
      fixChecksum(tar, 0);
      expect(readTar(tar).map(({ path, size }) => [path, size])).toEqual([
        ['x', 0],
        ['z', 0],
      ]);
    }
  });
});

/** A tar of one empty file with PAX records before it. */
function withPax(path: string, records: Uint8Array, flag = 'x'): Buffer {
  const header = Buffer.from(tarHeader(draftEntry({ path: 'PaxHeaders/x', content: records })));
  header.write(flag, 156, 'latin1');
  fixChecksum(header, 0);
  const padding = Buffer.alloc((512 - (records.length % 512)) % 512);
  return Buffer.concat([header, records, padding, writeTar([{ path }])]);
}

test('data that nobody wants is passed over, wherever it was stopped at', () => {
  const tar = writeTar([
    { path: 'a', content: 'x'.repeat(2000) },
    { path: 'b' },
    { path: 'c', content: 'y'.repeat(512) },
    { path: 'd', content: 'z' },
  ]);
  for (const step of [1, 512, 700, 1024, 4096]) {
    const seen: string[] = [];
    const reader = new LayerTarReader({
      entry: ({ path }) => seen.push(path),
      data: () => undefined,
      end: () => seen.push('end'),
    });
    for (let at = 0; at < tar.length; ) {
      const piece = tar.subarray(at, at + step);
      reader.push(piece);
      at += piece.length + reader.skip();
    }
    reader.finish();
    expect(seen).toEqual(['a', 'end', 'b', 'end', 'c', 'end', 'd', 'end']);
  }
});

describe('damage', () => {
  const corrupt = (tar: Uint8Array) => {
    try {
      readTar(tar);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      return [error.kind, error.why];
    }
    return 'read without complaint';
  };

  test('every cut inside an entry is noticed', () => {
    const tar = writeTar([{ path: 'a', content: 'x'.repeat(600) }]);
    for (const cut of [1, 511, 512, 513, 1100, 1112, 1535]) {
      expect(corrupt(tar.subarray(0, cut))).toEqual(['corrupt', `the archive is cut short (at byte ${cut})`]);
    }
    expect(corrupt(tar.subarray(0, 1536))).toBe('read without complaint');
  });

  test('a changed header names its offset', () => {
    const tar = writeTar([{ path: 'a', content: 'x' }, { path: 'b' }]);
    tar[1024] = 0x63;
    expect(corrupt(tar)).toEqual(['corrupt', 'the checksum of a header does not match (at byte 1024)']);
  });

  test('something other than a tar', () => {
    expect(corrupt(createHash('sha512').update('x').digest().subarray(0, 1).fill(7))[0]).toBe('corrupt');
    expect(corrupt(Buffer.alloc(1024, 'text'))[0]).toBe('corrupt');
  });

  test('an extended header beyond the limit is not read into memory', () => {
    const header = Buffer.from(tarHeader(draftEntry({ path: 'x', size: 2 ** 31 })));
    header.write('x', 156, 'latin1');
    fixChecksum(header, 0);
    expect(corrupt(header)[0]).toBe('corrupt');
  });

  test('an unknown type is not guessed at', () => {
    const tar = writeTar([{ path: 'x' }]);
    tar.write('M', 156, 'latin1');
    fixChecksum(tar, 0);
    expect(corrupt(tar)[0]).toBe('unsupported');
  });

  test.each([
    ['a length beyond the header', Buffer.from('99 a=b\n')],
    ['a length too short for a key', Buffer.from('3 a=b\n')],
    ['no key', Buffer.from('6 =bb\n')],
    ['no newline', Buffer.from('6 a=b_')],
    ['no digits', Buffer.from('x a=b\n')],
    ['a size that is none', formatPaxRecord('size', Buffer.from('-1'))],
    ['a time that is none', formatPaxRecord('mtime', Buffer.from('yesterday'))],
    ['a NUL in a name', formatPaxRecord('path', Buffer.from('a\0b'))],
  ])('PAX records with %s', (_, records) => {
    expect(corrupt(withPax('f', records))[0]).toBe('corrupt');
  });

  test.each([
    ['overlapping', '0,10,5,10'],
    ['descending', '10,5,0,5'],
    ['beyond the size', '0,10,90,20'],
    ['odd', '0,10,20'],
    ['other than the data', '0,10'],
  ])('a sparse map that is %s', (_, map) => {
    const records = Buffer.concat([
      formatPaxRecord('GNU.sparse.size', Buffer.from('100')),
      formatPaxRecord('GNU.sparse.map', Buffer.from(map)),
    ]);
    expect(corrupt(withPax('f', records))[0]).toBe('corrupt');
  });
});

describe('writing', () => {
  const bytes = (max: number) =>
    fc
      .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: max })
      .map((codes) => String.fromCharCode(...codes).replaceAll('/', '_'));
  const anyEntry = fc.record({
    path: fc.array(bytes(60), { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/')),
    type: fc.constantFrom('file', 'folder', 'symlink', 'link', 'char', 'fifo'),
    mode: fc.nat(0o7777),
    uid: fc.oneof(fc.nat(0o7777777), fc.integer({ min: 2_097_151, max: 4_294_967_295 })),
    gid: fc.nat(0o7777777),
    mtime: fc.record({
      sec: fc.integer({ min: -5e9, max: 2 ** 34 }),
      nsec: fc.oneof(fc.constant(0), fc.nat(999_999_999)),
    }),
    linkname: fc.oneof(bytes(50), bytes(300)),
    content: fc.uint8Array({ maxLength: 1500 }),
    xattrs: fc
      .array(fc.tuple(bytes(20), fc.uint8Array({ maxLength: 700 })), { maxLength: 3 })
      .map((pairs) => new Map(pairs.filter(([, value]) => value.length > 0))),
  });

  test('the reader gets back what the writer was given, in chunks of any size', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 5 }), fc.integer({ min: 1, max: 3000 }), (drafts, step) => {
        const given = drafts.map((draft) => {
          const { type } = draft;
          const content = type === 'file' ? Buffer.from(draft.content) : Buffer.alloc(0);
          const linkname = type === 'symlink' || type === 'link' ? draft.linkname : '';
          const device = type === 'char' ? { devmajor: 4, devminor: 70_000 } : {};
          const entry = draftEntry({ ...(draft as Draft), linkname, content, ...device });
          return { ...entry, content };
        });
        const found = readTar(writeTar(given), step);
        expect(found.map((entry) => ({ ...entry, content: [...entry.content] }))).toEqual(
          given.map((entry) => ({ ...entry, content: [...entry.content] })),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('tar-stream reads ordinary entries the same way', async () => {
    const drafts: Draft[] = [
      { path: 'd', type: 'folder' },
      { path: 'd/file', content: 'hello', uid: 1000, gid: 100 },
      { path: `d/${'n'.repeat(150)}/${'m'.repeat(150)}`, content: 'x'.repeat(2000) },
      { path: 'd/ü'.normalize(), type: 'symlink', linkname: 'file' },
      { path: 'd/null', type: 'char', devmajor: 1, devminor: 3 },
    ].map((draft) => ({ ...draft, path: Buffer.from(draft.path).toString('latin1') })) as Draft[];
    const extract = tarStream.extract();
    extract.end(writeTar(drafts));
    const seen: unknown[] = [];
    for await (const entry of extract) {
      const { name, type, mode, uid, gid, linkname, devmajor, devminor } = entry.header;
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      seen.push({
        name,
        type,
        mode,
        uid,
        gid,
        linkname,
        devmajor,
        devminor,
        size: Buffer.concat(chunks).length,
      });
    }
    expect(seen).toMatchInlineSnapshot(`
      [
        {
          "devmajor": 0,
          "devminor": 0,
          "gid": 0,
          "linkname": null,
          "mode": 493,
          "name": "d/",
          "size": 0,
          "type": "directory",
          "uid": 0,
        },
        {
          "devmajor": 0,
          "devminor": 0,
          "gid": 100,
          "linkname": null,
          "mode": 420,
          "name": "d/file",
          "size": 5,
          "type": "file",
          "uid": 1000,
        },
        {
          "devmajor": 0,
          "devminor": 0,
          "gid": 0,
          "linkname": null,
          "mode": 420,
          "name": "d/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn/mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm",
          "size": 2000,
          "type": "file",
          "uid": 0,
        },
        {
          "devmajor": 0,
          "devminor": 0,
          "gid": 0,
          "linkname": "file",
          "mode": 420,
          "name": "d/ü",
          "size": 0,
          "type": "symlink",
          "uid": 0,
        },
        {
          "devmajor": 1,
          "devminor": 3,
          "gid": 0,
          "linkname": null,
          "mode": 420,
          "name": "d/null",
          "size": 0,
          "type": "character-device",
          "uid": 0,
        },
      ]
    `);
  });

  test('tar-stream writes, we read', async () => {
    const pack = tarStream.pack();
    pack.entry({ name: 'dir', type: 'directory', mode: 0o711 });
    pack.entry({ name: 'dir/ü'.padEnd(200, 'y'), uid: 5, gid: 6, mtime: new Date(1e12) }, 'content');
    pack.entry({ name: 'dir/l', type: 'symlink', linkname: 'z'.repeat(150) });
    pack.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of pack) chunks.push(chunk as Buffer);
    const [folder, file, link] = readTar(Buffer.concat(chunks));
    expect(folder).toMatchObject({ path: 'dir', type: 'folder', mode: 0o711 });
    expect(Buffer.from(file!.path, 'latin1').toString()).toBe('dir/ü'.padEnd(200, 'y'));
    expect(file).toMatchObject({ uid: 5, gid: 6, mtime: { sec: 1e9, nsec: 0 } });
    expect(file!.content.toString()).toBe('content');
    expect(link).toMatchObject({ type: 'symlink', linkname: 'z'.repeat(150) });
  });

  test('the same entries are the same bytes', () => {
    const header = tarHeader(
      draftEntry({
        path: 'a'.repeat(101),
        mtime: { sec: 1, nsec: 500_000_000 },
        uid: 3_000_000_000,
        xattrs: new Map([
          ['user.b', Buffer.from('2')],
          ['user.a', Buffer.from('1')],
        ]),
      }),
    );
    expect(Buffer.from(header).toString('latin1', 512, 1024).replace(/\0+$/, '')).toBe(
      `25 SCHILY.xattr.user.a=1\n25 SCHILY.xattr.user.b=2\n13 mtime=1.5\n111 path=${'a'.repeat(101)}\n18 uid=3000000000\n`,
    );
    expect(header.length).toBe(1536);
  });
});

test('times of PAX records read as they were written', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e11, max: 1e11 }), fc.nat(999_999_999), (sec, nsec) => {
      expect(parsePaxTime(formatPaxTime({ sec, nsec }))).toEqual({ sec, nsec });
    }),
  );
  expect(parsePaxTime('-0.5')).toEqual({ sec: -1, nsec: 500_000_000 });
  expect(parsePaxTime('1.1234567899')).toEqual({ sec: 1, nsec: 123_456_789 });
});

test('a reader that was told it is done takes no more', () => {
  const seen: string[] = [];
  const reader = new LayerTarReader({
    entry: ({ path }) => seen.push(path),
    data: () => seen.push('data'),
    end: () => seen.push('end'),
  });
  reader.push(Buffer.concat([writeTar([{ path: 'a' }]), Buffer.from('rubbish after the end')]));
  reader.finish();
  expect(reader.done).toBe(true);
  expect(seen).toEqual(['a', 'end']);
});
