// Names beyond ASCII in the page that plays by itself.

import { expect, test } from 'vitest';
import { fromText } from '../../../fs/index.js';
import { eventInText, explanationInText } from '../../../src/web/in-text.js';
import { MemoryBackend } from '../../../src/web/memory.js';
import { World } from '../../../src/web/world.js';
import { expectNamesAsText, LAYERS_OF_NAMES } from '../../suites/lab-names.js';

test('the page is told names beyond ASCII as text', async () => {
  const world = new World(new MemoryBackend());
  await world.load({ layers: LAYERS_OF_NAMES });
  await expectNamesAsText(world);
});

test('bytes that are not UTF-8 are shown by a sign, and the layers of an explanation keep all else', () => {
  const path = `${fromText('日本')}/\xff`;
  expect(eventInText({ seq: 1, timeNs: 2, kind: 'copy-up', path, layer: 'é' })).toEqual({
    seq: 1,
    timeNs: 2,
    kind: 'copy-up',
    path: '日本/\ufffd',
    layer: 'é',
  });
  const layer = { id: 'é', role: 'upper', finding: 'redirect', mode: 0o40755 } as const;
  const explanation = { path, result: { layer: 'é' }, why: 'é', kind: 'folder' } as const;
  const layers = [{ ...layer, redirect: '\xff' }, { ...layer, finding: 'nothing' } as const];
  expect(
    explanationInText({ ...explanation, layers, parents: [{ path: fromText('日本'), layers }] }),
  ).toEqual({
    ...explanation,
    path: '日本/\ufffd',
    layers: [
      { ...layer, redirect: '\ufffd' },
      { ...layer, finding: 'nothing' },
    ],
    parents: [
      {
        path: '日本',
        layers: [
          { ...layer, redirect: '\ufffd' },
          { ...layer, finding: 'nothing' },
        ],
      },
    ],
  });
});
