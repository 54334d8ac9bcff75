// `mica gc`: removes what nothing needs, or says what that would be and why the rest stays.

import type { Garbage } from '../collect.js';
import type { Kept, Thing } from '../metadata/gc.js';
import type { Declare } from './commands.js';
import { type Output, sizeText } from './output.js';

interface Words {
  readonly dryRun?: boolean;
}

export const declareGc: Declare = (command, act) => {
  command
    .option('--dry-run', 'remove nothing: say what would go, and why the rest stays')
    .addHelpText('after', KEEPS)
    .action(
      act(async (context, words: Words) => {
        const { collectGarbage, previewGarbage } = await import('../collect.js');
        const store = await context.store();
        const { output } = context;
        if (words.dryRun === true) {
          const { goes, stays } = await previewGarbage(store);
          if (output.json) return output.document({ goes, stays, size: sumOf(goes) });
          showGarbage(output, goes, 'GOES');
          if (!output.quiet) showKept(output, stays);
          return output.note(`${summary(goes)} would go, ${things(stays)} would stay`);
        }
        const removed = await collectGarbage(store);
        if (output.json) return output.document({ removed, size: sumOf(removed) });
        showGarbage(output, removed, 'REMOVED');
        output.note(`${summary(removed)} removed`);
      }),
    );
};

const KEEPS = `
What stays: images, leases and containers, and all that they refer to; what was made by name (snapshot prepare, view
and commit, mount, run without --rm, content put), which has the label containerd.io/gc.root and goes by name; what is
mounted. Everything else goes, and partial blobs that nobody went on with for a day.`;

function showGarbage(output: Output, garbage: readonly Garbage[], head: string): void {
  if (output.quiet) {
    for (const { name } of garbage) output.line(name);
    return;
  }
  output.table(
    [head, 'NAMESPACE', 'NAME', 'SIZE'],
    garbage.map(({ kind, namespace, name, size }) => [kind, namespace, name, sizeText(size)]),
  );
}

function showKept(output: Output, stays: readonly Kept[]): void {
  output.table(
    ['STAYS', 'NAMESPACE', 'NAME', 'BECAUSE OF'],
    stays.map(({ kind, namespace, name, path }) => [
      kind,
      namespace,
      name,
      path.slice(0, -1).map(thingText).join(' > '),
    ]),
  );
}

function thingText({ kind, name }: Thing): string {
  if (kind === 'label' || kind === 'use') return name;
  return `${kind} ${name.replace(/^(sha256:.{12}).*$/, '$1')}`;
}

function summary(garbage: readonly Garbage[]): string {
  return `${things(garbage)} (${sizeText(sumOf(garbage))})`;
}

function things({ length }: readonly unknown[]): string {
  return length === 1 ? '1 thing' : `${length} things`;
}

function sumOf(garbage: readonly Garbage[]): number {
  return garbage.reduce((sum, { size }) => sum + size, 0);
}
