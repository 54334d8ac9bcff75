// `<id>/facts.json`: what the row of a snapshot says, beside its folder, for the day on which the metadata are lost. It is
// written after the row and never read otherwise, so it may be a step behind; `fsck` brings it up to the row.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isUnusable } from '../../fs/index.js';
import type { SnapshotRow } from '../metadata/rows.js';
import type { SnapshotFolders } from './folders.js';

export interface SnapshotNote {
  readonly namespace: string;
  readonly row: SnapshotRow;
}

const VERSION = 1;

/** `folder` is the snapshot's. Not synced: a loss of it loses no acknowledged change. */
export function writeNote(folder: string, note: SnapshotNote): void {
  const path = join(folder, 'facts.json');
  writeFileSync(`${path}.new`, `${JSON.stringify({ version: VERSION, ...note })}\n`, { mode: 0o644 });
  renameSync(`${path}.new`, path);
}

/**
 * As `writeNote` after a change that is done: what stands against the note, a full disk or another process that has
 * removed the snapshot meanwhile, is no failure of the change.
 */
export function noteRow(folders: SnapshotFolders, namespace: string, row: SnapshotRow): void {
  try {
    writeNote(folders.at(row.id), { namespace, row });
  } catch (error) {
    if (!isUnusable(error)) throw error;
  }
}

/** undefined if there is none, or none that can be read. */
export function readNote(folder: string): SnapshotNote | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, 'facts.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const note: unknown = JSON.parse(text);
    return isNote(note) ? { namespace: note.namespace, row: note.row } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isNote(value: unknown): value is SnapshotNote {
  if (!isObject(value)) return false;
  const { version, namespace, row } = value;
  if (version !== VERSION || typeof namespace !== 'string' || !isObject(row)) return false;
  const texts = [row['name'], row['id'], row['created'], row['updated']];
  const words = [row['kind'], row['form'], row['marks'], row['dialect']];
  return (
    [...texts, ...words].every((text) => typeof text === 'string' && text !== '') && isObject(row['labels'])
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
