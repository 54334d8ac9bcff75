// A program of the machine, run to its end while this process goes on: what it talks to may be served here.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Done {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly input?: Uint8Array;
}

/** Runs `name` with `words`. A program that is not there, or ends by a signal, is an error of the test. */
export async function tryProgram(
  name: string,
  words: readonly string[],
  { input, ...options }: RunOptions = {},
): Promise<Done> {
  const child = spawn(name, words, { ...options, stdio: 'pipe', timeout: 120_000 });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.end(input);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === null) throw new Error(`${name} ${words.join(' ')} was ended by ${signal}`);
  return { code, out: Buffer.concat(out), err: Buffer.concat(err).toString() };
}

/** Runs a program that must succeed; returns what it printed. */
export async function runProgram(
  name: string,
  words: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, out, err } = await tryProgram(name, words, options);
  if (code === 0) return out.toString();
  throw new Error(`${name} ${words.join(' ')} ended with ${code}: ${err}`);
}
