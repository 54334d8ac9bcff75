// `mica demo`: the words. The story itself is in demo.ts.

import type { Declare } from '../commands.js';

export const declareDemo: Declare = (command, act) => {
  command
    .argument('[image.tar]', 'an OCI layout or a docker-archive; default: made of this Node’s own files')
    .option('--teach', 'stop before each step, say what is about to happen, and ask for a guess')
    .option('--keep', 'leave the scratch folder behind')
    .action(
      act(async (context, archive: string | undefined, words: { teach?: boolean; keep?: boolean }) => {
        const { runDemo } = await import('./demo.js');
        await runDemo(context, { archive, teach: words.teach === true, keep: words.keep === true });
      }),
    );
};
