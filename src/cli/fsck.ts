// `mica fsck`: whether the store is what it says, and `mica df`: how much room it takes.

import type { NamedSpace, Space } from '../check/disk.js';
import type { Problem } from '../check/report.js';
import type { Declare } from './commands.js';
import { EXIT } from './failure.js';
import { sizeText } from './output.js';

export const declareFsck: Declare = (command, act) => {
  command
    .option('--repair', 'do what loses nothing: make again what is derived, remove what nothing names')
    .option('--verify-content', 'read every blob and hold it against its digest')
    .action(
      act(async (context, words: { readonly repair?: boolean; readonly verifyContent?: boolean }) => {
        const { fsck } = await import('../check/fsck.js');
        const { root, state, namespace, driver } = context.settings;
        const result = await fsck(
          root,
          { state, namespace, driver },
          {
            repair: words.repair === true,
            verifyContent: words.verifyContent === true,
            signal: context.signal,
            onProgress: ({ phase, done, total }) => {
              if (done >= total) context.progress.done(phase);
              else context.progress.update(phase, phase.padEnd(8), done, total);
            },
          },
        );
        context.progress.clear();
        const { output } = context;
        context.exitCode = result.ok ? EXIT.done : EXIT.failed;
        if (output.json) return output.document(result);
        for (const problem of result.problems) {
          if (!output.quiet || (problem.level === 'error' && problem.repaired === undefined)) {
            output.line(problemText(problem));
          }
        }
        if (!output.quiet) output.line(result.ok ? 'the store is sound' : 'the store is damaged');
      }),
    );
};

function problemText({ part, namespace, name, why, repaired, hint, level }: Problem): string {
  const where = namespace === undefined || namespace === 'default' ? '' : ` (${namespace})`;
  const done = repaired !== undefined ? `; ${repaired}` : hint !== undefined ? `\n  hint: ${hint}` : '';
  return `${level === 'error' ? 'damaged' : 'note'}: ${part} ${name}${where}: ${why}${done}`;
}

export const declareDf: Declare = (command, act) => {
  command.action(
    act(async (context) => {
      const { diskUsage } = await import('../check/disk.js');
      const store = await context.store();
      const usage = await diskUsage(store, Date.now());
      const { output } = context;
      if (output.json) return output.document(usage);
      const heads = ['LOGICAL', 'SHARED', 'UNIQUE', 'RECLAIMABLE'];
      const all = usage.namespaces.length > 1;
      const named = ({ namespace, name }: NamedSpace) => (all ? `${namespace}/${name}` : name);
      output.table(
        ['IMAGE', ...heads],
        usage.images.map((one) => [named(one), ...cells(one)]),
      );
      output.table(
        ['SNAPSHOT', ...heads],
        usage.snapshots.map((one) => [named(one), ...cells(one)]),
      );
      output.table(
        ['NAMESPACE', ...heads],
        usage.namespaces.map((one) => [one.name, ...cells(one)]),
      );
      output.table(
        ['STORE', 'SIZE'],
        Object.entries(usage.store).map(([name, size]) => [name, sizeText(size)]),
      );
    }),
  );
};

function cells({ logical, shared, unique, reclaimable }: Space): readonly string[] {
  return [logical, shared, unique, reclaimable].map(sizeText);
}
