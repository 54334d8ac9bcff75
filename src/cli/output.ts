// What a command prints: results on stdout, everything else on stderr. Names are bytes and leave as bytes when
// stdout is a pipe or a file; on a terminal odd ones are quoted, so that no file name can move the cursor.

import { writeSync } from 'node:fs';
import { type ByteString, fromText, isUtf8, toBytes, toText } from '../../fs/index.js';

export { countText, sizeText } from '../web/amounts.js';

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
}

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Whether a person reads stdout. */
  readonly terminal: boolean = process.stdout.isTTY === true;
  /** Set by a progress display, so that a note does not land in its middle. */
  beforeNote: (() => void) | undefined;

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.quiet = options.quiet;
  }

  /** One line of results. */
  line(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** Lines of results, with one write: each takes as long as some lines do. */
  lines(texts: readonly string[]): void {
    if (texts.length > 0) process.stdout.write(`${texts.join('\n')}\n`);
  }

  /** Bytes of results as they are. */
  bytes(data: Uint8Array): void {
    process.stdout.write(data);
  }

  /** A line that ends with a name: quoted on a terminal, its bytes otherwise. `nul` ends it with NUL instead of a newline. */
  nameLine(prefix: string, name: ByteString, nul = false): void {
    const shown = this.terminal && !nul ? fromText(quoteName(name)) : name;
    process.stdout.write(toBytes(`${fromText(prefix)}${shown}${nul ? '\0' : '\n'}`));
  }

  /** One JSON document. */
  document(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value, undefined, this.terminal ? 2 : undefined)}\n`);
  }

  /** A table with a head line; no lines at all when there are no rows and nobody watches. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    if (rows.length === 0 && !this.terminal) return;
    process.stdout.write(tableText(head, rows));
  }

  /** A line on stderr, unless --quiet. */
  note(text: string): void {
    if (this.quiet) return;
    this.warn(text);
  }

  /** A line on stderr, always. */
  warn(text: string): void {
    this.beforeNote?.();
    process.stderr.write(`${text}\n`);
  }
}

/** Writes to stderr at once, for a process that is about to end. */
export function writeErrorNow(text: string): void {
  writeSync(2, text);
}

/** Columns as wide as their widest cell, two spaces apart, the last one ragged. */
export function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const text = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${text.join('\n')}\n`;
}

const CONTROL = /\p{Cc}/u;
const PLAIN = /^[\p{L}\p{N}\p{M}\p{S}._+,:@%/=~^-]+$/u;

/** A name as a shell would take it: plain if nothing in it is odd, else '…', or $'…' where bytes must be spelled. */
export function quoteName(name: ByteString): string {
  const text = toText(name);
  if (isUtf8(name) && !CONTROL.test(text)) {
    return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
  }
  let quoted = '';
  for (const byte of toBytes(name)) {
    if (byte === 0x0a) quoted += '\\n';
    else if (byte === 0x09) quoted += '\\t';
    else if (byte === 0x27 || byte === 0x5c) quoted += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) quoted += String.fromCharCode(byte);
    else quoted += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `$'${quoted}'`;
}

/** The fields of a path in JSON: `path`, and `pathBase64` where the bytes are not UTF-8. */
export function pathFields(path: ByteString): { path: string; pathBase64?: string } {
  if (isUtf8(path)) return { path: toText(path) };
  return { path: toText(path), pathBase64: Buffer.from(toBytes(path)).toString('base64') };
}

/** A duration for people, from milliseconds: `8 ms`, `1.4 s`, `2 min 5 s`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** A time of a file, RFC 3339 with nanoseconds; a number of seconds where no calendar goes. */
export function instantText(sec: number, nsec: number): string {
  const whole = new Date(sec * 1000);
  const fraction = String(nsec).padStart(9, '0');
  if (Number.isNaN(whole.getTime())) return `${sec}.${fraction}`;
  return `${whole.toISOString().slice(0, 19)}.${fraction}Z`;
}

/** A point in time for people: how long ago, in its largest unit. */
export function agoText(time: string, nowMs = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(time)) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}
