// What the tests of the contract work on: an empty layer, made anew before each of them, and short words for it.

import { expect } from 'vitest';
import { Attr } from '../../../fs/filesystem.js';
import {
  LayerEntry,
  type LayerNode,
  type NewNode,
  type ReadLayer,
  type WriteLayer,
} from '../../../fs/layer/layer.js';
import { S_IFDIR, S_IFREG } from '../../../fs/mode.js';
import { type ByteString, fromBytes, toBytes } from '../../../fs/name.js';

/** One empty layer to write, in which root may do everything. */
export interface LayerUnderTest {
  readonly layer: WriteLayer;
  /** The same content as a layer to read; the writable one is closed or left alone. */
  asLower(): ReadLayer;
  /** Closes and opens the layer again; undefined where it does not outlive its opening. */
  reopen?(): WriteLayer;
  dispose(): void;
}

export interface LayerSuiteOptions {
  /** Owner of what the suite makes: only root can make objects of others. */
  readonly uid: number;
  readonly gid: number;
  /** Names of `trusted.` can be set. */
  readonly trusted: boolean;
  /** `asLower` shows the time of the last access; otherwise that of the last change of the data. */
  readonly keepsAtime?: boolean;
  /** The layer outlives its opening: there is a `reopen`. */
  readonly persistent?: boolean;
}

export const ODD_NAMES: readonly ByteString[] = [
  '\xff\xfe not UTF-8',
  'new\nline',
  'n'.repeat(255),
  ' ',
  '...',
  '-rf',
  '\x01\x7f',
  'e\xcc\x81',
  '.wh.plain',
];

export class TestedLayer {
  readonly options: LayerSuiteOptions;
  readonly owner: { readonly uid: number; readonly gid: number };
  under!: LayerUnderTest;
  layer!: WriteLayer;
  /** Released after the test. */
  readonly held: LayerNode[] = [];

  constructor(options: LayerSuiteOptions) {
    this.options = options;
    this.owner = { uid: options.uid, gid: options.gid };
  }

  begin(under: LayerUnderTest): void {
    this.under = under;
    this.layer = under.layer;
  }

  end(): void {
    for (const node of this.held.splice(0)) node.release();
    this.under.dispose();
  }

  file(mode = 0o644): NewNode {
    return { mode: S_IFREG | mode, ...this.owner };
  }

  folder(mode = 0o755): NewNode {
    return { mode: S_IFDIR | mode, ...this.owner };
  }

  look(dir: ByteString, name: ByteString, from: ReadLayer = this.layer): LayerEntry | undefined {
    const entry = new LayerEntry(new Attr());
    return from.lookup(dir, name, entry) ? entry : undefined;
  }

  /** What is in a folder, whiteouts with a `-` before them. */
  names(dir: ByteString, from: ReadLayer = this.layer): string[] {
    const seen: string[] = [];
    from.list(dir, (name, _type, _ino, whiteout) => seen.push(whiteout ? `-${name}` : name));
    return seen.sort();
  }

  hold(dir: ByteString, name: ByteString): ReturnType<WriteLayer['hold']> {
    const node = this.layer.hold(dir, name);
    this.held.push(node);
    return node;
  }

  put(dir: ByteString, name: ByteString, text: string): void {
    const open = this.layer.makeFile(dir, name, this.file());
    open.write(0, toBytes(text));
    open.close();
  }

  text(node: LayerNode): string {
    const open = node.open();
    const into = new Uint8Array(4096);
    const count = open.read(0, into);
    open.close();
    return fromBytes(into, 0, count);
  }

  textAt(dir: ByteString, name: ByteString): string {
    return this.text(this.hold(dir, name));
  }

  stat(node: LayerNode): LayerEntry {
    const entry = new LayerEntry(new Attr());
    node.stat(entry);
    return entry;
  }
}

/** What `toThrow` compares: an FsError of this errno. */
export function errno(value: number): object {
  return expect.objectContaining({ errno: value });
}
