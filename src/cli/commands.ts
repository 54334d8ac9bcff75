// The table of commands. A command's file is loaded when that command was typed and not before, because `mica
// --help` and a shell's completion must answer while the words of a sentence are still being typed.

import type { Command } from 'commander';
import type { Context } from './context.js';

/**
 * Wraps a command's work as a commander action: the work gets a context first, then what commander hands over
 * (arguments, options, the command).
 */
export type Act = <Words extends unknown[]>(
  work: (context: Context, ...words: Words) => Promise<void>,
) => (...words: Words) => Promise<void>;

/** What the file of a command exports: it gives `command` its arguments, options and actions. */
export type Declare = (command: Command, act: Act) => void;

export interface CommandEntry {
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  readonly load: () => Promise<Declare>;
}

const HERE = 'This machine';

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'doctor',
    group: HERE,
    summary: 'which drivers, transports and features work here, and what to do about the rest',
    load: async () => (await import('./doctor.js')).declareDoctor,
  },
  {
    name: 'completion',
    group: HERE,
    summary: 'a completion script for bash, zsh or fish',
    load: async () => (await import('./completion.js')).declareCompletion,
  },
];
