// Labels as they are typed: `KEY=VALUE` sets one, `KEY=` takes it away.

import { StoreError } from '../errors.js';
import type { Labels } from '../labels.js';

export interface LabelChange {
  readonly labels: Labels;
  /** Field paths as `updateLabels` takes them. */
  readonly paths: readonly string[];
}

export function parseLabels(words: readonly string[]): LabelChange {
  const labels: Record<string, string> = {};
  for (const word of words) {
    const equals = word.indexOf('=');
    if (equals < 1) {
      throw new StoreError(
        'invalid-argument',
        `cannot use label ${word}`,
        'a label is KEY=VALUE, and KEY= takes it away',
      );
    }
    labels[word.slice(0, equals)] = word.slice(equals + 1);
  }
  return { labels, paths: Object.keys(labels).map((key) => `labels.${key}`) };
}

/** Collects an option that may be given several times. */
export function several(word: string, before: readonly string[] = []): readonly string[] {
  return [...before, word];
}

export function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
