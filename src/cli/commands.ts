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

const IMAGES = 'Images';
const FILES = 'Looking and copying, without a mount';
const HERE = 'This machine';
const PARTS = 'The parts';

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'doctor',
    group: HERE,
    summary: 'which drivers, transports and features work here, and what to do about the rest',
    load: async () => (await import('./doctor.js')).declareDoctor,
  },
  {
    name: 'info',
    group: HERE,
    summary: 'the store, its settings and what it holds',
    load: async () => (await import('./info.js')).declareInfo,
  },
  {
    name: 'completion',
    group: HERE,
    summary: 'a completion script for bash, zsh or fish',
    load: async () => (await import('./completion.js')).declareCompletion,
  },

  {
    name: 'import',
    group: IMAGES,
    summary: 'bring in an OCI layout or a docker-archive',
    load: async () => (await import('./import.js')).declareImport,
  },
  {
    name: 'export',
    group: IMAGES,
    summary: 'write an image as an archive',
    load: async () => (await import('./export.js')).declareExport,
  },
  {
    name: 'images',
    group: IMAGES,
    summary: 'list images',
    load: async () => (await import('./images.js')).declareImages,
  },
  {
    name: 'inspect',
    group: IMAGES,
    summary: 'manifest, config and layers of an image',
    load: async () => (await import('./images.js')).declareInspect,
  },
  {
    name: 'tag',
    group: IMAGES,
    summary: 'give an image a further name',
    load: async () => (await import('./images.js')).declareTag,
  },
  {
    name: 'rmi',
    group: IMAGES,
    summary: 'remove names of images',
    load: async () => (await import('./images.js')).declareRmi,
  },

  {
    name: 'ls',
    group: FILES,
    summary: 'list a folder of an image or a snapshot',
    load: async () => (await import('./files.js')).declareLs,
  },
  {
    name: 'cat',
    group: FILES,
    summary: 'write a file of an image or a snapshot to stdout',
    load: async () => (await import('./files.js')).declareCat,
  },

  {
    name: 'content',
    group: PARTS,
    summary: 'the content store',
    load: async () => (await import('./content.js')).declareContent,
  },
  {
    name: 'namespace',
    group: PARTS,
    summary: 'namespaces of names and labels',
    load: async () => (await import('./namespace.js')).declareNamespace,
  },
];
