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
const MOUNTS = 'Mounts';
const FILES = 'Looking and copying, without a mount';
const CHANGES = 'Changes';
const CONTAINERS = 'Containers';
const HERE = 'This machine';
const PARTS = 'The parts';
const SERVERS = 'Servers';

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'demo',
    group: HERE,
    summary: 'the whole program on real input, end to end, in a scratch store',
    load: async () => (await import('./demo/command.js')).declareDemo,
  },
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
    name: 'fsck',
    group: HERE,
    summary: 'check metadata, content, layers and indexes against each other',
    load: async () => (await import('./fsck.js')).declareFsck,
  },
  {
    name: 'df',
    group: HERE,
    summary: 'how much room images, snapshots and namespaces take',
    load: async () => (await import('./fsck.js')).declareDf,
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
    name: 'pull',
    group: IMAGES,
    summary: 'bring in an image from a registry',
    load: async () => (await import('./pull.js')).declarePull,
  },
  {
    name: 'push',
    group: IMAGES,
    summary: 'send an image to a registry',
    load: async () => (await import('./push.js')).declarePush,
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
    name: 'image',
    group: IMAGES,
    summary: 'make a one-layer image of a folder or a root tar',
    load: async () => (await import('./images.js')).declareImage,
  },

  {
    name: 'mount',
    group: MOUNTS,
    summary: 'mount an image, a snapshot or plain folders',
    load: async () => (await import('./mount.js')).declareMount,
  },
  {
    name: 'umount',
    group: MOUNTS,
    summary: 'end a mount and keep its snapshot',
    load: async () => (await import('./umount.js')).declareUmount,
  },
  {
    name: 'mounts',
    group: MOUNTS,
    summary: 'list mounts',
    load: async () => (await import('./mounts.js')).declareMounts,
  },
  {
    name: 'mount-all',
    group: MOUNTS,
    summary: 'perform mounts given as JSON on stdin',
    load: async () => (await import('./mounts.js')).declareMountAll,
  },
  {
    name: 'settle',
    group: MOUNTS,
    summary: 'make an upper plain, so that the kernel and other tools may read it',
    load: async () => (await import('./settle.js')).declareSettle,
  },

  {
    name: 'run',
    group: CONTAINERS,
    summary: 'a command in a fresh snapshot of an image as its root',
    load: async () => (await import('./run.js')).declareRun,
  },
  {
    name: 'ps',
    group: CONTAINERS,
    summary: 'list the containers of run',
    load: async () => (await import('./containers.js')).declarePs,
  },
  {
    name: 'rm',
    group: CONTAINERS,
    summary: 'remove containers and their changes',
    load: async () => (await import('./containers.js')).declareRm,
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
    name: 'cp',
    group: FILES,
    summary: 'copy out of an image or a snapshot, or into an active snapshot',
    load: async () => (await import('./files.js')).declareCp,
  },
  {
    name: 'unpack',
    group: FILES,
    summary: 'write the tree of an image into a folder',
    load: async () => (await import('./unpack.js')).declareUnpack,
  },

  {
    name: 'commit',
    group: CHANGES,
    summary: 'turn an active snapshot into a committed one, or into an image',
    load: async () => (await import('./commit.js')).declareCommit,
  },
  {
    name: 'diff',
    group: CHANGES,
    summary: 'what changed',
    load: async () => (await import('./diff.js')).declareDiff,
  },
  {
    name: 'explain',
    group: CHANGES,
    summary: 'how a path resolves, layer by layer, and why',
    load: async () => (await import('./explain.js')).declareExplain,
  },
  {
    name: 'trace',
    group: CHANGES,
    summary: 'what happens in a mount, live: requests, copy-ups, whiteouts, marks',
    load: async () => (await import('./trace.js')).declareTrace,
  },

  {
    name: 'lab',
    group: HERE,
    summary: 'a page that shows copy-on-write, on mounts of its own or on a live one',
    load: async () => (await import('./lab/command.js')).declareLab,
  },

  {
    name: 'snapshot',
    group: PARTS,
    summary: 'the snapshotter, one word each',
    load: async () => (await import('./snapshot.js')).declareSnapshot,
  },
  {
    name: 'content',
    group: PARTS,
    summary: 'the content store',
    load: async () => (await import('./content.js')).declareContent,
  },
  {
    name: 'layer',
    group: PARTS,
    summary: 'the store as layers, in Docker’s words',
    load: async () => (await import('./layer.js')).declareLayer,
  },
  {
    name: 'container',
    group: PARTS,
    summary: 'the container store',
    load: async () => (await import('./container.js')).declareContainer,
  },
  {
    name: 'lease',
    group: PARTS,
    summary: 'what garbage collection leaves alone',
    load: async () => (await import('./lease.js')).declareLease,
  },
  {
    name: 'gc',
    group: PARTS,
    summary: 'remove what nothing needs any more',
    load: async () => (await import('./gc.js')).declareGc,
  },
  {
    name: 'dump',
    group: PARTS,
    summary: 'the metadata as JSON',
    load: async () => (await import('./dump.js')).declareDump,
  },
  {
    name: 'restore',
    group: PARTS,
    summary: 'the metadata of a dump into an empty store',
    load: async () => (await import('./dump.js')).declareRestore,
  },
  {
    name: 'namespace',
    group: PARTS,
    summary: 'namespaces of names and labels',
    load: async () => (await import('./namespace.js')).declareNamespace,
  },

  {
    name: 'serve',
    group: SERVERS,
    summary: 'a snapshotter and a store for containerd, on a unix socket',
    load: async () => (await import('./serve.js')).declareServe,
  },
];
