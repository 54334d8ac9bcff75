// `mica lease`: what garbage collection leaves alone, for as long as the lease is there.

import { StoreError } from '../errors.js';
import type { Labels } from '../labels.js';
import type { LeaseResource } from '../metadata/rows.js';
import type { Declare } from './commands.js';
import { labelText, parseLabels, several } from './labels.js';
import { agoText } from './output.js';

interface CreateWords {
  readonly expire?: string;
  readonly flat?: boolean;
  readonly label?: readonly string[];
}

interface ListWords {
  readonly filter?: readonly string[];
}

const RESOURCE = 'blob:DIGEST, snapshot:NAME, image:NAME or ingest:REF';

export const declareLease: Declare = (command, act) => {
  command
    .command('create')
    .description('make a lease')
    .argument('[id]', 'default: one is made up, and printed')
    .option('--expire <time>', 'holds nothing any more from then on: 90s, 30m, 24h, 7d, or a time (RFC 3339)')
    .option('--flat', 'holds what it names and not what that refers to; parents of snapshots all the same')
    .option('--label <key=value>', 'may be given several times', several)
    .action(
      act(async (context, id: string | undefined, words: CreateWords) => {
        const labels = await labelsOf(words);
        const { leases } = await context.parts();
        const row = await leases.create(id, labels);
        if (context.output.json) context.output.document({ ...row, resources: [] });
        else context.output.line(row.id);
      }),
    );

  command
    .command('ls')
    .description('list leases')
    .option('--filter <filter>', 'as containerd’s: id==ID,labels.KEY; of several one must match', several)
    .action(
      act(async (context, words: ListWords) => {
        const { leases: held } = await context.parts();
        const { output } = context;
        const rows = await held.list(words.filter);
        const leases = await Promise.all(
          rows.map(async (row) => ({ ...row, resources: await held.resources(row.id) })),
        );
        if (output.json) return output.document(leases);
        if (output.quiet) {
          for (const { id } of leases) output.line(id);
          return;
        }
        output.table(
          ['ID', 'CREATED', 'HOLDS', 'LABELS'],
          leases.map((row) => [
            row.id,
            agoText(row.created),
            String(row.resources.length),
            labelText(row.labels),
          ]),
        );
      }),
    );

  command
    .command('add')
    .description('let a lease hold more')
    .argument('<id>')
    .argument('<resources...>', RESOURCE)
    .action(
      act(async (context, id: string, words: readonly string[]) => {
        const { leases, snapshotter } = await context.parts();
        await leases.add(id, await resourcesOf(words, snapshotter));
        if (context.output.json) context.output.document({ id, resources: await leases.resources(id) });
        else context.output.line(id);
      }),
    );

  command
    .command('rm')
    .description('end a lease, or take resources out of it; then what nothing needs any more is removed')
    .argument('<id>')
    .argument('[resources...]', `${RESOURCE}; none: the lease itself ends`)
    .action(
      act(async (context, id: string, words: readonly string[]) => {
        const parts = await context.parts();
        const resources = await resourcesOf(words, parts.snapshotter);
        if (resources.length === 0) await parts.leases.remove(id);
        else await parts.leases.release(id, resources);
        await parts.collect();
        if (context.output.json) context.output.document({ id });
        else context.output.line(id);
      }),
    );
};

async function labelsOf({ expire, flat, label = [] }: CreateWords): Promise<Labels> {
  const { GC_EXPIRE, GC_FLAT } = await import('../metadata/leases.js');
  return {
    ...parseLabels(label).labels,
    ...(flat === true ? { [GC_FLAT]: 'true' } : {}),
    ...(expire === undefined ? {} : { [GC_EXPIRE]: await timeOf(expire) }),
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

async function timeOf(word: string): Promise<string> {
  const { msOfTime, timeOfNs } = await import('../time.js');
  if (msOfTime(word) !== undefined) return word;
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(word) ?? [];
  const unitMs = UNIT_MS[unit ?? ''];
  if (unitMs === undefined) {
    const why = 'it is neither a duration (24h) nor a time (2030-01-02T03:04:05Z)';
    throw new StoreError('invalid-argument', `cannot use --expire ${word}`, why);
  }
  return timeOfNs(BigInt(Date.now() + Number(count) * unitMs) * 1_000_000n);
}

async function resourcesOf(words: readonly string[], snapshotter: string): Promise<readonly LeaseResource[]> {
  const { parseDigest } = await import('../digest.js');
  return words.map((word) => {
    const colon = word.indexOf(':');
    const [kind, id] = [word.slice(0, colon), word.slice(colon + 1)];
    if (id !== '') {
      if (kind === 'blob') return { type: 'content', id: parseDigest(id) };
      if (kind === 'snapshot') return { type: `snapshots/${snapshotter}`, id };
      if (kind === 'image') return { type: 'images', id };
      if (kind === 'ingest') return { type: 'ingests', id };
    }
    throw new StoreError('invalid-argument', `cannot use resource ${word}`, `a resource is ${RESOURCE}`);
  });
}
