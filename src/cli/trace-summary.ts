// The summary of a trace for people.

import type { SummaryJson } from '../mounts/summary.js';
import { countText, pathFields, quoteName, sizeText, tableText } from './output.js';

/** The same as an object of JSON. */
export function summaryJson({ slowest, ...summary }: SummaryJson): object {
  const named = slowest.map(({ path, ...slow }) => ({ ...slow, ...pathFields(path) }));
  return { ...summary, slowest: named };
}

/** Several lines; the last one has no end. */
export function summaryText(summary: SummaryJson): string {
  const { seconds, events, lost, requests, kinds, bytesCopied, bytesSaved, errors, slowest, kernel } =
    summary;
  const byTime = Object.entries(requests).toSorted(([, a], [, b]) => b.totalNs - a.totalNs);
  const counted = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${countText(count)} ${name}`)
      .join(', ');
  const lines = [
    `${countText(events)} events in ${seconds.toFixed(1)} s${lost > 0 ? `, ${countText(lost)} more were lost` : ''}`,
  ];
  if (byTime.length > 0) {
    const rows = byTime.map(([operation, { count, failed, totalNs, maxNs, bytes }]) => [
      operation,
      countText(count),
      failed === 0 ? '' : countText(failed),
      spanText(totalNs),
      spanText(totalNs / count),
      spanText(maxNs),
      bytes === 0 ? '' : sizeText(bytes),
    ]);
    lines.push(tableText(['REQUEST', 'COUNT', 'FAILED', 'TOTAL', 'MEAN', 'LONGEST', 'DATA'], rows).trimEnd());
  }
  if (Object.keys(kinds).length > 0) lines.push(`the union: ${counted(kinds)}`);
  if (bytesCopied + bytesSaved > 0)
    lines.push(`copy-up: ${sizeText(bytesCopied)} copied, ${sizeText(bytesSaved)} need not be`);
  if (Object.keys(errors).length > 0) lines.push(`refused: ${counted(errors)}`);
  for (const { operation, path, durationNs } of slowest)
    lines.push(`slow: ${spanText(durationNs)} ${operation} ${quoteName(path === '' ? '.' : path)}`);
  if (kernel.paths > 0) {
    const share = `${countText(kernel.namesKnown)} of ${countText(kernel.paths)}`;
    lines.push(`the kernel's cache: it knew the names of ${share} paths without asking`);
  }
  return lines.join('\n');
}

/** A span of time that is short as a rule: `12 us`, `3.1 ms`, `2.40 s`. */
export function spanText(ns: number): string {
  if (ns < 1e6) return `${(ns / 1e3).toFixed(ns < 1e4 ? 1 : 0)} us`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}
