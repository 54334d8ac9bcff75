// The door of `mica`: words in, exit code out. Every way to end passes here: a result, an error (one line, one
// exit code), a signal (what is under way is undone first) and a reader of stdout who went away.

import { Command, CommanderError } from 'commander';
import type { Act } from './commands.js';
import type { Context } from './context.js';
import { type EndingSignal, failureOf, failureText } from './failure.js';
import { addCommands, newProgram, typedCommands, wordsError } from './program.js';
import { readSettings, type Settings } from './settings.js';
import { assertUtf8 } from './typed-words.js';
import { checkWithout } from './without.js';

const SIGNALS: readonly EndingSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Runs the command that `argv` (without program name) describes and sets `process.exitCode`. Never rejects. */
export async function main(argv: readonly string[]): Promise<void> {
  const ending = new AbortController();
  let received: EndingSignal | undefined;
  let context: Context | undefined;
  const onSignal = (signal: EndingSignal): void => {
    if (context?.hasSignals === true) return;
    // The second one is for a person who will not wait for the clean end.
    if (received !== undefined) process.exit(failureOf(undefined, signal).code);
    received = signal;
    ending.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  let settings: Settings | undefined;
  const whatFailed = watchOutput(ending, () => settings ?? fallback(argv));
  const act: Act =
    (work) =>
    async (...words) => {
      settings = readSettings(typedOptions(words) ?? program.opts());
      await checkWithout();
      const { Context } = await import('./context.js');
      context = new Context(settings, ending.signal);
      try {
        await work(context, ...words);
        process.exitCode = context.exitCode;
      } finally {
        await context.close();
      }
      // Work that did not notice a signal has ended all the same, and its caller is told so.
      ending.signal.throwIfAborted();
    };

  const program = newProgram();
  try {
    await assertUtf8(argv);
    const typed = typedCommands(newProgram(), argv);
    await addCommands(program, (name) => typed.includes(name), act);
    if (asksForVersion(program, argv)) {
      await printVersion(program.opts()['json'] === true);
    } else {
      await program.parseAsync([...argv], { from: 'user' });
    }
  } catch (error) {
    const code = whatFailed();
    if (code !== undefined) {
      process.exitCode = code;
      return;
    }
    const cause = error instanceof CommanderError ? wordsError(error, program, argv) : error;
    if (cause === undefined) return;
    report(cause, received, settings ?? fallback(argv));
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

/** All options that were typed, before and after the name of the command that commander hands over last. */
function typedOptions(words: readonly unknown[]): object | undefined {
  const last = words.at(-1);
  return last instanceof Command ? last.optsWithGlobals() : undefined;
}

function report(
  error: unknown,
  signal: EndingSignal | undefined,
  how: { json: boolean; debug: boolean },
): void {
  const failure = failureOf(error, signal);
  process.exitCode = failure.code;
  process.stderr.write(failureText(failure, how.json));
  for (let cause = error; how.debug && cause instanceof Error; cause = cause.cause) {
    process.stderr.write(`${cause.stack ?? cause.message}\n`);
  }
}

/** How to report before the settings are known: the words as they stand. */
function fallback(argv: readonly string[]): { json: boolean; debug: boolean } {
  return { json: argv.includes('--json'), debug: argv.includes('--debug') };
}

/**
 * Who cannot write what there is to say is ended, and so is work still under way. `mica ls … | head`: the reader has what it
 * wanted, nobody is to hear of it, and the exit code is the shell's for SIGPIPE. A full disk below `mica ls > list` is told.
 * Returns what says whether that happened: the exit code.
 */
function watchOutput(
  ending: AbortController,
  how: () => { readonly json: boolean },
): () => number | undefined {
  let code: number | undefined;
  const end = (error: NodeJS.ErrnoException, name?: string): void => {
    // Each line that is left is refused, too.
    if (code !== undefined) return;
    const failure = error.code === 'EPIPE' ? undefined : failureOf(error);
    code = failure?.code ?? 141;
    process.exitCode = code;
    if (failure !== undefined && name !== undefined) {
      const why = failure.message.replace(/^cannot write: /, '');
      process.stderr.write(
        failureText({ ...failure, message: `cannot write to ${name}: ${why}` }, how().json),
      );
    }
    ending.abort();
  };
  process.stdout.on('error', (error) => end(error, 'stdout'));
  // Where nothing can be told the exit code alone is left.
  process.stderr.on('error', (error) => end(error));
  return () => code;
}

function asksForVersion(program: Command, argv: readonly string[]): boolean {
  const { operands, unknown } = program.parseOptions([...argv]);
  return operands.length === 0 && unknown.length === 0 && program.opts()['version'] === true;
}

async function printVersion(json: boolean): Promise<void> {
  const { version } = await import('./version.js');
  const about = {
    name: 'micafs',
    version: version(),
    node: process.version,
    platform: process.platform,
    arch: process.arch,
  };
  process.stdout.write(json ? `${JSON.stringify(about)}\n` : `mica ${about.version}\n`);
}
