// How long the program itself takes to begin.
import { assertEqual, median, must, shell, timed } from './measure.mjs';

/** The command that mounted what this runs on; the index of the chain is there already. */
function mounted({ mountPoint, mountSeconds, merged }) {
  const { out } = shell('cd "$1" && find . -type f | wc -l', mountPoint);
  assertEqual('files', Number(out), merged.size);
  return { seconds: mountSeconds };
}

function help({ mica }) {
  const times = Array.from({ length: 9 }, () => {
    let out = '';
    const seconds = timed(() => {
      out = must(process.execPath, [mica, '--help']);
    });
    assertEqual('help names mount', /^ {2}mount\b/m.test(out), true);
    return seconds;
  });
  return { seconds: median(times) };
}

export const START = [
  {
    name: 'mount of 40 layers',
    fixture: '40',
    run: mounted,
    measures: {
      seconds: ['store', 'view'].map((ours) => ({ ours, atMost: 0.2 })),
    },
  },
  {
    name: 'mica --help',
    only: ['plain'],
    run: help,
    measures: { seconds: [{ ours: 'micafs', atMost: 0.08 }] },
  },
];
