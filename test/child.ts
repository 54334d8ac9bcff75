// A child process that runs a piece of this source tree, for tests that need a second process or one to kill.
// The piece is bundled on the fly, so that such tests need no build.

import { type ChildProcess, spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { onTestFinished } from 'vitest';

const TOP = dirname(dirname(fileURLToPath(import.meta.url)));

export interface Child {
  readonly process: ChildProcess;
  /** The exit code; null if a signal ended it. */
  readonly exit: Promise<number | null>;
}

/**
 * Runs TypeScript whose imports begin at the top of the tree (`./src/…`); `args` are process.argv from 2 on.
 * `under` begins the command line: a program that runs the rest of it. The child does not outlive the test.
 */
export function startModule(source: string, args: readonly string[], under: readonly string[] = []): Child {
  const built = buildSync({
    stdin: { contents: source, resolveDir: TOP, loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
  const code = built.outputFiles[0]?.text ?? '';
  const command = [...under, process.execPath, '--input-type=module', '-', ...args];
  const child = spawn(command[0] ?? process.execPath, command.slice(1), {
    cwd: TOP,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  // On its input, because one argument holds 128 KiB at most.
  child.stdin.end(code);
  onTestFinished(() => void child.kill('SIGKILL'));
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code));
  });
  return { process: child, exit };
}

/** What it prints, line by line, to its end. */
export function linesOf(child: Child): AsyncIterable<string> {
  if (child.process.stdout === null) throw new Error('the child has no output');
  return createInterface({ input: child.process.stdout });
}

/** All lines that it prints, once it has ended. */
export async function outputOf(child: Child): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const line of linesOf(child)) lines.push(line);
  return lines;
}
