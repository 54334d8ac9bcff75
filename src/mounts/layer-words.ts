// A list of layers as overlayfs's `lowerdir=` has it: topmost first, separated by colons, `\\:` is a colon in a name. After
// `::` stand layers of data alone: no name of theirs is shown, and files without data take theirs from there.

import { StoreError } from '../errors.js';

export interface LayerPaths {
  /** Topmost first, as they were written: with their escapes. */
  readonly lowers: readonly string[];
  /** The layers of data alone. */
  readonly data: readonly string[];
}

/**
 * Takes a list apart; stray colons at its ends mean nothing. invalid-argument, naming `word`, for an order that
 * overlayfs refuses too: nothing but layers of data follows the first of them, and one layer stands before.
 */
export function splitLayers(word: string, text: string): LayerPaths {
  const wrong = (why: string) => new StoreError('invalid-argument', `cannot use ${word}`, why);
  const parts = splitUnescaped(text, ':');
  if (parts[0] === '') parts.shift();
  if (parts.at(-1) === '') parts.pop();
  const lowers: string[] = [];
  const data: string[] = [];
  let alone = false;
  for (const part of parts) {
    if (part === '') {
      if (alone || lowers.length === 0) throw wrong('a layer has no name: layers of data alone are a::b::c');
      alone = true;
      continue;
    }
    if (!alone && data.length > 0)
      throw wrong(`${part} follows layers of data alone, so it is one: write ::${part}`);
    (alone ? data : lowers).push(part);
    alone = false;
  }
  if (alone) throw wrong('a layer of data alone has no name');
  return { lowers, data };
}

/** A list of layers that goes on below another one, which stands before it. */
export function joinLayers(below: string, above?: string): string {
  return above === undefined ? below : `${above}:${below}`;
}

/** Parts of a text; a backslash takes the meaning from whatever follows it, and both stay. */
export function splitUnescaped(text: string, separator: string): string[] {
  const parts = [''];
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (char === '\\' && at + 1 < text.length) {
      parts.push(`${parts.pop() ?? ''}${char}${text[++at] ?? ''}`);
    } else if (char === separator) parts.push('');
    else parts.push(`${parts.pop() ?? ''}${char}`);
  }
  return parts;
}
