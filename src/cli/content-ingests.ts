// `mica content put`, `ingests`, `abort`: blobs on their way. What `put` leaves under a `--ref` is gone on with by the next.

import { createReadStream, statSync } from 'node:fs';
import type { ContentWriter } from '../content/content.js';
import { parseDigest } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import { rootLabels } from '../labels.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
import { parseLabels, several } from './labels.js';
import { wholeNumber } from './numbers.js';
import { agoText, sizeText } from './output.js';

/** How much of a file is read at a time: a server answers each piece. */
const PIECE = 1 << 20;

interface PutWords {
  readonly ref?: string;
  readonly expected?: string;
  readonly size?: string;
  readonly offset?: string;
  readonly label?: readonly string[];
}

interface ListWords {
  readonly filter?: readonly string[];
}

export const declareIngests: Declare = (command, act) => {
  command
    .command('put')
    .description('take a blob in from a file or stdin; goes on where the same --ref ended')
    .argument('[file]', 'default: stdin')
    .option('--ref <name>', 'name of the ingest')
    .option('--expected <digest>', 'refuse other bytes')
    .option('--size <bytes>', 'refuse another size')
    .option('--offset <bytes>', 'what comes is the blob from there on: where the --ref ended, or 0')
    .option('--label <key=value>', 'may be given several times', several)
    .action(act(put));

  command
    .command('ingests')
    .description('list what is on its way')
    .option('--filter <filter>', 'as containerd’s: ref~=^import-; of several one must match', several)
    .action(
      act(async (context, words: ListWords) => {
        const { content } = await context.parts();
        const { output } = context;
        const statuses = await content.statuses(words.filter);
        if (output.json) return output.document(statuses);
        if (output.quiet) {
          for (const { ref } of statuses) output.line(ref);
          return;
        }
        output.table(
          ['REF', 'RECEIVED', 'TOTAL', 'UPDATED'],
          statuses.map(({ ref, offset, total, updatedAt }) => [
            ref,
            sizeText(offset),
            total === 0 ? 'unknown' : sizeText(total),
            agoText(updatedAt),
          ]),
        );
      }),
    );

  command
    .command('abort')
    .description('remove ingests')
    .argument('<refs...>')
    .action(
      act(async (context, refs: readonly string[]) => {
        const { content } = await context.parts();
        for (const ref of refs) {
          await content.abort(ref);
          if (!context.output.json) context.output.line(ref);
        }
        if (context.output.json) context.output.document(refs.map((ref) => ({ ref })));
      }),
    );
};

async function put(context: Context, file: string | undefined, words: PutWords): Promise<void> {
  const what = `cannot put ${file ?? 'stdin'}`;
  const expected = words.expected === undefined ? {} : { expected: parseDigest(words.expected) };
  const size = words.size === undefined ? {} : { size: wholeNumber(words.size, '--size') };
  const offset = words.offset === undefined ? undefined : wholeNumber(words.offset, '--offset');
  const labels = { ...rootLabels(), ...parseLabels(words.label ?? []).labels };
  const isStdin = file === undefined || file === '-';
  const found = isStdin ? undefined : statSync(file, { throwIfNoEntry: false });
  if (!isStdin && found === undefined) throw new StoreError('not-found', what, 'there is no such file');
  if (found?.isDirectory()) throw new StoreError('invalid-argument', what, 'it is a folder');
  const { content } = await context.parts();
  const ref = words.ref ?? `put-${process.pid}-${Date.now().toString(36)}`;
  const writer = await content.writer({
    ref,
    ...expected,
    ...(size.size === undefined ? {} : { total: size.size }),
  });
  let ended = false;
  try {
    const skip = await bytesToSkip(writer, offset);
    const source: AsyncIterable<Uint8Array> = isStdin
      ? process.stdin
      : createReadStream(file, { start: skip, highWaterMark: PIECE });
    let stillToSkip = isStdin ? skip : 0;
    for await (const chunk of source) {
      if (context.signal.aborted) throw new StoreError('canceled', what, 'stopped on request');
      const part = chunk.subarray(Math.min(stillToSkip, chunk.length));
      stillToSkip -= chunk.length - part.length;
      await writer.write(part);
    }
    const info = await writer.commit({ ...expected, ...size, labels });
    ended = true;
    if (context.output.json) context.output.document(info);
    else context.output.line(info.digest);
  } finally {
    if (!ended) await writer.close();
    // An ingest that nobody named cannot be gone on with. It is gone already where the blob was there before.
    if (!ended && words.ref === undefined) await content.abort(ref).catch(unlessAbsent);
  }
}

/** How much of what comes the ingest has already: all that it has, unless what comes begins at an offset of the blob. */
async function bytesToSkip(writer: ContentWriter, offset: number | undefined): Promise<number> {
  if (offset === undefined) return writer.offset;
  const { goOnAt } = await import('../content/row-content.js');
  await goOnAt(writer, offset);
  return 0;
}

function unlessAbsent(error: unknown): void {
  if (!isKind(error, 'not-found')) throw error;
}
