// Names beyond ASCII in a lab, whatever plays it: all that the page is told of them is text.

import { expect } from 'vitest';
import type { Lab, Ran } from '../../src/web/model.js';

export const LAYERS_OF_NAMES = [
  { name: 'base', files: { 'é/ü': 'x\n', '日本/語': 'y\n', 'a/b': 'z\n' } },
] as const;

/** Plays on those layers. */
export async function expectNamesAsText(lab: Lab): Promise<void> {
  const run = async (line: string): Promise<Ran> => {
    const ran = await lab.run(line);
    expect(ran).toMatchObject({ line, output: '', failed: false });
    return ran;
  };
  const written = await run('echo hi >> é/ü');
  expect(written.looked).toMatchObject({ path: 'é/ü', parents: [{ path: 'é' }] });
  expect(changed(written)).toEqual(['copy-up é', 'copy-up é/ü']);
  expect(pathsOf(written)).toEqual(['é', 'é/ü']);
  const removed = await run('rm 日本/語');
  expect(removed.looked).toMatchObject({ path: '日本/語', parents: [{ path: '日本' }] });
  expect(changed(removed)).toEqual(['copy-up 日本', 'whiteout 日本/語']);

  await run('mv é ö');
  const folder = await lab.explain('ö');
  expect([folder.path, folder.layers[0]]).toMatchObject(['ö', { finding: 'redirect', redirect: 'é' }]);
  const file = await lab.explain('ö/ü');
  expect(file.parents).toMatchObject([{ path: 'ö', layers: [{ redirect: 'é' }, {}] }]);
  // Bytes that are not UTF-8 cannot be typed; what stands for them is a character like any other.
  expect(await lab.explain('\ufffd/a')).toMatchObject({ path: '\ufffd/a', result: 'absent' });
}

function changed({ events }: Ran): string[] {
  return events.flatMap(({ kind, path }) =>
    kind === 'copy-up' || kind === 'whiteout' ? `${kind} ${path}` : [],
  );
}

function pathsOf({ events }: Ran): string[] {
  return [...new Set(events.map(({ path }) => path))].sort();
}
