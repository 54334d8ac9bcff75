// `mica run`: a command in a fresh snapshot of an image as its root. What it prints is the command's alone, and so is
// the exit code; signals and the terminal are handed through.

import { existsSync, readlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { sys } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { Execution } from '../run/container-process.js';
import type { Bind } from '../run/messages.js';
import type { Store } from '../store.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
import { failureText } from './failure.js';
import { freeKey } from './free-key.js';
import { several } from './labels.js';
import { addGlobalOptions } from './settings.js';
import type { Meant } from './words.js';

interface Words {
  readonly name?: string;
  readonly rm?: boolean;
  readonly commit?: string;
  readonly bind?: readonly string[];
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly readOnly?: boolean;
}

/** Those that a person or a program sends on purpose. The terminal sends INT and QUIT to all who are at it. */
const HANDED: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'];
const TYPED: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT']);

export const declareRun: Declare = (command, act) => {
  // What follows the image is the command's own, options too.
  command.parent?.enablePositionalOptions();
  addGlobalOptions(command);
  command
    .passThroughOptions()
    .argument('<image>', 'an image, or a committed snapshot')
    .argument('[command...]', 'in place of the image’s own')
    .option('--name <id>', 'of the container and its snapshot; default: made up')
    .option('--rm', 'remove the container and its changes when it has ended')
    .option('--commit <name>', 'commit its changes under this name if the command ends with 0')
    .option(
      '--bind <from:to[:ro]>',
      'show a file or folder of this machine; may be given several times',
      several,
    )
    .option('--env <name=value>', 'NAME alone takes the caller’s; may be given several times', several)
    .option('--workdir <dir>', 'where the command begins')
    .option('--user <user[:group]>', 'names of the image, or numbers')
    .option('--read-only', 'the root cannot be changed')
    .action(
      act(async (context, image: string, typed: readonly string[], words: Words) => {
        const { runContainer } = await import('../run/run.js');
        const { NotStarted } = await import('../run/start-init.js');
        const { containerProcess } = await import('../run/container-process.js');
        const store = await context.store();
        const what = `cannot run ${image}`;
        const meant = await committed(store, image, what);
        const id = words.name ?? (await freeKey(image, (name) => store.snapshots.stat(name)));
        const terminal = terminalOf(0);
        const toRun = containerProcess(
          await executionOf(store, meant, what),
          // The first `--` is the program's, as everywhere.
          { command: typed[0] === '--' ? typed.slice(1) : typed, env: words.env ?? [], ...words },
          {
            hostName: id,
            terminal: terminal === undefined ? undefined : env('TERM'),
            env: process.env,
          },
        );
        try {
          context.exitCode = await runContainer(store, {
            id,
            parent: meant.snapshot.name,
            image: meant.image?.name ?? '',
            process: toRun,
            binds: (words.bind ?? []).map(bindOf),
            readOnly: words.readOnly === true,
            remove: words.rm === true,
            ...(words.commit === undefined ? {} : { commit: words.commit }),
            transport: context.settings.transport,
            ...(terminal === undefined ? {} : { terminal }),
            signal: context.signal,
            onRunning: (hand) => handSignals(context, hand),
          });
        } catch (error) {
          if (!(error instanceof NotStarted)) throw error;
          const { code, message } = error;
          const failure = { code, kind: 'failed', message, hint: undefined } as const;
          process.stderr.write(failureText(failure, context.output.json));
          context.exitCode = code;
        }
      }),
    );
};

async function committed(store: Store, word: string, what: string): Promise<Meant> {
  const { meaningOf } = await import('./words.js');
  const meant = await meaningOf(store, word, what);
  if (meant.kind !== 'key') return meant;
  throw new StoreError(
    'failed-precondition',
    what,
    `${word} is ${meant.snapshot.kind}, and a container begins with a snapshot of its own`,
    {
      hint: `mica commit ${word} NAME`,
    },
  );
}

async function executionOf(store: Store, { image }: Meant, what: string): Promise<Execution> {
  if (image === undefined) return {};
  const { openImage } = await import('../images/stored.js');
  return (await openImage(store, image, what)).config.json.config ?? {};
}

/** `from:to[:ro|rw]`; `from` may hold colons if `to` is there. */
export function bindOf(word: string): Bind {
  const found = /^(.+?):(\/[^:]*)(?::(ro|rw))?$/.exec(word);
  const what = `cannot bind ${word}`;
  if (found === null) {
    throw new StoreError('invalid-argument', what, 'it is not FROM:TO or FROM:TO:ro, with TO absolute', {
      hint: 'mica run --bind $PWD:/src IMAGE',
    });
  }
  const [, from = '', to = '', mode] = found;
  const path = resolve(from);
  if (!existsSync(path)) throw new StoreError('not-found', what, `there is no ${path}`);
  if (to === '/') throw new StoreError('invalid-argument', what, 'the root is the snapshot');
  return { from: path, to, readOnly: mode === 'ro' };
}

/** The terminal that a descriptor is; undefined if it is none. */
function terminalOf(fd: number): string | undefined {
  const path = readlinkSync(`/proc/self/fd/${fd}`);
  return path.startsWith('/dev/') && sys.isTerminal(fd) ? path : undefined;
}

/** Signals are the command's from now on. Returns what gives them back, and the terminal. */
function handSignals(context: Context, hand: (signal: NodeJS.Signals) => void): () => void {
  const wasOurs = sys.hasTerminal(0);
  const receive = (signal: NodeJS.Signals): void => {
    if (TYPED.has(signal) && sys.hasTerminal(0)) return;
    hand(signal);
  };
  context.takeSignals(true);
  for (const signal of HANDED) process.on(signal, receive);
  return () => {
    for (const signal of HANDED) process.off(signal, receive);
    context.takeSignals(false);
    // A shell with jobs took it for itself, and has ended without giving it back.
    if (wasOurs && !sys.hasTerminal(0)) sys.takeTerminal(0);
  };
}

function env(name: string): string | undefined {
  return process.env[name];
}
