// The options that `pull` and `push` share: how to reach the registry, and how the work is shown.

import { type Command, InvalidArgumentError } from 'commander';
import type { OnProgress } from '../images/images.js';
import type { RegistryOptions } from '../registry/registry.js';
import type { Context } from './context.js';

export interface RegistryWords {
  readonly platform?: string;
  readonly plainHttp?: boolean;
  readonly insecure?: boolean;
  readonly ca?: string;
  readonly parallel?: number;
}

const CREDENTIALS = `
Logins are those of podman, Docker and their helpers: REGISTRY_AUTH_FILE, or auth.json of
containers, or config.json of Docker (DOCKER_CONFIG).`;

export function addRegistryOptions(command: Command): void {
  command
    .option('--plain-http', 'no TLS')
    .option('--insecure', 'TLS with any certificate')
    .option('--ca <file>', 'trust this authority, too (PEM)')
    .option('--parallel <n>', 'blobs at a time (default 4)', atLeastOne)
    .addHelpText('after', CREDENTIALS);
}

/** What the words say, with the context's signal and its notes on failed tries. */
export function registryOptions(
  context: Context,
  words: RegistryWords,
): RegistryOptions & { parallel?: number } {
  return {
    signal: context.signal,
    onRetry: (text) => context.output.note(text),
    ...(words.plainHttp === true ? { plainHttp: true } : {}),
    ...(words.insecure === true ? { insecure: true } : {}),
    ...(words.ca === undefined ? {} : { ca: words.ca }),
    ...(words.parallel === undefined ? {} : { parallel: words.parallel }),
  };
}

/** Bars for a person; with --json a line for each blob that is done. */
export function registryProgress(context: Context): OnProgress {
  if (!context.output.json) return context.onProgress;
  return ({ phase, id, done, total }) => {
    if (phase === 'image' || total === undefined || done < total) return;
    context.output.line(JSON.stringify({ phase, id, done, total }));
  };
}

function atLeastOne(word: string): number {
  if (/^[1-9][0-9]{0,2}$/.test(word)) return Number(word);
  throw new InvalidArgumentError('It is a number from 1 to 999.');
}
