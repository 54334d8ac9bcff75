// Tars for tests: collected entries of a byte stream, and archives that GNU tar makes.

import { execFileSync } from 'node:child_process';
import { LayerTarReader } from '../../../src/diff/layer-tar-reader.js';
import { TAR_END, tarHeader, tarPadding } from '../../../src/diff/layer-tar-writer.js';
import type { TarEntry } from '../../../src/diff/tar-entry.js';

export interface ReadEntry extends TarEntry {
  /** The content, holes filled with zeros. */
  readonly content: Buffer;
}

/** All entries of a tar that arrives in pieces of `step` bytes. */
export function readTar(tar: Uint8Array, step = tar.length || 1): ReadEntry[] {
  const entries: ReadEntry[] = [];
  let ended = 0;
  const reader = new LayerTarReader({
    entry: (entry) => entries.push({ ...entry, content: Buffer.alloc(entry.size) }),
    data: (offset, bytes) => entries.at(-1)!.content.set(bytes, offset),
    end: () => ended++,
  });
  for (let at = 0; at < tar.length; at += step) reader.push(tar.subarray(at, at + step));
  reader.finish();
  if (ended !== entries.length) throw new Error(`${entries.length} entries began, ${ended} ended`);
  return entries;
}

export type Draft = Partial<TarEntry> & { readonly path: string; readonly content?: string | Uint8Array };

export function draftEntry(draft: Draft): TarEntry {
  const { content = '', ...given } = draft;
  return {
    type: 'file',
    mode: given.type === 'folder' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size: content.length,
    mtime: { sec: 1_600_000_000, nsec: 0 },
    linkname: '',
    devmajor: 0,
    devminor: 0,
    xattrs: new Map(),
    ...given,
  };
}

/** A tar of these entries, written by the writer under test. */
export function writeTar(drafts: readonly Draft[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const draft of drafts) {
    const content = Buffer.from(draft.content ?? '');
    parts.push(tarHeader(draftEntry({ ...draft, content })), content, tarPadding(content.length));
  }
  return Buffer.concat([...parts, TAR_END]);
}

/** What GNU tar answers; its diagnostics go to the test's. */
export function gnuTar(args: readonly string[], input?: Uint8Array): Buffer {
  return execFileSync('tar', [...args], {
    maxBuffer: 1 << 28,
    ...(input === undefined ? {} : { input }),
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
}

/** Makes the checksum of the header at `at` right again. */
export function fixChecksum(tar: Buffer, at: number): void {
  tar.fill(0x20, at + 148, at + 156);
  const sum = tar.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
}
