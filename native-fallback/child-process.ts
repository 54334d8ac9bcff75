// Work that needs a process of its own: a mount from another working folder, a probe inside a user namespace.
// The child is this program's `child.ts`; a job goes in as JSON, its result or failure comes back as JSON.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EIO, EPERM, FsError } from '../fs/index.js';
import type { OverlayProbe } from './probe.js';

export type Job =
  | { readonly job: 'mount'; readonly target: string; readonly flags: number; readonly data: string }
  | { readonly job: 'probe'; readonly folder: string };

export interface JobResults {
  mount: Record<string, never>;
  probe: OverlayProbe;
}

export type JobAnswer<J extends Job['job']> =
  | { readonly result: JobResults[J] }
  | { readonly errno: number; readonly message: string };

/**
 * Runs a job in a child whose working folder is `folder`, in a new user namespace if asked. Fails with the
 * child's FsError; EPERM where no user namespace can be made, EIO if the child did not answer.
 */
export function runChild<J extends Job>(
  job: J,
  folder: string,
  inUserNamespace = false,
): JobResults[J['job']] {
  const program = fileURLToPath(new URL('./child.js', import.meta.url));
  const node = [process.execPath, program, JSON.stringify(job)] as const;
  const [command, ...words] = inUserNamespace ? ['unshare', '-Urm', '--', ...node] : node;
  const done = spawnSync(command, words, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  });
  if (done.error !== undefined) {
    throw new FsError(EIO, `cannot run ${command}`, { cause: done.error });
  }
  const answer = parse<J['job']>(done.stdout);
  if (answer === undefined) {
    const text = done.stderr.trim().split('\n')[0] ?? '';
    throw new FsError(
      inUserNamespace ? EPERM : EIO,
      text === '' ? `${command} ended without an answer` : text,
    );
  }
  if ('errno' in answer) throw new FsError(answer.errno, answer.message);
  return answer.result;
}

function parse<J extends Job['job']>(text: string): JobAnswer<J> | undefined {
  return text.startsWith('{') ? (JSON.parse(text) as JobAnswer<J>) : undefined;
}
