// `mica content`: blobs by digest, and ingests on their way to become one.

import { createReadStream, existsSync } from 'node:fs';
import { parseDigest } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
import { labelText, parseLabels, several } from './labels.js';
import { agoText, sizeText } from './output.js';

interface PutWords {
  readonly ref?: string;
  readonly expected?: string;
  readonly size?: string;
  readonly label?: readonly string[];
}

interface GetWords {
  readonly output?: string;
}

export const declareContent: Declare = (command, act) => {
  command
    .command('ls')
    .description('list blobs')
    .action(
      act(async (context) => {
        const store = await context.store();
        const { output } = context;
        const blobs = [];
        for await (const blob of store.content.walk()) blobs.push(blob);
        if (output.json) return output.document(blobs);
        if (output.quiet) {
          for (const { digest } of blobs) output.line(digest);
          return;
        }
        output.table(
          ['DIGEST', 'SIZE', 'CREATED', 'LABELS'],
          blobs.map((blob) => [
            blob.digest,
            sizeText(blob.size),
            agoText(blob.created),
            labelText(blob.labels),
          ]),
        );
      }),
    );

  command
    .command('info')
    .description('what is known of a blob')
    .argument('<digest>')
    .action(
      act(async (context, digest: string) => {
        const store = await context.store();
        const info = await store.content.info(parseDigest(digest));
        if (context.output.json) return context.output.document(info);
        context.output.line(`digest   ${info.digest}`);
        context.output.line(`size     ${info.size}`);
        context.output.line(`created  ${info.created}`);
        context.output.line(`updated  ${info.updated}`);
        for (const [key, value] of Object.entries(info.labels))
          context.output.line(`label    ${key}=${value}`);
      }),
    );

  command
    .command('get')
    .description('write a blob to stdout')
    .argument('<digest>')
    .option('-o, --output <file>', 'into a file that does not exist yet')
    .action(
      act(async (context, digest: string, words: GetWords) => {
        const { pipeline } = await import('node:stream/promises');
        const { createWriteStream } = await import('node:fs');
        const store = await context.store();
        const blob = await store.content.open(parseDigest(digest));
        try {
          const out =
            words.output === undefined ? process.stdout : createWriteStream(words.output, { flags: 'wx' });
          await pipeline(blob.stream(), out, { signal: context.signal, end: words.output !== undefined });
        } finally {
          await blob.close();
        }
      }),
    );

  command
    .command('put')
    .description('take a blob in from a file or stdin; goes on where the same --ref ended')
    .argument('[file]', 'default: stdin')
    .option('--ref <name>', 'name of the ingest')
    .option('--expected <digest>', 'refuse other bytes')
    .option('--size <bytes>', 'refuse another size')
    .option('--label <key=value>', 'may be given several times', several)
    .action(act(put));

  command
    .command('label')
    .description('set labels; KEY= takes one away')
    .argument('<digest>')
    .argument('<labels...>', 'KEY=VALUE')
    .action(
      act(async (context, digest: string, words: readonly string[]) => {
        const store = await context.store();
        const { labels, paths } = parseLabels(words);
        const info = await store.content.update(parseDigest(digest), labels, paths);
        if (context.output.json) context.output.document(info);
        else context.output.line(labelText(info.labels));
      }),
    );

  command
    .command('rm')
    .description('remove this namespace’s names of blobs')
    .argument('<digests...>')
    .action(
      act(async (context, digests: readonly string[]) => {
        const store = await context.store();
        for (const digest of digests) {
          await store.content.delete(parseDigest(digest));
          if (!context.output.json) context.output.line(digest);
        }
        if (context.output.json) context.output.document(digests.map((digest) => ({ digest })));
      }),
    );

  command
    .command('ingests')
    .description('list what is on its way')
    .action(
      act(async (context) => {
        const store = await context.store();
        const { output } = context;
        const statuses = await store.content.statuses();
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
        const store = await context.store();
        for (const ref of refs) {
          await store.content.abort(ref);
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
  const isStdin = file === undefined || file === '-';
  if (!isStdin && !existsSync(file)) throw new StoreError('not-found', what, 'there is no such file');
  const store = await context.store();
  const ref = words.ref ?? `put-${process.pid}-${Date.now().toString(36)}`;
  const writer = await store.content.writer({
    ref,
    ...expected,
    ...(size.size === undefined ? {} : { total: size.size }),
  });
  let ended = false;
  try {
    const skip = writer.offset;
    const source: AsyncIterable<Uint8Array> = isStdin
      ? process.stdin
      : createReadStream(file, { start: skip });
    let stillToSkip = isStdin ? skip : 0;
    for await (const chunk of source) {
      if (context.signal.aborted) throw new StoreError('canceled', what, 'stopped on request');
      const part = chunk.subarray(Math.min(stillToSkip, chunk.length));
      stillToSkip -= chunk.length - part.length;
      await writer.write(part);
    }
    const info = await writer.commit({ ...expected, ...size, labels: parseLabels(words.label ?? []).labels });
    ended = true;
    if (context.output.json) context.output.document(info);
    else context.output.line(info.digest);
  } finally {
    if (!ended) await writer.close();
    // An ingest that nobody named cannot be gone on with. It is gone already where the blob was there before.
    if (!ended && words.ref === undefined) await store.content.abort(ref).catch(unlessAbsent);
  }
}

function unlessAbsent(error: unknown): void {
  if (!isKind(error, 'not-found')) throw error;
}

/** invalid-argument unless `text` is a whole number of bytes. */
function wholeNumber(text: string, option: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new StoreError('invalid-argument', `cannot use ${option} ${text}`, 'it is a whole number of bytes');
}
