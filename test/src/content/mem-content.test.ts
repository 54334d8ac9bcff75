import { MemBlobRows, type MemBytes, MemContent } from '../../../src/content/mem-content.js';
import { contentSuite } from '../../suites/content.js';
import { ownContentSuite, storeContentSuite } from '../../suites/store-content.js';

const make = async () => {
  const blobs: MemBytes = new Map();
  let mayShare = (_: string) => true;
  const others = new MemBlobRows((digest) => mayShare(digest));
  return {
    content: new MemContent(new MemBlobRows((digest) => mayShare(digest)), blobs),
    other: new MemContent(others, blobs),
    isolate: async (shareable = false) => {
      mayShare = (digest) => shareable && others.get(digest) !== undefined;
    },
    damage: async (digest: string) => {
      const bytes = blobs.get(digest);
      if (bytes !== undefined)
        blobs.set(
          digest,
          bytes.map((byte) => byte ^ 1),
        );
    },
    remove: async () => blobs.clear(),
  };
};

contentSuite('MemContent', make);
ownContentSuite('MemContent', make);
storeContentSuite('MemContent', make);
