// The transport over fuse-native: enough of a filesystem to read, write, copy up and white out.

import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { beforeEach, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { eachWithMount, type Scratch, type Served } from './mounted.js';

describeWith(['root', 'fuse', 'fuse-native'], 'a mount over fuse-native', () => {
  let scratch: Scratch;
  let mnt: string;
  let served: Served;
  const at = eachWithMount((made) => {
    scratch = made;
    mnt = scratch.at('mnt');
    writeFileSync(scratch.at('lower/file'), 'lower\n');
    mkdirSync(scratch.at('lower/folder'));
    writeFileSync(scratch.at('lower/folder/inner'), 'inner\n');
  });
  beforeEach(async () => {
    served = await at.serve({ transport: 'fuse-native' });
  });

  it('reads lowers, copies up what is written, and whites out what is removed', async () => {
    expect(readdirSync(mnt).sort()).toEqual(['file', 'folder']);
    expect(readFileSync(`${mnt}/folder/inner`, 'utf8')).toBe('inner\n');
    appendFileSync(`${mnt}/file`, 'more\n');
    rmSync(`${mnt}/folder/inner`);
    expect(readFileSync(`${mnt}/file`, 'utf8')).toBe('lower\nmore\n');
    expect(readFileSync(scratch.at('upper/file'), 'utf8')).toBe('lower\nmore\n');
    expect(readFileSync(scratch.at('lower/file'), 'utf8')).toBe('lower\n');
    expect(lstatSync(scratch.at('upper/folder/inner')).isCharacterDevice()).toBe(true);
    expect(readdirSync(`${mnt}/folder`)).toEqual([]);
  });

  it('makes, moves and changes files of every common kind', () => {
    mkdirSync(`${mnt}/new`, { mode: 0o700 });
    writeFileSync(`${mnt}/new/data`, Buffer.alloc(300_000, 7));
    symlinkSync('data', `${mnt}/new/link`);
    renameSync(`${mnt}/new`, `${mnt}/moved`);
    truncateSync(`${mnt}/moved/data`, 5);
    chmodSync(`${mnt}/moved/data`, 0o640);
    expect(readlinkSync(`${mnt}/moved/link`)).toBe('data');
    expect(readFileSync(`${mnt}/moved/link`)).toEqual(Buffer.alloc(5, 7));
    expect(statSync(`${mnt}/moved/data`).mode & 0o7777).toBe(0o640);
    expect(() => readFileSync(`${mnt}/none`)).toThrow(/ENOENT/);
    expect(() => rmSync(`${mnt}/moved/none`)).toThrow(/ENOENT/);
    scratch.sh('setfattr -n user.x -v y mnt/moved/data; getfattr --only-values -n user.x mnt/moved/data');
  });

  it('answers control requests, and ends when it is told to', async () => {
    expect(await served.ask({ op: 'status' })).toMatchObject({ transport: 'fuse-native', target: mnt });
    served.process.stdin?.write('{"op":"stop"}\n');
    expect(await served.line()).toEqual({});
    expect(await served.line()).toEqual({ ended: 'unmounted' });
    expect(await served.exit).toBe(0);
    expect(readdirSync(mnt)).toEqual([]);
  });

  it('ends when somebody else unmounts it', async () => {
    scratch.sh('umount mnt');
    expect(await served.line()).toEqual({ ended: 'unmounted' });
    expect(await served.exit).toBe(0);
  });
});
