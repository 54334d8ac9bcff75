// `mica trace` beside programs at work in a mount.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectControl } from '../../dist/src/mounts/control-socket.js';
import { MountTable } from '../../dist/src/mounts/table.js';
import { Scratch, top } from '../program.js';
import { describeWith } from '../requires.js';

interface Told {
  readonly kind: string;
  readonly operation?: string;
  readonly path: string;
  readonly error?: string;
  readonly bytes?: number;
}

describeWith(['root', 'fuse'], 'mica trace', () => {
  let scratch: Scratch;
  /** Names that the kernel was not told of yet: those it knows of it does not ask for again. */
  let tries = 0;
  const sh = (script: string, name = 'mnt') =>
    execFileSync('timeout', ['60', 'sh', '-c', script], { cwd: scratch.path(name), stdio: 'pipe' });
  /** Whether the server watches is seen from the number of its last event. */
  const lastSeq = async (name = 'mnt') => {
    const mount = new MountTable(scratch.path('state'))
      .list()
      .find((row) => row.target === scratch.path(name));
    const server = await connectControl(mount?.socket ?? '');
    try {
      return (await server.ask({ op: 'events', since: Number.MAX_SAFE_INTEGER })).lastSeq;
    } finally {
      server.close();
    }
  };

  /** Resolves when somebody is told of what is asked for. */
  const isListening = async (name = 'mnt') => {
    const before = await lastSeq(name);
    do sh(`stat absent${tries++} 2> /dev/null || true`, name);
    while ((await lastSeq(name)) === before);
  };

  beforeAll(() => {
    scratch = new Scratch('trace');
    for (const name of ['low', 'low/d', 'up', 'work', 'mnt']) scratch.folder(name);
    for (const name of ['one', 'two', 'three', 'named', 'd/inner'])
      writeFileSync(scratch.path('low', name), 'content');
    const folders = [
      '--lower',
      scratch.path('low'),
      '--upper',
      scratch.path('up'),
      '--work',
      scratch.path('work'),
    ];
    scratch.mica('mount', ...folders, scratch.path('mnt'));
  });
  afterAll(() => scratch.remove());

  /** Starts a trace, waits until it listens, runs the script, and ends the trace as Ctrl-C does. */
  async function traced(script: string, ...words: string[]): Promise<string[]> {
    const stores = ['--root', scratch.path('root'), '--state', scratch.path('state')];
    const child = spawn(
      process.execPath,
      [join(top, 'bin/mica'), ...stores, 'trace', scratch.path('mnt'), ...words],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const lines: string[] = [];
    const read = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    const ended = Promise.all([once(child, 'exit'), once(read, 'close')]);
    await isListening();
    // Behind those whom it watches.
    expect(getPriority(child.pid)).toBeGreaterThanOrEqual(10);
    sh(script);
    child.kill('SIGINT');
    const [exit] = await ended;
    expect(exit[0]).toBe(0);
    return lines;
  }

  it('tells every request, copy-up and whiteout as JSON, and the server watches no longer than it runs', async () => {
    const lines = await traced(
      'echo more >> one; rm two; ls d > /dev/null; mkdir d 2> /dev/null || true',
      '--json',
    );
    const told = lines.map((line) => JSON.parse(line) as Told);
    expect(told).toContainEqual(expect.objectContaining({ kind: 'copy-up', path: 'one', bytesCopied: 7 }));
    expect(told).toContainEqual(expect.objectContaining({ kind: 'whiteout', path: 'two' }));
    expect(told).toContainEqual(expect.objectContaining({ operation: 'unlink', path: 'two' }));
    expect(told).toContainEqual(expect.objectContaining({ operation: 'lookup', path: `absent${tries - 1}` }));
    const before = await lastSeq();
    sh('stat d/inner; cat three; ls -l d');
    expect(await lastSeq()).toBe(before);
  });

  it('calls layers as mica explain does, and tells the id beside as JSON', async () => {
    const lines = await traced('echo more >> named');
    expect(lines.join('\n')).toMatch(/copy-up +named +.*, in up(,|$)/m);
    const [told] = await traced('rm named', '--json', '--only', 'whiteout,opaque,unlink');
    expect(JSON.parse(told ?? '')).toMatchObject({
      kind: 'whiteout',
      layer: scratch.path('up'),
      layerName: 'up',
    });
  });

  it('tells what the filters leave, and sums it up', async () => {
    const under = await traced(
      'touch d/new; touch other; rm d/new',
      '--json',
      '--under',
      'd',
      '--only',
      'unlink,mknod,create',
    );
    const paths = under.map((line) => (JSON.parse(line) as Told).path);
    expect(new Set(paths)).toEqual(new Set(['d/new']));
    const [text] = await traced('chmod 600 three; rm d/inner', '--json', '--summary');
    const summary = JSON.parse(text ?? '') as { kinds: object; requests: object; bytesSaved: number };
    expect(summary.kinds).toMatchObject({ 'copy-up': expect.any(Number), whiteout: 1 });
    expect(summary.requests).toMatchObject({ setattr: { count: 1, failed: 0 } });
    expect(summary.bytesSaved).toBe(7);
  });

  describeWith(['program:strace'], 'of a commit', () => {
    it('calls its layer by its new name, also before the store does', async () => {
      const mica = (...words: string[]) => [
        ...[process.execPath, join(top, 'bin/mica'), '--root', scratch.path('root')],
        ...['--state', scratch.path('state'), ...words],
      ];
      scratch.mica('snapshot', 'prepare', 'live');
      scratch.mica('mount', 'live', scratch.folder('live'));
      sh('echo x > new', 'live');
      const [node, ...words] = mica('trace', scratch.path('live'), '--json');
      const trace = spawn(node!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
      const read = createInterface({ input: trace.stdout });
      await isListening('live');
      // What is flushed first is the index of the layer, between the exchange of the folders and its row.
      const late = ['-e', 'trace=fsync', '-e', 'inject=fsync:delay_enter=1000000:when=1'];
      execFileSync('strace', ['-f', '-o', '/dev/null', ...late, ...mica('commit', 'live', 'frozen')]);
      let commit: (Told & { readonly layerName?: string }) | undefined;
      for await (const line of read) {
        commit = JSON.parse(line) as Told;
        if (commit.kind === 'commit') break;
      }
      expect(commit).toMatchObject({ kind: 'commit', layerName: 'frozen' });
      trace.kill('SIGINT');
      scratch.mica('umount', scratch.path('live'));
    });
  });

  describe('whose reader has stopped', () => {
    const children: ChildProcess[] = [];
    afterEach(() => {
      for (const child of children.splice(0)) child.kill('SIGKILL');
    });

    /** A trace that writes to a program which does not read, and listens. */
    async function unread(): Promise<{ trace: ChildProcess; reader: ChildProcess; err: () => string }> {
      const reader = spawn('sh', ['-c', 'kill -STOP $$; exec cat > /dev/null'], {
        stdio: ['pipe', 'ignore', 'inherit'],
      });
      const stores = ['--root', scratch.path('root'), '--state', scratch.path('state')];
      const trace = spawn(
        process.execPath,
        [join(top, 'bin/mica'), ...stores, 'trace', scratch.path('mnt')],
        {
          stdio: ['ignore', reader.stdin, 'pipe'],
        },
      );
      children.push(reader, trace);
      let err = '';
      trace.stderr?.on('data', (piece: Buffer) => {
        err += piece.toString();
      });
      await isListening();
      return { trace, reader, err: () => err };
    }
    const lookUp = (count: number) => {
      const name = `absent${tries++}-${'n'.repeat(100)}`;
      const script = `for (let i = 0; i < ${count}; i++) fs.statSync('${name}' + i, { throwIfNoEntry: false })`;
      execFileSync('timeout', ['120', process.execPath, '-e', script], { cwd: scratch.path('mnt') });
    };

    it('ends at a signal all the same', async () => {
      const { trace, err } = await unread();
      lookUp(10_000);
      trace.kill('SIGINT');
      expect((await once(trace, 'close'))[0]).toBe(0);
      expect(err()).toContain('not all was read');
    }, 60_000);

    it('leaves events to be given up rather than keep them all', async () => {
      const { trace, reader, err } = await unread();
      // The first of them are written; of those after them the server keeps some 30,000.
      lookUp(10_000);
      lookUp(40_000);
      reader.kill('SIGCONT');
      while (!/events were lost/.test(err())) await once(trace.stderr!, 'data');
      trace.kill('SIGINT');
      expect((await once(trace, 'exit'))[0]).toBe(0);
    }, 120_000);
  });

  it('waits for longer than a timer can', async () => {
    const lines = await traced('mkdir later', '--for', '3000000', '--only', 'mkdir');
    expect(lines).toEqual([expect.stringMatching(/mkdir +later /)]);
  });

  it('tells the paths of a sum as those of events', async () => {
    const [text] = await traced("mkdir é $(printf 'a\\377')", '--json', '--summary', '--only', 'mkdir');
    const { slowest } = JSON.parse(text ?? '') as { slowest: object[] };
    expect(slowest).toHaveLength(2);
    expect(slowest).toContainEqual({ operation: 'mkdir', path: 'é', durationNs: expect.any(Number) });
    expect(slowest).toContainEqual(expect.objectContaining({ path: 'a\uFFFD', pathBase64: 'Yf8=' }));
  });

  /** Traces as JSON a mount of its own, `mnt<n>`, until that is over, which `work` sees to. */
  async function tracedToEnd(
    n: number,
    words: readonly string[],
    work: (mnt: string) => void,
  ): Promise<string> {
    const [up, folder, name] = [`up${n}`, `work${n}`, `mnt${n}`];
    for (const one of [up, folder, name]) scratch.folder(one);
    const mnt = scratch.path(name);
    const layers = ['--lower', scratch.path('low'), '--upper', scratch.path(up)];
    scratch.mica('mount', ...layers, '--work', scratch.path(folder), mnt);
    const stores = ['--root', scratch.path('root'), '--state', scratch.path('state')];
    const child = spawn(
      process.execPath,
      [join(top, 'bin/mica'), ...stores, '--json', 'trace', mnt, ...words],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let text = '';
    child.stdout.on('data', (piece: Buffer) => {
      text += piece.toString();
    });
    const ended = once(child, 'close');
    await isListening(name);
    work(mnt);
    expect((await ended)[0]).toBe(0);
    return text;
  }

  it('sums up all that a mount did until its end', async () => {
    const text = await tracedToEnd(2, ['--summary', '--only', 'mkdir,whiteout'], (mnt) => {
      sh('for n in $(seq 300); do mkdir new$n; done; rm one', 'mnt2');
      scratch.mica('umount', mnt);
    });
    expect(JSON.parse(text)).toMatchObject({
      lost: 0,
      requests: { mkdir: { count: 300 } },
      kinds: { whiteout: 1 },
    });
  });

  it('tells all that a mount did until its end', async () => {
    const text = await tracedToEnd(3, ['--only', 'mkdir,whiteout'], (mnt) => {
      // In one step, so that nobody has asked between.
      const work = 'mkdir new; rm named';
      execFileSync('timeout', ['60', 'sh', '-c', `cd "$0" && ${work}; cd /; umount -l "$0"`, mnt]);
    });
    const told = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Told);
    expect(told.map(({ kind, operation, path }) => `${operation ?? kind} ${path}`)).toEqual([
      'mkdir new',
      'whiteout named',
    ]);
  });

  it('ends with the mount, and refuses what is no mount', async () => {
    expect(scratch.try('trace', scratch.path('low'))).toMatchObject({ code: 3 });
    expect(scratch.mica('trace', scratch.path('mnt'), '--for', '0.1', '--summary')).toContain('events in');
  });
});
