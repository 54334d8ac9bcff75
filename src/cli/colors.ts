// The colours of each stream: those who read a pipe or a file get text alone, in a CI too. NO_COLOR and FORCE_COLOR, when
// set to anything, have the last word (no-color.org, force-color.org).

import picocolors from 'picocolors';

type Colors = ReturnType<typeof picocolors.createColors>;

const { env } = process;

function colorsOf(stream: NodeJS.WriteStream): Colors {
  if (env.NO_COLOR) return picocolors.createColors(false);
  const isPainted = stream.isTTY === true && env.TERM !== 'dumb';
  return picocolors.createColors(isPainted || Boolean(env.FORCE_COLOR));
}

/** For what goes to stdout. */
export const colors = colorsOf(process.stdout);
/** For what goes to stderr. */
export const errorColors = colorsOf(process.stderr);
