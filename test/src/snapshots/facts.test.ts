// The note beside a snapshot's folder, from which a lost row is made again.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SnapshotRow } from '../../../src/metadata/rows.js';
import { noteRow, readNote } from '../../../src/snapshots/facts.js';
import { SnapshotFolders } from '../../../src/snapshots/folders.js';

const ROW: SnapshotRow = {
  name: 'a name',
  id: '7',
  parent: 'below',
  kind: 'committed',
  form: 'diff',
  marks: 'user',
  dialect: 'overlay',
  created: '2026-01-01T00:00:00.000000001Z',
  updated: '2026-01-01T00:00:00.000000002Z',
  labels: { key: 'välue' },
  size: 1,
  inodes: 2,
};

describe('the note of a snapshot', () => {
  let base: string;
  let folders: SnapshotFolders;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'mica-facts-'));
    folders = new SnapshotFolders(base);
    mkdirSync(folders.at('7'));
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  it('is the row, to the letter', () => {
    noteRow(folders, 'ns', ROW);
    expect(readNote(folders.at('7'))).toEqual({ namespace: 'ns', row: ROW });
    expect(readFileSync(join(folders.at('7'), 'facts.json'), 'utf8')).toMatch(/^\{"version":1,.*\}\n$/);
  });

  it.each([
    ['nothing', ''],
    ['half of it', '{"version":1,"namesp'],
    ['another version', JSON.stringify({ version: 2, namespace: 'ns', row: ROW })],
    ['a row without an id', JSON.stringify({ version: 1, namespace: 'ns', row: { ...ROW, id: undefined } })],
    ['null', 'null'],
  ])('is none where it holds %s', (_, text) => {
    writeFileSync(join(folders.at('7'), 'facts.json'), text);
    expect(readNote(folders.at('7'))).toBeUndefined();
  });

  it('is no failure of what was done where it cannot be written', () => {
    rmSync(folders.at('7'), { recursive: true });
    noteRow(folders, 'ns', ROW);
    expect(readNote(folders.at('7'))).toBeUndefined();
    writeFileSync(folders.at('7'), 'a file');
    noteRow(folders, 'ns', ROW);
  });
});
