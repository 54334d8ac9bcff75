// The command line of fuse-overlayfs, as podman, buildah, mount(8) and people type it. What this program does not
// know it ignores with a line on stderr, as fuse-overlayfs does.

import { noOptions, type Options, takeOptions, wrong } from './options.js';

export interface Words extends Readonly<Options> {
  readonly help: boolean;
  readonly version: boolean;
  /** Stay in the foreground until the mount ends. */
  readonly foreground: boolean;
  /** What stands in /proc/mounts as the source. */
  readonly source: string | undefined;
  /** The mount point; undefined if none was typed. */
  readonly target: string | undefined;
  /** Words that were not understood. */
  readonly ignored: readonly string[];
}

/** `-s`: one thread alone, which is how a mount is served. */
const FLAGS = /^(?:-[fdhVs]|--(?:help|version|debug|foreground))$/;

/** Takes the words apart. invalid-argument for an option whose value is missing or wrong. */
export function parseWords(argv: readonly string[]): Words {
  const options = noOptions();
  const flags = new Set<string>();
  const ignored: string[] = [];
  const places: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word.startsWith('-o')) {
      const text = word === '-o' ? argv[++at] : word.slice(2);
      if (text === undefined) throw wrong('-o', 'its options are missing');
      ignored.push(...takeOptions(text, options));
    } else if (word === '--') {
      places.push(...argv.slice(at + 1));
      break;
    } else if (FLAGS.test(word)) {
      flags.add(word.replace(/^--?/, '').slice(0, 1).toLowerCase());
    } else if (word.startsWith('-') && word !== '-') {
      ignored.push(word);
    } else {
      places.push(word);
    }
  }
  if (places.length > 2) ignored.push(...places.slice(0, -2));
  const debug = options.debug || flags.has('d');
  return {
    ...options,
    debug,
    help: flags.has('h'),
    version: flags.has('v'),
    foreground: flags.has('f') || debug,
    source: places.length > 1 ? places.at(-2) : undefined,
    target: places.at(-1),
    ignored,
  };
}
