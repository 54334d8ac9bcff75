import { MemBlobRows, type MemBytes, MemContent } from '../../../src/content/mem-content.js';
import { contentSuite } from '../../suites/content.js';

contentSuite('MemContent', async () => {
  const blobs: MemBytes = new Map();
  return {
    content: new MemContent(new MemBlobRows(), blobs),
    other: new MemContent(new MemBlobRows(), blobs),
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
