// `mica serve` as a process, over a store in a folder of the test's own, which can be killed and started again.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { unmountBelow } from './containerd.js';

const MICA = new URL('../../bin/mica', import.meta.url).pathname;

export interface MicaServer {
  readonly socket: string;
  readonly root: string;
  /** Runs `mica` on the store, which must succeed; returns what it printed. */
  mica(...words: string[]): Promise<string>;
  /** Ends it by a signal, of which it knows nothing. */
  kill(): Promise<void>;
  /** Starts it again over the same store. */
  start(): Promise<void>;
  /** Ends it if it runs, which must succeed, and unmounts what is mounted in the folder. */
  stop(): Promise<void>;
}

/** Starts it in `folder` (absolute, and short: it holds a socket) with further `words`. */
export async function startMicaServer(folder: string, ...words: string[]): Promise<MicaServer> {
  mkdirSync(folder, { recursive: true });
  const socket = join(folder, 'm.sock');
  const root = join(folder, 'root');
  const store = ['--root', root, '--state', join(folder, 'state')];
  let running: ChildProcess | undefined;

  async function start(): Promise<void> {
    // It is not to outlive a test that is killed.
    const command = [
      '--pdeathsig',
      'KILL',
      '--',
      process.execPath,
      MICA,
      ...store,
      'serve',
      '--address',
      socket,
    ];
    running = spawn('setpriv', [...command, ...words], { stdio: ['ignore', 'inherit', 'pipe'] });
    const lines = createInterface({ input: running.stderr as NodeJS.ReadableStream });
    await new Promise<void>((resolve, reject) => {
      const said: string[] = [];
      lines.on('line', (line) => {
        said.push(line);
        if (line.includes('serving')) resolve();
        else process.stderr.write(`${line}\n`);
      });
      lines.once('close', () => reject(new Error(`mica serve did not start: ${said.join('\n')}`)));
    });
  }

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    if (running === undefined) return 0;
    const exit = once(running, 'exit') as Promise<[number | null]>;
    running.kill(signal);
    running = undefined;
    return (await exit)[0];
  }

  await start();
  return {
    socket,
    root,
    start,
    mica: async (...said) => {
      const done = await promisify(execFile)(process.execPath, [MICA, ...store, ...said], {
        maxBuffer: 1 << 26,
      });
      return done.stdout;
    },
    kill: async () => void (await end('SIGKILL')),
    stop: async () => {
      const code = await end('SIGTERM');
      unmountBelow(folder);
      if (code !== 0) throw new Error(`mica serve ended with ${code}`);
    },
  };
}
