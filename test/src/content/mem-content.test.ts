import { MemBlobRows, type MemBytes, MemContent } from '../../../src/content/mem-content.js';
import { contentSuite } from '../../suites/content.js';

contentSuite('MemContent', async () => {
  const blobs: MemBytes = new Map();
  let mayShare = (_: string) => true;
  const others = new MemBlobRows((digest) => mayShare(digest));
  return {
    content: new MemContent(new MemBlobRows((digest) => mayShare(digest)), blobs),
    other: new MemContent(others, blobs),
    isolate: async (shareable) => {
      mayShare = (digest) => shareable && others.get(digest) !== undefined;
    },
    damage: async (digest) => {
      const bytes = blobs.get(digest);
      if (bytes !== undefined)
        blobs.set(
          digest,
          bytes.map((byte) => byte ^ 1),
        );
    },
    remove: async () => blobs.clear(),
  };
});
