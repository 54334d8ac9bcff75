// The same script of system calls on a plain folder and on a mount of ours: the answers must be the same. A case
// says what lies in which layer before the mount; on the plain folder the layers are laid over each other in place.
// A script has one call of probe.c a line and behind `=>` its answer (none: 0). A line `remount` mounts anew.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Scratch } from '../../program.js';
import { describeWith } from '../../requires.js';

const HERE = dirname(fileURLToPath(import.meta.url));

/** What lies in each layer, as shell scripts that run in the case's folder there; `probe` makes calls for them, too. */
export interface Layers {
  /** The lower layer at the bottom. */
  readonly bottom?: string;
  /** The lower layer on top of it. */
  readonly lower?: string;
  /** The upper, as an earlier mount or an engine left it. */
  readonly upper?: string;
  /** What all layers with their marks come to without layers; by default one script after the other. */
  readonly plain?: string;
}

export interface Case extends Layers {
  readonly name: string;
  readonly calls: string;
}

interface Place {
  readonly name: string;
  /** Lays out the folders of all cases, and mounts. */
  prepare(cases: readonly Case[], tools: string): void;
  folder(at: number): string;
  remount(): void;
  remove(): void;
}

/** `mkdir` takes a folder that another layer has, too. */
const PRELUDE = 'umask 022; mkdir() { command mkdir -p "$@"; }';

function shell(script: string, cwd: string, tools: string): void {
  mkdirSync(cwd, { recursive: true });
  const env = { ...process.env, PATH: `${tools}:${process.env['PATH']}` };
  const words = ['60', 'sh', '-ec', `${PRELUDE}; ${script}`];
  const done = spawnSync('timeout', words, { cwd, env, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`cannot prepare '${script}': ${done.stderr}`);
}

class PlainFolder implements Place {
  readonly name = 'a plain folder';
  readonly #base = mkdtempSync(join(tmpdir(), 'mica-posix-plain-'));

  prepare(cases: readonly Case[], tools: string): void {
    cases.forEach(({ bottom, lower, plain }, at) => {
      const scripts = plain === undefined ? [bottom, lower] : [plain];
      for (const script of scripts) shell(script ?? ':', this.folder(at), tools);
    });
  }

  folder(at: number): string {
    return join(this.#base, `case${at}`);
  }

  remount(): void {
    // Nothing is kept in memory that another mount would not have.
  }

  remove(): void {
    rmSync(this.#base, { recursive: true, force: true });
  }
}

class Mount implements Place {
  readonly name = 'a mount';
  readonly #scratch = new Scratch('posix');

  prepare(cases: readonly Case[], tools: string): void {
    for (const name of ['bottom', 'lower', 'upper', 'work', 'mnt']) this.#scratch.folder(name);
    // Another filesystem than the others: its numbers overlap with theirs.
    shell('mount -t tmpfs none .', this.#scratch.path('bottom'), tools);
    cases.forEach((layers, at) => {
      for (const layer of ['bottom', 'lower', 'upper'] as const) {
        const script = layers[layer];
        // A folder that is in one layer only is another thing than a merged one.
        if (script !== undefined) shell(script, this.#scratch.path(layer, `case${at}`), tools);
      }
      if (layers.bottom === undefined && layers.upper === undefined) {
        this.#scratch.folder(join('lower', `case${at}`));
      }
    });
    this.#mount();
  }

  folder(at: number): string {
    return this.#scratch.path('mnt', `case${at}`);
  }

  #mount(): void {
    const path = (name: string) => this.#scratch.path(name);
    const lowers = `${path('lower')}:${path('bottom')}`;
    this.#scratch.mica(
      'mount',
      '--lower',
      lowers,
      '--upper',
      path('upper'),
      '--work',
      path('work'),
      path('mnt'),
    );
  }

  remount(): void {
    this.#scratch.mica('umount', this.#scratch.path('mnt'));
    this.#mount();
  }

  remove(): void {
    this.#scratch.try('umount', this.#scratch.path('mnt'));
    this.#scratch.remove();
  }
}

/**
 * The calls of all cases with their answers in place of the expected ones. Cases that mount anew do so together:
 * first every case runs up to its first `remount`, then up to its second.
 */
function answered(place: Place, cases: readonly Case[], probe: string): string[][] {
  const parts = cases.map(({ calls }) => partsOf(calls));
  const transcripts: string[][] = cases.map(() => []);
  for (let round = 0; parts.some((of) => round < of.length); round++) {
    if (round > 0) place.remount();
    parts.forEach((of, at) => {
      const script = of[round];
      if (script === undefined) return;
      const keep = join(dirname(probe), `kept${at}`);
      mkdirSync(keep, { recursive: true });
      if (round > 0) transcripts[at]!.push('remount');
      transcripts[at]!.push(...run(probe, script, place.folder(at), keep));
    });
  }
  return transcripts;
}

function partsOf(calls: string): string[][] {
  const parts: string[][] = [[]];
  for (const { call } of callsOf(calls)) {
    if (call === 'remount') parts.push([]);
    else parts.at(-1)!.push(call);
  }
  return parts;
}

function run(probe: string, script: readonly string[], cwd: string, keep: string): string[] {
  const done = spawnSync('timeout', ['60', probe], {
    cwd,
    input: `${script.join('\n')}\n`,
    encoding: 'latin1',
    maxBuffer: 1 << 26,
    env: { ...process.env, PROBE_KEEP: keep },
  });
  const answers = done.stdout.split('\n');
  return script.map((call, k) => `${call} => ${answers[k] ?? `nothing (${done.status ?? done.signal})`}`);
}

function callsOf(calls: string): { call: string; answer: string }[] {
  return calls
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [call, answer] = line.split(/ *=>\s*/);
      return { call: call as string, answer: answer ?? '0' };
    });
}

function expected(calls: string): string[] {
  return callsOf(calls).map(({ call, answer }) => (call === 'remount' ? call : `${call} => ${answer}`));
}

/** A subject: each case is tried on a plain folder and on a mount. */
export function subject(name: string, cases: readonly Case[]): void {
  describeWith(['root', 'fuse', 'program:gcc', 'program:setfacl', 'program:setfattr'], name, () => {
    for (const Kind of [PlainFolder, Mount]) {
      let tools: string;
      let place: Place;
      let transcripts: string[][];

      describe(Kind === PlainFolder ? 'on a plain folder' : 'on a mount', () => {
        beforeAll(() => {
          tools = mkdtempSync(join(tmpdir(), 'mica-posix-probe-'));
          const built = spawnSync('gcc', ['-O1', '-o', join(tools, 'probe'), join(HERE, 'probe.c')], {
            encoding: 'utf8',
          });
          if (built.status !== 0) throw new Error(`cannot build the probe: ${built.stderr}`);
          place = new Kind();
          place.prepare(cases, tools);
          transcripts = answered(place, cases, join(tools, 'probe'));
        });

        afterAll(() => {
          place?.remove();
          rmSync(tools, { recursive: true, force: true });
        });

        cases.forEach(({ name: behaviour, calls }, at) => {
          it(behaviour, () => {
            expect(transcripts[at]).toEqual(expected(calls));
          });
        });
      });
    }
  });
}
