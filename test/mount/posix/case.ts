// A case: what lies in which layer before the mount, and a script of system calls. A script has one call of probe.c a
// line and behind `=>` its answer (none: 0). A line `remount` mounts anew.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What lies in each layer, as shell scripts that run in the case's folder there; `probe` makes calls for them, too. */
export interface Layers {
  /** A layer below all others. */
  readonly ground?: string;
  /** The lower layer above it. */
  readonly bottom?: string;
  /** The lower layer on top of it. */
  readonly lower?: string;
  /** The upper, as an earlier mount or an engine left it. */
  readonly upper?: string;
  /** What all layers with their marks come to without layers; by default one script after the other. */
  readonly plain?: string;
}

type Dialect = 'overlay' | 'wh';

export interface Case extends Layers {
  readonly name: string;
  /** Why an ordinary user cannot make these calls: the kernel's rule. The case is then tried as root alone. */
  readonly privilege?: string;
  /** Why it cannot hold in a user namespace either: the kernel's rule. */
  readonly namespace?: string;
  /** Tried in a user namespace alone: elsewhere its root is nobody special. */
  readonly inNamespace?: true;
  /** A feature of the kernel that it stands on (MICA_WITHOUT). */
  readonly feature?: string;
  /**
   * Tried only under this dialect of layers. Under `wh`, that of `mica-overlayfs`, `.wh.NAME` is a mark and no name.
   */
  readonly dialect?: Dialect;
  /** The layers are made by root, whoever makes the calls. */
  readonly foreign?: boolean;
  /** Why it cannot hold where the kernel collects writes (--writeback): its rule. */
  readonly writeback?: string;
  readonly calls: string;
}

/** Who makes the calls: root, an ordinary user, or one who is root in a user namespace. */
export type Caller = 'root' | 'user' | 'namespace';

/** Switched off, as fs/sys/features.ts reads it. */
const WITHOUT = new Set((process.env['MICA_WITHOUT'] ?? '').split(','));

function isThere(feature: string): boolean {
  return !WITHOUT.has('all') && !WITHOUT.has(feature);
}

/** The cases that the kernel lets somebody make. */
export function possible(
  all: readonly Case[],
  caller: Caller,
  dialect: Dialect = 'overlay',
): readonly Case[] {
  const cases = all
    .filter(({ feature }) => feature === undefined || isThere(feature))
    .filter(({ inNamespace }) => inNamespace === undefined || caller === 'namespace')
    .filter((of) => of.dialect === undefined || of.dialect === dialect);
  if (caller === 'root') return cases.filter(({ foreign }) => foreign !== true);
  const own = cases.filter(({ privilege }) => privilege === undefined);
  return caller === 'user' ? own : own.filter(({ namespace }) => namespace === undefined);
}

/** Where cases are tried. */
export interface Place {
  /** Words of a command that makes the calls as who they are made. */
  readonly wrap: readonly string[];
  /** Lays out the folders of all cases, and mounts. */
  prepare(cases: readonly Case[], tools: string): Promise<void>;
  folder(at: number): string;
  remount(): void;
  remove(): Promise<void>;
}

/**
 * The calls of all cases with their answers in place of the expected ones. Cases that mount anew do so together:
 * first every case runs up to its first `remount`, then up to its second.
 */
export function answered(place: Place, cases: readonly Case[], probe: string): string[][] {
  const parts = cases.map(({ calls }) => partsOf(calls));
  const transcripts: string[][] = cases.map(() => []);
  for (let round = 0; parts.some((of) => round < of.length); round++) {
    if (round > 0) place.remount();
    parts.forEach((of, at) => {
      const script = of[round];
      if (script === undefined) return;
      const keep = join(dirname(probe), `kept${at}`);
      mkdirSync(keep, { recursive: true });
      chmodSync(keep, 0o777);
      if (round > 0) transcripts[at]!.push('remount');
      transcripts[at]!.push(...run(place, probe, script, place.folder(at), keep));
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

function run(place: Place, probe: string, script: readonly string[], cwd: string, keep: string): string[] {
  const words = ['60', ...place.wrap, 'sh', '-c', 'cd "$1" && exec "$0"', probe, cwd];
  const done = spawnSync('timeout', words, {
    cwd: '/',
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

/** What should have been answered; of several good answers (`0 | EPERM`) the one that was given, if it is one of them. */
export function expected(calls: string, given: readonly string[]): string[] {
  return callsOf(calls).map(({ call, answer }, k) => {
    if (call === 'remount') return call;
    const good = answer.split(' | ').map((one) => `${call} => ${one}`);
    return good.find((line) => line === given[k]) ?? `${call} => ${answer}`;
  });
}
