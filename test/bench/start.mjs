// How long the program itself takes to begin, in seconds and in starts of Node that does nothing, which no program in
// JavaScript is quicker than, and which a machine that is slow for an hour makes as much slower: `mica mount` is two of them,
// the command's and the server's.
import { assertEqual, median, must, shell, timed } from './measure.mjs';

const TIMES = 9;

const startOfNode = () => timed(() => must(process.execPath, ['-e', '0']));

/** The command that mounted what this runs on; the index of the chain is there already. */
function mounted({ mountPoint, mountSeconds, merged }) {
  const { out } = shell('cd "$1" && find . -type f | wc -l', mountPoint);
  assertEqual('files', Number(out), merged.size);
  const node = median(Array.from({ length: TIMES }, startOfNode));
  return { seconds: mountSeconds, 'starts of Node': mountSeconds / node };
}

function help({ mica }) {
  const turns = Array.from({ length: TIMES }, () => {
    let out = '';
    const seconds = timed(() => {
      out = must(process.execPath, [mica, '--help']);
    });
    assertEqual('help names mount', /^ {2}mount\b/m.test(out), true);
    return { seconds, node: startOfNode() };
  });
  const seconds = median(turns.map((turn) => turn.seconds));
  return { seconds, 'starts of Node': seconds / median(turns.map(({ node }) => node)) };
}

export const START = [
  {
    name: 'mount of 40 layers',
    fixture: '40',
    run: mounted,
    measures: {
      seconds: ['store', 'view'].map((ours) => ({ ours, atMost: 0.2 })),
      'starts of Node': { unit: 'x', targets: ['store', 'view'].map((ours) => ({ ours, atMost: 10 })) },
    },
  },
  {
    name: 'mica --help',
    only: ['plain'],
    run: help,
    measures: {
      seconds: [{ ours: 'micafs', atMost: 0.08 }],
      'starts of Node': { unit: 'x', targets: [{ ours: 'micafs', atMost: 2.5 }] },
    },
  },
];
